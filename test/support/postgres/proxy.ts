import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { TEST_URL } from './server.ts';

const NOTIFICATION = 'A'.charCodeAt(0);

/** A proxy before the PostgreSQL server, which can be away, or lose answers, or notifications alone. */
export class PostgresProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;
  #isLosing = false;
  #isForGood = false;
  /** True to let no notification through: the listening connection looks alive and is silent. */
  swallowsBells = false;
  /** True to let every notification through twice. */
  doublesBells = false;
  readonly #target: URL;

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer((client) => this.#forward(client));
  }

  static async open(target = TEST_URL): Promise<PostgresProxy> {
    const proxy = new PostgresProxy(target);
    await proxy.#listen();
    return proxy;
  }

  /** The URL of the database through this proxy. */
  get url(): string {
    const url = new URL(this.#target);
    url.hostname = '127.0.0.1';
    url.port = String(this.#port);
    return url.href;
  }

  /** Ends all connections, and takes no new ones. */
  async goAway(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async comeBack(): Promise<void> {
    await this.#listen();
  }

  /**
   * The next bytes of the connection on which a client writes reach the server, and what the server says to them is lost with the connection; after that all
   * is well again, or with `forGood` the database is away.
   */
  loseNextAnswer({ forGood = false } = {}): void {
    this.#isLosing = true;
    this.#isForGood = forGood;
  }

  /** Ports from which the proxy is connected to the server. */
  get ports(): readonly number[] {
    return [...this.#sockets].flatMap(({ localPort, remotePort }) =>
      remotePort === this.#targetPort && localPort !== undefined ? [localPort] : [],
    );
  }

  /** Breaks all connections; new ones are taken at once. */
  breakAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Passes nothing on for a time: the connections look alive. */
  async stall(ms: number): Promise<void> {
    const held = [...this.#sockets];
    for (const socket of held) socket.pause();
    await pause(ms);
    for (const socket of held) socket.resume();
  }

  get #targetPort(): number {
    return Number(this.#target.port || 5432);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.goAway();
  }

  #listen(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.listen(this.#port, '127.0.0.1', () => {
        this.#port = (this.#server.address() as { port: number }).port;
        resolve();
      });
    });
  }

  #forward(client: Socket): void {
    const server = connect(this.#targetPort, this.#target.hostname);
    const messages = new ServerMessages();
    let isLost = false;
    let isWriter = false;
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    client.on('data', (bytes) => {
      isWriter ||= bytes.includes('pg_try_advisory_lock');
      if (this.#isLosing && isWriter) {
        this.#isLosing = false;
        isLost = true;
      }
      server.write(bytes);
    });
    server.on('data', (all) => {
      const bytes = messages.next(all, this.swallowsBells ? 0 : this.doublesBells ? 2 : 1);
      if (!isLost) client.write(bytes);
      // `Z` with `I`: the server has ended the transaction, and says so at the end of its answers.
      else if (bytes.subarray(-6).equals(Buffer.from([0x5a, 0, 0, 0, 5, 0x49]))) {
        if (this.#isForGood) void this.goAway();
        client.destroy();
      }
    });
  }
}

/** What the server says, message by message: a byte for the kind, and four for the length of the rest. */
class ServerMessages {
  #rest = Buffer.alloc(0);

  /** Returns the whole messages so far, with each notification `bells` times. */
  next(bytes: Buffer, bells: number): Buffer {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const kept: Buffer[] = [];
    let at = 0;
    while (at + 5 <= all.length) {
      const end = at + 1 + all.readUInt32BE(at + 1);
      if (end > all.length) break;
      const times = all[at] === NOTIFICATION ? bells : 1;
      for (let time = 0; time < times; time++) kept.push(all.subarray(at, end));
      at = end;
    }
    this.#rest = Buffer.from(all.subarray(at));
    return Buffer.concat(kept);
  }
}
