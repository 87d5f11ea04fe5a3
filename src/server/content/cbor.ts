import { decode, encode, type Token, Tokenizer, Type } from 'cborg';
import { AppError } from '../../errors.ts';
import { type BinaryCodec, Outline, settleIntegers } from './binary.ts';

/** Bytes of the head before a string, by the low bits of its first byte (RFC 8949 §3). */
const HEADS: readonly number[] = [2, 3, 5, 9];
const [BYTES, TAG, INDEFINITE] = [2, 6, 31];

/** CBOR (RFC 8949) for the values of JSON: no tags, byte strings, undefined or indefinite lengths. */
export const CBOR: BinaryCodec = {
  // Keeps the order of the schema, not that of the deterministic encoding.
  encode: (value) => encode(value, { mapSorter: () => 0 }),

  decode(bytes, limits) {
    const outline = new Outline('CBOR', limits);
    const tokenizer = new CheckedTokenizer(bytes, outline);
    try {
      const value: unknown = decode(bytes, { tokenizer, rejectDuplicateMapKeys: true });
      return outline.hasLarge ? settleIntegers(value) : value;
    } catch (error) {
      if (error instanceof AppError) throw error;
      const what = outline.done ? 'more than one value' : 'it ends too early or is malformed';
      throw outline.error(what, tokenizer.pos());
    }
  },
};

/** Checks every token before a value is built from it. */
class CheckedTokenizer extends Tokenizer {
  readonly #bytes: Buffer;
  readonly #outline: Outline;

  constructor(bytes: Uint8Array, outline: Outline) {
    super(bytes, { allowIndefinite: false, allowBigInt: true });
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#outline = outline;
  }

  override next(): Token {
    const at = this.pos();
    const head = this.#bytes[at] ?? 0;
    const major = head >> 5;
    if (major === BYTES) throw this.#outline.error('a byte string', at);
    if (major === TAG) throw this.#outline.error('a tag', at);
    if ((head & 31) === INDEFINITE) throw this.#outline.error('an indefinite length', at);
    const token = super.next();
    this.#check(token, at, head & 31);
    return token;
  }

  #check({ type, value }: Token, at: number, low: number): void {
    const outline = this.#outline;
    if (Type.equals(type, Type.uint) || Type.equals(type, Type.negint)) outline.number(value, at);
    else if (Type.equals(type, Type.float)) outline.float(value, at);
    else if (Type.equals(type, Type.string)) {
      const start = at + (low < 24 ? 1 : (HEADS[low - 24] as number));
      outline.text(this.#bytes, start, this.pos());
    } else if (Type.equals(type, Type.array) || Type.equals(type, Type.map)) {
      const kind = Type.equals(type, Type.map) ? 'map' : 'list';
      outline.open(kind, { count: value, rest: this.#bytes.length - this.pos(), at });
    } else if (Type.equals(type, Type.undefined)) throw outline.error('undefined', at);
    else outline.simple(at);
  }
}
