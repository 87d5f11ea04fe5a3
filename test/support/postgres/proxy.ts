import type { Socket } from 'node:net';
import { TcpProxy } from '../tcp-proxy.ts';
import { TEST_URL } from './server.ts';

const NOTIFICATION = 'A'.charCodeAt(0);

/** A proxy before the PostgreSQL server, which can also lose answers, or notifications alone. */
export class PostgresProxy implements AsyncDisposable {
  readonly #target: URL;
  #proxy: TcpProxy | undefined;
  #isLosing = false;
  #isForGood = false;
  /** True to let no notification through: the listening connection looks alive and is silent. */
  swallowsBells = false;
  /** True to let every notification through twice. */
  doublesBells = false;

  private constructor(target: string) {
    this.#target = new URL(target);
  }

  static async open(target = TEST_URL): Promise<PostgresProxy> {
    const proxy = new PostgresProxy(target);
    const { hostname, port } = proxy.#target;
    const forward = (client: Socket, server: Socket) => proxy.#forward(client, server);
    proxy.#proxy = await TcpProxy.open(Number(port || 5432), hostname, forward);
    return proxy;
  }

  /** The URL of the database through this proxy. */
  get url(): string {
    const url = new URL(this.#target);
    url.hostname = '127.0.0.1';
    url.port = String(this.#tcp.port);
    return url.href;
  }

  /** Ports from which the proxy is connected to the server. */
  get ports(): readonly number[] {
    return this.#tcp.ports;
  }

  /** Ends all connections, and takes no new ones. */
  goAway(): Promise<void> {
    return this.#tcp.goAway();
  }

  comeBack(): Promise<void> {
    return this.#tcp.comeBack();
  }

  /** Breaks all connections; new ones are taken at once. */
  breakAll(): void {
    this.#tcp.breakAll();
  }

  /** Passes nothing on for a time: the connections look alive. */
  stall(ms: number): Promise<void> {
    return this.#tcp.stall(ms);
  }

  /**
   * The next bytes of the connection on which a client writes reach the server, and what the server says to them is lost with the connection; after that all
   * is well again, or with `forGood` the database is away.
   */
  loseNextAnswer({ forGood = false } = {}): void {
    this.#isLosing = true;
    this.#isForGood = forGood;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tcp[Symbol.asyncDispose]();
  }

  get #tcp(): TcpProxy {
    if (this.#proxy === undefined) throw new Error('The proxy is not open.');
    return this.#proxy;
  }

  #forward(client: Socket, server: Socket): void {
    const messages = new ServerMessages();
    let isLost = false;
    let isWriter = false;
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
