import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

const MARK = '"seq":';
const DIGITS = 16;
const CLOSING_BRACE = 0x7d;

/**
 * A subscriber that only looks at the seqs of what it is told: fast enough for millions of frames in one process, where
 * a client that parses frames would itself be the slow one. Works for WebSocket and SSE alike.
 */
export class SeqReader {
  readonly socket: Socket;
  /** seq of `ready`. */
  ready = 0;
  last = 0;
  count = 0;
  /** Of all seqs: equal for readers that were told the same. */
  sum = 0n;
  outOfOrder = 0;
  /** Close code that the server sent at the very end, if any. */
  closeCode: number | undefined;
  #rest: Buffer = Buffer.alloc(0);
  readonly ended: Promise<void>;

  /** Resolves when `ready` has come. */
  static async open(port: number, path: string): Promise<SeqReader> {
    const reader = new SeqReader(port, path);
    while (reader.ready === 0) await new Promise((resolve) => reader.socket.once('data', resolve));
    return reader;
  }

  private constructor(port: number, path: string) {
    this.socket = connect(port, '127.0.0.1');
    const key = randomBytes(16).toString('base64');
    this.socket.write(
      `GET ${path} HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
    this.socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.socket.on('error', () => undefined);
    this.ended = new Promise((resolve) => this.socket.once('close', () => resolve()));
  }

  #take(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let position = 0;
    for (;;) {
      const found = bytes.indexOf(MARK, position, 'latin1');
      if (found < 0 || found + MARK.length + DIGITS >= bytes.length) break;
      position = found + MARK.length + DIGITS;
      const seq = Number(bytes.toString('latin1', found + MARK.length, position));
      // In a control frame the seq is the last member, in a change frame `op` follows.
      if (bytes[position] === CLOSING_BRACE) this.ready = seq;
      else this.#see(seq);
    }
    this.#rest = Buffer.from(bytes.subarray(position));
    // An unmasked close frame: 0x88, length, code.
    const close = this.#rest.lastIndexOf(0x88);
    if (close >= 0 && close + 4 <= this.#rest.length && (this.#rest[close + 1] ?? 0) < 126) {
      this.closeCode = this.#rest.readUInt16BE(close + 2);
    }
  }

  #see(seq: number): void {
    if (seq <= this.last) this.outOfOrder++;
    this.last = seq;
    this.count++;
    this.sum += BigInt(seq);
  }
}
