import { connect, createServer } from 'node:net';

/** Milliseconds between two questions whether a server takes connections. */
const CHECK_INTERVAL_MS = 500;

/**
 * Balancer of TCP connections: each goes to the next server that is ready, in turn. It knows nothing of HTTP, and keeps no
 * client at one server: a client of Tablecast resumes at any of them.
 */
export class Balancer {
  /** Origins of the servers, with what each said about itself last. */
  #ready = new Map();
  #next = 0;
  #server = createServer((client) => this.#forward(client));
  #timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS);

  /** Resolves with the port. */
  listen(port) {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', () => resolve(this.#server.address().port));
    });
  }

  add(origin) {
    this.#ready.set(origin, true);
  }

  remove(origin) {
    this.#ready.delete(origin);
  }

  close() {
    clearInterval(this.#timer);
    this.#server.close();
  }

  #forward(client) {
    const origins = [...this.#ready].filter(([, isReady]) => isReady).map(([origin]) => origin);
    const origin = origins[this.#next++ % Math.max(1, origins.length)];
    if (origin === undefined) return client.destroy();
    const { hostname, port } = new URL(origin);
    const server = connect({ host: hostname, port: Number(port), noDelay: true });
    client.setNoDelay(true);
    client.pipe(server).pipe(client);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ]) {
      // A connection that breaks breaks on both sides, so that the client connects again.
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
    return undefined;
  }

  async #check() {
    for (const origin of this.#ready.keys()) {
      const answer = await fetch(`${origin}/_/health/ready`, { signal: AbortSignal.timeout(CHECK_INTERVAL_MS * 4) })
        .then(({ ok }) => ok)
        .catch(() => false);
      if (this.#ready.has(origin)) this.#ready.set(origin, answer);
    }
  }
}
