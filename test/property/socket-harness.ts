import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { ANONYMOUS } from '../../src/auth/identity.ts';
import type { TableResource } from '../../src/resources/table/resource.ts';
import { Transactions } from '../../src/resources/transactions/transactions.ts';
import { WsConnection } from '../../src/transports/ws/connection.ts';
import { JSON_FORMAT } from '../../src/transports/ws/message-format.ts';

export type Message = Readonly<Record<string, unknown>>;

/** WebSockets on a loopback port whose server side is the product's own connection, on the current table. */
export class SocketServer implements AsyncDisposable {
  /** Table of connections that are opened from now on. */
  resource: TableResource | undefined;
  readonly faults: unknown[] = [];
  readonly #http: Server = createServer();
  readonly #sockets = new WebSocketServer({ server: this.#http });

  constructor() {
    this.#sockets.on('connection', (ws, request) => {
      const client = new URL(request.url ?? '', 'ws://localhost').searchParams.get('client') ?? undefined;
      new WsConnection(ws, request.socket as Socket, {
        context: {
          appId: 'my-app',
          resource: this.resource as TableResource,
          transactions: new Transactions({ commits: undefined as never, maxSteps: 0, isStored: () => false }),
          tables: new Map(),
          auth: undefined,
          pongTimeout: 60_000,
          slowClientTimeout: 60_000,
          messagesPerSecond: 1e6,
          messagesBurst: 1e6,
          waitingMessages: 100,
          message: 512 * 1024,
          onError: (error) => void this.faults.push(error),
        },
        id: undefined,
        client,
        format: JSON_FORMAT,
        identity: ANONYMOUS,
        rawQuery: '',
      });
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#http.listen(0, '127.0.0.1', resolve));
  }

  async open(client: string): Promise<Talk> {
    const { port } = this.#http.address() as AddressInfo;
    const socket = new WebSocket(`ws://127.0.0.1:${port}/?client=${client}`);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return new Talk(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
    await new Promise((resolve) => this.#http.close(resolve));
  }
}

/** Client side of a WebSocket. Every message has a ref, and responses are in the order of the messages. */
export class Talk {
  readonly #socket: WebSocket;
  readonly #waiting: ((answer: Message) => void)[] = [];

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => this.#waiting.shift()?.(JSON.parse(String(data)) as Message));
  }

  say(message: Message): Promise<Message> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.send(JSON.stringify(message));
    });
  }

  close(): void {
    this.#socket.terminate();
  }
}
