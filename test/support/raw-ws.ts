import { createHash, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { parseAnswer, type RawAnswer } from './http.ts';
import { Mailbox, WAIT } from './mailbox.ts';

export const OPCODE = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;

export interface RawFrame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly payload: Buffer;
  /** Milliseconds since the handshake was answered. */
  readonly at: number;
}

export interface RawSend {
  readonly opcode?: number;
  readonly payload?: string | Uint8Array;
  readonly fin?: boolean;
  readonly mask?: boolean;
  /** The three reserved bits, as a number of 0 to 7. */
  readonly rsv?: number;
  /** Written in the header instead of the payload's real length. */
  readonly length?: number;
}

export interface RawWsOptions {
  readonly method?: string;
  /** Sent instead of the usual handshake headers. */
  readonly headers?: readonly string[];
  /** Sent after the usual ones. */
  readonly moreHeaders?: readonly string[];
  readonly answerPings?: boolean;
  readonly answerClose?: boolean;
  readonly key?: string;
}

/** A WebSocket client on a bare socket: it can do everything a proper one would refuse to. Use it with `using`. */
export class RawWs implements Disposable {
  readonly socket: Socket;
  readonly frames = new Mailbox<RawFrame>('raw frames');
  /** The answer to the handshake; its `body` holds what followed the head. */
  answer: RawAnswer = { status: 0, headers: new Map(), body: '', all: '' };
  /** When the connection ended, in milliseconds since the handshake was answered. */
  readonly closed: Promise<number>;
  readonly key: string;
  readonly #answerPings: boolean;
  readonly #answerClose: boolean;
  #buffer: Buffer = Buffer.alloc(0);
  #openedAt = 0;

  /** Resolves when the head of the answer has come, whatever its status; of a refusal the body too. */
  static async open(port: number, path: string, options: RawWsOptions = {}): Promise<RawWs> {
    const client = new RawWs(port, options);
    await client.#handshake(path, options);
    return client;
  }

  private constructor(port: number, options: RawWsOptions) {
    this.key = options.key ?? randomBytes(16).toString('base64');
    this.#answerPings = options.answerPings ?? true;
    this.#answerClose = options.answerClose ?? true;
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => {
        this.frames.end('connection closed');
        resolve(this.#now());
      });
    });
  }

  /** What a server that has understood the key answers. */
  get expectedAccept(): string {
    return createHash('sha1').update(`${this.key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  }

  get isOpen(): boolean {
    return !this.socket.destroyed;
  }

  /** Writes one frame, well-formed or not. */
  send({ opcode = OPCODE.text, payload = '', fin = true, mask = true, rsv = 0, length }: RawSend): void {
    const data = typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload);
    const head = header((fin ? 0x80 : 0) | (rsv << 4) | opcode, length ?? data.length, mask);
    if (!mask) {
      this.socket.write(Buffer.concat([head, data]));
      return;
    }
    const key = randomBytes(4);
    for (let index = 0; index < data.length; index += 1) data[index] = (data[index] ?? 0) ^ (key[index % 4] ?? 0);
    this.socket.write(Buffer.concat([head, key, data]));
  }

  /** The status code of the close frame that ended the connection. */
  async closeCode(timeout: number = WAIT): Promise<number> {
    const frame = await this.frames.next(({ opcode }) => opcode === OPCODE.close, timeout);
    return frame.payload.length < 2 ? 1005 : frame.payload.readUInt16BE(0);
  }

  /** The next text frame, parsed. */
  async json(timeout: number = WAIT): Promise<Record<string, unknown>> {
    const frame = await this.frames.next(({ opcode }) => opcode === OPCODE.text, timeout);
    return JSON.parse(frame.payload.toString('utf8')) as Record<string, unknown>;
  }

  /** Everything of this opcode that has come so far. */
  of(opcode: number): readonly RawFrame[] {
    return this.frames.items.filter((frame) => frame.opcode === opcode);
  }

  /** Stops reading: the server's writes fill the socket's buffers. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  #now(): number {
    return performance.now() - this.#openedAt;
  }

  #handshake(path: string, options: RawWsOptions): Promise<void> {
    const headers = options.headers ?? [
      'Host: 127.0.0.1',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${this.key}`,
      ...(options.moreHeaders ?? []),
    ];
    this.socket.write([`${options.method ?? 'GET'} ${path} HTTP/1.1`, ...headers, '', ''].join('\r\n'));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to the handshake of ${path}`)), WAIT);
      let head: Buffer = Buffer.alloc(0);
      const onData = (chunk: Buffer): void => {
        head = Buffer.concat([head, chunk]);
        const answer = parseAnswer(head.toString('latin1'));
        if (!answer.all.includes('\r\n\r\n')) return;
        const upgraded = answer.status === 101;
        if (!upgraded && Buffer.byteLength(answer.body, 'latin1') < Number(answer.headers.get('content-length') ?? 0))
          return;
        clearTimeout(timer);
        this.socket.off('data', onData);
        this.answer = answer;
        this.#openedAt = performance.now();
        if (upgraded) {
          this.socket.on('data', (data: Buffer) => this.#read(data));
          this.#read(head.subarray(head.indexOf('\r\n\r\n') + 4));
        } else {
          // Keeps the socket flowing, so that its end is seen.
          this.socket.resume();
        }
        resolve();
      };
      this.socket.on('data', onData);
      void this.closed.then(() => {
        clearTimeout(timer);
        reject(new Error(`closed before the handshake of ${path} was answered: ${head.toString('latin1')}`));
      });
    });
  }

  #read(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    for (;;) {
      const frame = parseFrame(this.#buffer);
      if (frame === undefined) return;
      this.#buffer = this.#buffer.subarray(frame.size);
      this.frames.push({ ...frame.frame, at: this.#now() });
      const { opcode, payload } = frame.frame;
      if (opcode === OPCODE.ping && this.#answerPings) this.send({ opcode: OPCODE.pong, payload });
      if (opcode === OPCODE.close && this.#answerClose)
        this.send({ opcode: OPCODE.close, payload: payload.subarray(0, 2) });
    }
  }
}

function header(first: number, length: number, mask: boolean): Buffer {
  const maskBit = mask ? 0x80 : 0;
  if (length < 126) return Buffer.from([first, maskBit | length]);
  if (length < 65_536) {
    const head = Buffer.from([first, maskBit | 126, 0, 0]);
    head.writeUInt16BE(length, 2);
    return head;
  }
  const head = Buffer.alloc(10);
  head[0] = first;
  head[1] = maskBit | 127;
  head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}

/** The first frame in `buffer` (a server's: unmasked) and the bytes it takes, or undefined when it is not whole. */
function parseFrame(buffer: Buffer): { frame: Omit<RawFrame, 'at'>; size: number } | undefined {
  if (buffer.length < 2) return undefined;
  const first = buffer.readUInt8(0);
  const short = buffer.readUInt8(1) & 0x7f;
  const start = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (buffer.length < start) return undefined;
  const length = short === 126 ? buffer.readUInt16BE(2) : short === 127 ? Number(buffer.readBigUInt64BE(2)) : short;
  if (buffer.length < start + length) return undefined;
  const payload = Buffer.from(buffer.subarray(start, start + length));
  return { frame: { opcode: first & 0x0f, fin: (first & 0x80) !== 0, payload }, size: start + length };
}
