import { connect, createServer, type Server, type Socket } from 'node:net';
import { TEST_URL } from './server.ts';

/** A proxy before the PostgreSQL server, which can be away, or lose answers. */
export class PostgresProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;
  #isLosing = false;
  #isForGood = false;

  private constructor() {
    this.#server = createServer((client) => this.#forward(client));
  }

  static async open(): Promise<PostgresProxy> {
    const proxy = new PostgresProxy();
    await proxy.#listen();
    return proxy;
  }

  /** The URL of the database through this proxy. */
  get url(): string {
    const url = new URL(TEST_URL);
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
   * The next bytes of a client reach the server, and what the server says to them is lost with the connection; after that all
   * is well again, or with `forGood` the database is away.
   */
  loseNextAnswer({ forGood = false } = {}): void {
    this.#isLosing = true;
    this.#isForGood = forGood;
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
    const target = new URL(TEST_URL);
    const server = connect(Number(target.port || 5432), target.hostname);
    let isLost = false;
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
      if (this.#isLosing) {
        this.#isLosing = false;
        isLost = true;
      }
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      if (!isLost) client.write(bytes);
      // `Z` with `I`: the server has ended the transaction, and says so at the end of its answers.
      else if (bytes.subarray(-6).equals(Buffer.from([0x5a, 0, 0, 0, 5, 0x49]))) {
        if (this.#isForGood) void this.goAway();
        client.destroy();
      }
    });
  }
}
