import { get, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Json } from './frames.ts';
import { Mailbox } from './mailbox.ts';

export interface LiveOptions {
  readonly token?: string | undefined;
}

/** The client of one connection that stays open, be it a WebSocket or an event stream. Use it with `using`. */
export interface LiveClient extends Disposable {
  /** Every message: JSON of a text frame, or of the data of an event. */
  readonly messages: Mailbox<Json>;
  /**
   * How the connection ended: `4401 token expired` for a socket; for a stream the data of its last event or its last
   * line, `cut off` when its response is not complete.
   */
  readonly ended: Promise<string>;
  readonly isOpen: boolean;
  /** Stops reading, so that the server's writes fill all buffers. */
  stall(): void;
  wake(): void;
  /** Breaks the connection off with a TCP reset. */
  reset(): void;
}

export class LiveSocket implements LiveClient {
  readonly messages: Mailbox<Json>;
  readonly ended: Promise<string>;
  readonly socket: WebSocket;

  /** Resolves when the socket is open; rejects with `status 503` when the upgrade was refused. */
  static async open(url: string, { token }: LiveOptions = {}): Promise<LiveSocket> {
    const socket = new WebSocket(url, { perMessageDeflate: false, headers: credentials(token) });
    const client = new LiveSocket(socket, url);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
      socket.once('unexpected-response', (request, response) => {
        request.destroy();
        reject(new Error(`status ${response.statusCode}`));
      });
    });
    return client;
  }

  private constructor(socket: WebSocket, url: string) {
    this.socket = socket;
    this.messages = new Mailbox(`messages of ${url}`);
    socket.on('error', () => undefined);
    socket.on('message', (data) => this.messages.push(parse(data.toString())));
    this.ended = new Promise((resolve) => {
      socket.once('close', (code, reason) => {
        this.messages.end(`closed ${code}`);
        resolve(`${code} ${reason}`.trim());
      });
    });
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  send(message: string): void {
    this.socket.send(message);
  }

  stall(): void {
    this.socket.pause();
  }

  wake(): void {
    this.socket.resume();
  }

  reset(): void {
    (this.socket as unknown as { readonly _socket: Socket })._socket.resetAndDestroy();
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }
}

export class LiveStream implements LiveClient {
  readonly messages: Mailbox<Json>;
  readonly ended: Promise<string>;
  readonly #response: IncomingMessage;
  #text = '';

  /** Resolves when the stream has begun; rejects with `status 503` when it was refused. */
  static async open(url: string, { token }: LiveOptions = {}): Promise<LiveStream> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(url, { agent: false, headers: { accept: 'text/event-stream', ...credentials(token) } }, resolve).once(
        'error',
        reject,
      );
    });
    if (response.statusCode === 200) return new LiveStream(response, url);
    response.destroy();
    throw new Error(`status ${response.statusCode}`);
  }

  private constructor(response: IncomingMessage, url: string) {
    this.#response = response;
    this.messages = new Mailbox(`events of ${url}`);
    response.on('error', () => undefined);
    response.setEncoding('utf8').on('data', (chunk: string) => this.#take(chunk));
    this.ended = new Promise((resolve) => {
      response.once('close', () => {
        this.messages.end('the stream has ended');
        resolve(response.complete ? dataOf(this.#text.trimEnd().split('\n').at(-1) ?? '') : 'cut off');
      });
    });
  }

  get isOpen(): boolean {
    return !this.#response.destroyed && !this.#response.complete;
  }

  stall(): void {
    this.#response.pause();
  }

  wake(): void {
    this.#response.resume();
  }

  reset(): void {
    this.#response.socket.resetAndDestroy();
  }

  [Symbol.dispose](): void {
    this.#response.destroy();
  }

  #take(chunk: string): void {
    const before = this.#text.lastIndexOf('\n') + 1;
    this.#text += chunk;
    for (const line of this.#text.slice(before, this.#text.lastIndexOf('\n') + 1).split('\n')) {
      if (line.startsWith('data: ')) this.messages.push(parse(dataOf(line)));
    }
    // A test of a slow reader sends megabytes.
    if (this.#text.length > 1_000_000) this.#text = this.#text.slice(-500_000);
  }
}

function credentials(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

function dataOf(line: string): string {
  return line.startsWith('data: ') ? line.slice('data: '.length) : line;
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return { text };
  }
}
