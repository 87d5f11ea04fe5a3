import { WebSocket } from 'ws';
import { type BinaryLimits, loadBinary } from '../../server/content/binary.ts';
import type { MessageFormat } from '../../server/content/formats.ts';

export type Message = Readonly<Record<string, unknown>>;

/** Milliseconds for a message that has to come. */
export const MAX_WAIT_MS = 10_000;
/** Milliseconds after the last message in which nothing more may come. */
const QUIET_MS = 150;
/** Bounds of a message of the server. */
const LIMITS: BinaryLimits = { jsonDepth: 64, jsonKeys: 10_000 };

export interface PeerOptions {
  /** `ws://localhost:9996/my-app/_/live` */
  readonly url: string;
  readonly token: string | undefined;
  readonly codec?: MessageFormat;
  /** Milliseconds for a message that has to come; defaults to `MAX_WAIT_MS`. */
  readonly timeout?: number;
}

interface Codec {
  encode(message: Message): string | Uint8Array;
  decode(data: Buffer): Message;
}

async function loadCodec(format: MessageFormat): Promise<Codec> {
  if (format === 'json') return { encode: JSON.stringify, decode: (data) => JSON.parse(data.toString()) as Message };
  const codec = await loadBinary(format);
  return { encode: (message) => codec.encode(message), decode: (data) => codec.decode(data, LIMITS) as Message };
}

/** Client of one WebSocket that keeps all messages, for the checks of the protocol. */
export class ConformancePeer {
  readonly messages: Message[] = [];
  readonly #socket: WebSocket;
  readonly #codec: Codec;
  readonly #timeout: number;
  #wakers: (() => void)[] = [];
  #cursor = 0;
  #closed: string | undefined;

  /** Opens a WebSocket and reads `hello`. Rejects when the server refuses it, or greets otherwise. */
  static async open({ url, token, codec = 'json', timeout = MAX_WAIT_MS }: PeerOptions): Promise<ConformancePeer> {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    // Loaded first: the connection may be open before a module is.
    const loaded = await loadCodec(codec);
    const socket = new WebSocket(url, [`tablecast.v1.${codec}`], { perMessageDeflate: false, headers });
    const peer = new ConformancePeer(socket, loaded, timeout);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', () => resolve());
      socket.once('error', reject);
    });
    return peer;
  }

  private constructor(socket: WebSocket, codec: Codec, timeout: number) {
    this.#timeout = timeout;
    this.#socket = socket;
    this.#codec = codec;
    socket.on('error', () => {});
    socket.on('message', (data: Buffer) => {
      try {
        this.messages.push(codec.decode(data));
      } catch (error) {
        this.#closed ??= `a message could not be read: ${(error as Error).message}`;
      }
      this.#wake();
    });
    socket.on('close', (code) => {
      this.#closed ??= `closed with ${code}`;
      this.#wake();
    });
  }

  get subprotocol(): string {
    return this.#socket.protocol;
  }

  send(message: Message): void {
    this.#socket.send(this.#codec.encode(message));
  }

  /** Returns the next message that matches; earlier ones are passed over. Throws when none comes in time. */
  next(what: string, matches: (message: Message) => boolean = () => true): Promise<Message> {
    return this.#wait(what, () => {
      const index = this.messages.findIndex((message, at) => at >= this.#cursor && matches(message));
      if (index >= 0) this.#cursor = index + 1;
      return this.messages[index];
    });
  }

  /** Returns the first change for a subscription, which may come before or after the acknowledgement of its write. */
  change(id: number | string): Promise<Message> {
    const isChange = ({ type }: Message) => type === 'update' || type === 'delete' || type === 'publish';
    return this.received('the change', id, isChange);
  }

  /** Returns the first message for a subscription that matches, which may come before or after an acknowledgement. */
  received(what: string, id: number | string, matches: (message: Message) => boolean): Promise<Message> {
    return this.#wait(what, () => this.of(id).find(matches));
  }

  async #wait(what: string, find: () => Message | undefined): Promise<Message> {
    const end = performance.now() + this.#timeout;
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      const left = end - performance.now();
      if (this.#closed !== undefined || left <= 0) {
        throw new Error(`${what} did not come${this.#closed === undefined ? '' : `: ${this.#closed}`}`);
      }
      await this.#change(left);
    }
  }

  /** Resolves when nothing has come for a while. */
  async quiet(): Promise<void> {
    for (let count = -1; count !== this.messages.length; ) {
      count = this.messages.length;
      await this.#change(QUIET_MS);
    }
  }

  /** Sends a message with a `ref`, and returns its answer. */
  ask(ref: string, message: Message): Promise<Message> {
    this.send({ ...message, ref });
    return this.next(`the answer to ${String(message.type)}`, (answer) => answer.ref === ref);
  }

  /** Subscribes, and resolves with all messages for the subscription up to `ready`. */
  async subscribe(id: number | string, query: string, more: Message = {}): Promise<Message[]> {
    const from = this.messages.length;
    this.send({ type: 'subscribe', id, query, ...more });
    await this.next('subscribed', ({ type, id: about }) => type === 'subscribed' && about === id);
    await this.next('ready', (message) => message.type === 'ready' && isFor(message, id));
    return this.messages.slice(from).filter((message) => isFor(message, id));
  }

  /** All messages for a subscription. */
  of(id: number | string): Message[] {
    return this.messages.filter((message) => isFor(message, id));
  }

  close(): void {
    this.#socket.terminate();
  }

  #change(timeout: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeout);
      this.#wakers.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #wake(): void {
    for (const wake of this.#wakers.splice(0)) wake();
  }
}

export function isFor({ s }: Message, id: number | string): boolean {
  return Array.isArray(s) && s.includes(id);
}
