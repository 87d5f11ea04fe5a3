import { type ClientOptions, WebSocket } from 'ws';
import type { Json } from './frames.ts';
import { Mailbox, WAIT } from './mailbox.ts';
import type { WsClose } from './ws-client.ts';

/** Two collections as the guide of the multiplexed protocol has them. */
export const POSTS_SCHEMA = `type Post @table @export(name: "posts") {
  id: ID! @primaryKey
  title: String!
  status: String @default(value: "draft")
  price: Int
  created_at: Date @createdTime
}
type Comment @table @export(name: "comments") {
  id: ID! @primaryKey
  text: String
}
`;

export const REALTIME = '/api/v1/realtime';

/** A client of the multiplexed protocol that keeps every message. Use it with `using`. */
export class GatewayClient implements Disposable {
  readonly socket: WebSocket;
  readonly messages: Mailbox<Json>;
  readonly closed: Promise<WsClose>;

  /** Resolves when the socket is open; rejects when the upgrade was refused. */
  static async open(url: string, options: ClientOptions & { protocols?: string[] } = {}): Promise<GatewayClient> {
    const client = new GatewayClient(url, options);
    await new Promise<void>((resolve, reject) => {
      client.socket.once('open', () => resolve());
      client.socket.once('error', reject);
    });
    return client;
  }

  private constructor(url: string, { protocols = [], ...options }: ClientOptions & { protocols?: string[] }) {
    this.messages = new Mailbox(`messages of ${url.replace(/\?.*/, '')}`);
    this.socket = new WebSocket(url, protocols, { perMessageDeflate: false, ...options });
    this.socket.on('error', () => undefined);
    this.socket.on('message', (data) => this.messages.push(JSON.parse(data.toString()) as Json));
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code, reason) => {
        this.messages.end(`closed ${code} ${reason}`);
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  /** Every event (a message with `data`) that has come. */
  get events(): readonly Json[] {
    return this.messages.items.filter((message) => 'data' in message);
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  send(message: Json | string | Uint8Array): void {
    const raw = typeof message === 'string' || message instanceof Uint8Array;
    this.socket.send(raw ? message : JSON.stringify(message));
  }

  /** Sends, and gives the next answer: a message that is neither an event nor a heartbeat. */
  ask(message: Json | string | Uint8Array, timeout: number = WAIT): Promise<Json> {
    this.send(message);
    return this.answer(timeout);
  }

  answer(timeout: number = WAIT): Promise<Json> {
    return this.messages.next((message) => !('data' in message) && message.type !== 'heartbeat', timeout);
  }

  subscribe(collection: string, more: Json = {}): Promise<Json> {
    return this.ask({ action: 'subscribe', collection, ...more });
  }

  /** The next event, of this type if one is given. */
  event(type?: string, timeout: number = WAIT): Promise<Json> {
    return this.messages.next((message) => 'data' in message && (type === undefined || message.type === type), timeout);
  }

  /** Everything that was sent to this client before now has come when this resolves. */
  async settle(): Promise<void> {
    this.send({ action: 'ping' });
    await this.messages.next((message) => message.type === 'pong');
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }
}
