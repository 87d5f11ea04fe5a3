import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** Passes on what a client and its server say. */
export type Forward = (client: Socket, server: Socket) => void;

const forwardAll: Forward = (client, server) => void client.pipe(server).pipe(client);

/** A proxy before a port, which can be away, or break its connections, or be silent. */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  port = 0;

  private constructor(target: number, host: string, forward: Forward) {
    this.#target = target;
    // With Nagle's algorithm a statement in two packets would wait 40 ms for the answer to the first.
    this.#server = createServer({ noDelay: true }, (client) => {
      const server = connect({ port: target, host, noDelay: true });
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          this.#sockets.delete(socket);
          client.destroy();
          server.destroy();
        });
      }
      forward(client, server);
    });
  }

  static async open(target: number, host = '127.0.0.1', forward: Forward = forwardAll): Promise<TcpProxy> {
    const proxy = new TcpProxy(target, host, forward);
    await proxy.comeBack();
    return proxy;
  }

  /** Ports from which the proxy is connected to the server. */
  get ports(): readonly number[] {
    return [...this.#sockets].flatMap(({ localPort, remotePort }) =>
      remotePort === this.#target && localPort !== undefined ? [localPort] : [],
    );
  }

  comeBack(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.listen(this.port, '127.0.0.1', () => {
        this.port = (this.#server.address() as { port: number }).port;
        resolve();
      });
    });
  }

  /** Ends all connections, and takes no new ones. */
  async goAway(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.breakAll();
    await closed;
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

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.goAway();
  }
}
