import { get, type IncomingMessage } from 'node:http';
import { decode as decodePack, encode as encodePack } from '@msgpack/msgpack';
import { decode as decodeCbor, encode as encodeCbor } from 'cborg';
import { WebSocket } from 'ws';
import type { Json } from './frames.ts';
import { ask } from './http.ts';
import { Mailbox, WAIT } from './mailbox.ts';

const CODECS = {
  json: { encode: (value: unknown) => JSON.stringify(value), decode: (data: Buffer) => JSON.parse(data.toString()) },
  cbor: { encode: encodeCbor, decode: (data: Buffer) => decodeCbor(data) as unknown },
  msgpack: { encode: encodePack, decode: (data: Buffer) => decodePack(data) },
} as const;

/** Ways to speak protocol v1: the codecs over WebSocket, and Server-Sent Events with POST. */
export const V1_KINDS = ['json', 'cbor', 'msgpack', 'sse'] as const;
export type V1Kind = (typeof V1_KINDS)[number];

export interface V1Options {
  readonly kind?: V1Kind;
  readonly token?: string;
  /** Id that the client gives itself. */
  readonly client?: string;
  /** User that it says to be, where authentication is off. */
  readonly user?: string;
}

/** A client of protocol v1 that keeps every message. Use it with `using`. */
export class V1Client implements Disposable {
  readonly messages: Mailbox<Json>;
  /** `1001 the server stops` for a socket; `close` of the last event, or `cut off`, for a stream. */
  readonly ended: Promise<string>;
  hello: Json = {};
  readonly #kind: V1Kind;
  readonly #url: string;
  readonly #headers: Record<string, string>;
  #socket: WebSocket | undefined;
  #response: IncomingMessage | undefined;
  #end: (reason: string) => void = () => {};
  /** Requests of a stream are sent in order. */
  #sent: Promise<unknown> = Promise.resolve();

  /** `base`: address of the application over HTTP. Resolves with the first message of the server. */
  static async open(base: string, options: V1Options = {}): Promise<V1Client> {
    const client = new V1Client(base, options);
    await client.#open();
    client.hello = await client.messages.next();
    return client;
  }

  private constructor(base: string, { kind = 'json', token, client, user }: V1Options) {
    this.#kind = kind;
    const query = new URLSearchParams({ ...(client && { client }), ...(user && { user_id: user }) }).toString();
    this.#url = `${base}/_/live${query === '' ? '' : `?${query}`}`;
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.messages = new Mailbox(`messages of ${this.#url} (${kind})`);
    this.ended = new Promise((resolve) => {
      this.#end = (reason) => {
        this.messages.end(reason);
        resolve(reason);
      };
    });
  }

  async #open(): Promise<void> {
    if (this.#kind === 'sse') return this.#openStream();
    const { decode } = CODECS[this.#kind];
    const socket = new WebSocket(this.#url.replace(/^http/, 'ws'), [`tablecast.v1.${this.#kind}`], {
      perMessageDeflate: false,
      headers: this.#headers,
    });
    this.#socket = socket;
    socket.on('message', (data: Buffer) => this.messages.push(decode(data) as Json));
    socket.once('close', (code, reason) => this.#end(`${code} ${reason}`.trim()));
    await new Promise<void>((resolve, reject) => {
      socket.once('open', () => resolve());
      socket.once('unexpected-response', (_request, response) => reject(new Error(`status ${response.statusCode}`)));
      socket.on('error', reject);
    });
  }

  async #openStream(): Promise<void> {
    const headers = { accept: 'text/event-stream', ...this.#headers };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(this.#url, { agent: false, headers }, resolve).once('error', reject);
    });
    if (response.statusCode !== 200) {
      response.destroy();
      throw new Error(`status ${response.statusCode}`);
    }
    this.#response = response;
    let text = '';
    let last = 'cut off';
    response.setEncoding('utf8').on('data', (chunk: string) => {
      const events = (text + chunk).split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const message = JSON.parse(event.replace(/^data: /, '')) as Json;
        if (message.type === 'close') last = `${message.code} ${message.reason}`;
        this.messages.push(message);
      }
    });
    response.on('error', () => undefined);
    response.once('close', () => this.#end(last));
  }

  send(...messages: readonly Json[]): void {
    if (this.#kind !== 'sse') {
      for (const message of messages) this.#socket?.send(CODECS[this.#kind].encode(message));
      return;
    }
    const url = new URL(String(this.hello.post), this.#url).href;
    this.#sent = this.#sent.then(() => ask('POST', url, { json: messages as never, headers: this.#headers }));
    this.#sent.catch(() => {});
  }

  /** Sends bytes or text as they are; WebSocket only. */
  sendRaw(data: string | Buffer): void {
    this.#socket?.send(data);
  }

  /** The next message with these members. */
  next(members: Json, timeout: number = WAIT): Promise<Json> {
    return this.messages.next((message) => has(message, members), timeout);
  }

  /** Subscribes, and resolves when the subscription is live. */
  async subscribe(id: string | number, query: string, more: Json = {}): Promise<void> {
    this.send({ type: 'subscribe', id, query, ...more });
    await this.next({ type: 'subscribed', id });
    await this.messages.next((message) => message.type === 'ready' && (message.s as unknown[]).includes(id));
  }

  /** Sends a write, and resolves with its acknowledgement or error. */
  write(ref: string | number, members: Json): Promise<Json> {
    this.send({ type: 'write', ref, ...members });
    return this.messages.next((message) => message.ref === ref);
  }

  /** Everything that the server has written before now has come when this resolves. */
  async settle(): Promise<void> {
    const ref = `settle-${Math.random()}`;
    this.send({ type: 'ping', ref });
    await this.messages.next((message) => message.ref === ref);
  }

  /** Messages for one subscription, in order. */
  of(id: string | number): Json[] {
    return this.messages.items.filter(({ s }) => Array.isArray(s) && s.includes(id));
  }

  stall(): void {
    this.#socket?.pause();
    this.#response?.pause();
  }

  wake(): void {
    this.#socket?.resume();
    this.#response?.resume();
  }

  [Symbol.dispose](): void {
    this.#socket?.terminate();
    this.#response?.destroy();
  }
}

function has(message: Json, members: Json): boolean {
  return Object.entries(members).every(([name, value]) => message[name] === value);
}
