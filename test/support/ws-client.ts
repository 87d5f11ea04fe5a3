import { type ClientOptions, WebSocket } from 'ws';
import type { ChangeFrame, ControlFrame, Json } from './frames.ts';
import { Mailbox, WAIT } from './mailbox.ts';

export interface WsOptions extends ClientOptions {
  readonly protocols?: readonly string[];
}

export interface WsClose {
  readonly code: number;
  readonly reason: string;
}

/** A WebSocket client that keeps every frame; change frames and control frames apart. Use it with `using`. */
export class WsClient implements Disposable {
  readonly socket: WebSocket;
  /** Every text frame as it came, in order. */
  readonly texts: string[] = [];
  readonly changes: Mailbox<ChangeFrame>;
  readonly controls: Mailbox<ControlFrame>;
  readonly closed: Promise<WsClose>;

  /** Resolves when the socket is open; rejects with the status when the upgrade was refused. */
  static async open(url: string, options: WsOptions = {}): Promise<WsClient> {
    const client = new WsClient(url, options);
    await new Promise<void>((resolve, reject) => {
      client.socket.once('open', () => resolve());
      client.socket.once('error', reject);
    });
    return client;
  }

  /** As `open`, and waits for `ready`: every write from now on reaches this client. */
  static async subscribe(url: string, options: WsOptions = {}): Promise<WsClient> {
    const client = await WsClient.open(url, options);
    await client.ready();
    return client;
  }

  private constructor(url: string, { protocols = [], ...options }: WsOptions) {
    this.changes = new Mailbox(`changes of ${url}`);
    this.controls = new Mailbox(`controls of ${url}`);
    this.socket = new WebSocket(url, [...protocols], { perMessageDeflate: false, ...options });
    // An error is always followed by `close`, which is what the tests look at.
    this.socket.on('error', () => undefined);
    this.socket.on('message', (data, isBinary) => this.#take(data.toString(), isBinary));
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code, reason) => {
        this.changes.end(`closed ${code} ${reason}`);
        this.controls.end(`closed ${code} ${reason}`);
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** Sends an object as JSON, a string or bytes as they are. */
  send(message: Json | string | Uint8Array): void {
    const raw = typeof message === 'string' || message instanceof Uint8Array;
    this.socket.send(raw ? message : JSON.stringify(message));
  }

  /** The next change frame for which `matches` holds. */
  next(matches?: (frame: ChangeFrame) => boolean, timeout: number = WAIT): Promise<ChangeFrame> {
    return this.changes.next(matches, timeout);
  }

  /** The next control frame of this type, and with this ref when one is given. */
  control(type: string, ref?: string | number, timeout: number = WAIT): Promise<ControlFrame> {
    return this.controls.next((frame) => frame.type === type && (ref === undefined || frame.ref === ref), timeout);
  }

  ready(timeout: number = WAIT): Promise<ControlFrame> {
    return this.control('ready', undefined, timeout);
  }

  async close(code = 1000, reason = ''): Promise<WsClose> {
    this.socket.close(code, reason);
    return this.closed;
  }

  /** Drops the connection without a close frame, as a lost network does. */
  terminate(): void {
    this.socket.terminate();
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }

  #take(text: string, isBinary: boolean): void {
    this.texts.push(text);
    if (isBinary) throw new Error(`a binary frame came: ${text.slice(0, 80)}`);
    const frame = JSON.parse(text) as ChangeFrame | ControlFrame;
    if ('message_type' in frame) this.changes.push(frame);
    else this.controls.push(frame);
  }
}

/** The status with which an upgrade was refused, and its body; rejects when it was not refused. */
export function refusedUpgrade(url: string, options: WsOptions = {}): Promise<{ status: number; body: string }> {
  const socket = new WebSocket(url, [...(options.protocols ?? [])], options);
  return new Promise((resolve, reject) => {
    socket.once('open', () => {
      socket.terminate();
      reject(new Error(`${url} was upgraded`));
    });
    socket.once('error', reject);
    socket.once('unexpected-response', (request, response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.once('close', () => {
        request.destroy();
        resolve({ status: response.statusCode ?? 0, body });
      });
    });
  });
}
