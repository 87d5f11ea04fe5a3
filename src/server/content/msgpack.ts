import { Decoder, Encoder } from '@msgpack/msgpack';
import { AppError } from '../../errors.ts';
import { type BinaryCodec, Outline, settleIntegers } from './binary.ts';

/** Levels of nesting that the encoder accepts: more than any configuration allows. */
const MAX_DEPTH_LEVELS = 2000;

/** MessagePack for the values of JSON: no binary data, no extensions, strings as keys. */
export const MESSAGE_PACK: BinaryCodec = {
  encode: (value) => new Encoder({ maxDepth: MAX_DEPTH_LEVELS }).encode(value),

  decode(bytes, limits) {
    const outline = new Outline('MessagePack', limits);
    // The decoder allocates lists as long as they claim to be, so it gets only bodies that are known to be complete.
    new Scanner(bytes, outline).scan();
    try {
      // With this option, every integer of 64 bits is a BigInt, small ones included.
      if (outline.hasLarge) return settleIntegers(new Decoder({ useBigInt64: true }).decode(bytes));
      return new Decoder().decode(bytes);
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw outline.error('it is malformed', 0);
    }
  },
};

/** Scans the items of a body by their first bytes (the MessagePack specification, "Formats"). */
class Scanner {
  readonly #bytes: Buffer;
  readonly #outline: Outline;
  #position = 0;

  constructor(bytes: Uint8Array, outline: Outline) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#outline = outline;
  }

  /** Throws unless the body is exactly one complete item. */
  scan(): void {
    while (!this.#outline.done) this.#item();
    if (this.#position < this.#bytes.length) throw this.#outline.error('more than one value', this.#position);
  }

  #item(): void {
    const at = this.#position;
    const head = this.#take(1);
    if (head <= 0x7f || head >= 0xe0) this.#outline.number(head, at);
    else if (head <= 0x8f) this.#open('map', head & 0x0f, at);
    else if (head <= 0x9f) this.#open('list', head & 0x0f, at);
    else if (head <= 0xbf) this.#text(head & 0x1f);
    else this.#wide(head, at);
  }

  #wide(head: number, at: number): void {
    if (head === 0xc0 || head === 0xc2 || head === 0xc3) this.#outline.simple(at);
    else if (head === 0xca || head === 0xcb) this.#float(head === 0xca ? 4 : 8, at);
    else if (head >= 0xcc && head <= 0xd3) this.#integer(head, at);
    else if (head >= 0xd9 && head <= 0xdb) this.#text(this.#take(2 ** (head - 0xd9)));
    else if (head === 0xdc || head === 0xdd) this.#open('list', this.#take(head === 0xdc ? 2 : 4), at);
    else if (head === 0xde || head === 0xdf) this.#open('map', this.#take(head === 0xde ? 2 : 4), at);
    else if (head >= 0xc4 && head <= 0xc6) throw this.#outline.error('binary data', at);
    else throw this.#outline.error('an extension', at);
  }

  #integer(head: number, at: number): void {
    const size = 2 ** ((head - 0xcc) % 4);
    if (size < 8) {
      this.#take(size);
      this.#outline.number(0, at);
      return;
    }
    this.#skip(8);
    const value = head === 0xcf ? this.#bytes.readBigUInt64BE(at + 1) : this.#bytes.readBigInt64BE(at + 1);
    this.#outline.number(Number(value), at);
  }

  #float(size: 4 | 8, at: number): void {
    this.#skip(size);
    this.#outline.float(size === 4 ? this.#bytes.readFloatBE(at + 1) : this.#bytes.readDoubleBE(at + 1), at);
  }

  #text(length: number): void {
    const start = this.#position;
    this.#skip(length);
    this.#outline.text(this.#bytes, start, this.#position);
  }

  #open(kind: 'list' | 'map', count: number, at: number): void {
    this.#outline.open(kind, { count, rest: this.#bytes.length - this.#position, at });
  }

  /** Reads an unsigned number of up to four bytes. */
  #take(size: number): number {
    const start = this.#position;
    this.#skip(size);
    return this.#bytes.readUIntBE(start, size);
  }

  #skip(size: number): void {
    if (size > this.#bytes.length - this.#position) {
      throw this.#outline.error('it ends too early', this.#bytes.length);
    }
    this.#position += size;
  }
}
