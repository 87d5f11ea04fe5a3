import { isUtf8 } from 'node:buffer';
import type { Limits } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { notExact, type SettledNumber, settleNumbers } from '../../resources/body/json.ts';
import { FORBIDDEN_KEY, FORBIDDEN_KEY_MESSAGE } from '../../schema/forbidden-key.ts';
import type { BinaryFormat } from './formats.ts';

export type BinaryLimits = Pick<Limits, 'jsonDepth' | 'jsonKeys'>;

/** Binary format for the values of JSON. */
export interface BinaryCodec {
  /** `value` is of the kind that JSON.parse returns. */
  encode(value: unknown): Uint8Array;
  /**
   * Returns what JSON.parse would return for the same value. Throws INVALID_CONTENT, TOO_DEEP, TOO_WIDE or VALIDATION_ERROR
   * before anything is built from bytes that are incomplete or not representable in JSON.
   */
  decode(bytes: Uint8Array, limits: BinaryLimits): unknown;
}

const LOADERS: Readonly<Record<BinaryFormat, () => Promise<BinaryCodec>>> = {
  cbor: async () => (await import('./cbor.ts')).CBOR,
  msgpack: async () => (await import('./msgpack.ts')).MESSAGE_PACK,
};

/** Loads the codec of a format; its package is loaded on first use. */
export function loadBinary(format: BinaryFormat): Promise<BinaryCodec> {
  return LOADERS[format]();
}

/** Levels around the deepest JSON value: a list of records, or a message with a record in it. */
const MAX_WRAPPER_LEVELS = 2;

/** Keys up to which an array is searched; a larger map gets a set. */
const MAX_LISTED_KEYS = 8;

interface Container {
  /** Items that are still to come; two for each member of a map. */
  left: number;
  /** Keys so far; undefined in a list. */
  keys: string[] | Set<string> | undefined;
}

/**
 * Checks a body item by item, as a decoder finds them, and refuses what JSON cannot express. It keeps the open containers
 * and their keys, and allocates nothing for the length that a container merely claims to have.
 */
export class Outline {
  readonly #format: string;
  readonly #limits: BinaryLimits;
  readonly #open: Container[] = [];
  #started = false;
  #hasLarge = false;

  constructor(format: string, limits: BinaryLimits) {
    this.#format = format;
    this.#limits = limits;
  }

  /** True when the only item of the body is complete. */
  get done(): boolean {
    return this.#started && this.#open.length === 0;
  }

  /** True when there was an integer that a double may not hold exactly. */
  get hasLarge(): boolean {
    return this.#hasLarge;
  }

  /** Accepts null, true or false. */
  simple(at: number): void {
    if (this.#begin(at)) throw this.error('a key that is not a string', at);
    this.#end();
  }

  number(value: number | bigint, at: number): void {
    if (this.#begin(at)) throw this.error('a key that is not a string', at);
    if (!Number.isSafeInteger(value)) this.#hasLarge = true;
    this.#end();
  }

  float(value: number, at: number): void {
    if (this.#begin(at)) throw this.error('a key that is not a string', at);
    if (!Number.isFinite(value)) throw invalid(at, 'NaN and infinite numbers are no values');
    this.#end();
  }

  /** Accepts a string: the bytes from `start` to `end`. */
  text(bytes: Buffer, start: number, end: number): void {
    const isKey = this.#begin(start);
    if (!isPlain(bytes, start, end)) this.#checkText(bytes.subarray(start, end), start);
    if (isKey) this.#key(bytes.toString('utf8', start, end), start);
    this.#end();
  }

  /** Accepts the start of a list or map with `count` members. `rest`: bytes that follow; each item has at least one. */
  open(kind: 'list' | 'map', { count, rest, at }: { count: number; rest: number; at: number }): void {
    if (this.#begin(at)) throw this.error('a key that is not a string', at);
    const { jsonDepth, jsonKeys } = this.#limits;
    const left = kind === 'map' ? 2 * count : count;
    if (left > rest) throw this.error('a length beyond the end', at);
    if (kind === 'map' && count > jsonKeys) {
      throw new AppError('TOO_WIDE', `An object may have ${jsonKeys} keys at most; there is one with ${count}.`);
    }
    if (this.#open.length >= jsonDepth + MAX_WRAPPER_LEVELS) {
      throw new AppError('TOO_DEEP', `A value may be nested ${jsonDepth} levels deep at most.`);
    }
    if (left > 0)
      this.#open.push({ left, keys: kind === 'map' ? (count > MAX_LISTED_KEYS ? new Set() : []) : undefined });
    this.#end();
  }

  error(what: string, at: number): AppError {
    return new AppError('INVALID_CONTENT', `Not valid ${this.#format}: ${what}, at byte ${at}.`);
  }

  #checkText(bytes: Buffer, at: number): void {
    if (!isUtf8(bytes)) throw this.error('a string that is not UTF-8', at);
    if (bytes.includes(0)) throw invalid(at, 'strings must not have NUL characters');
  }

  /** Counts an item. Returns true when it is the key of a map. */
  #begin(at: number): boolean {
    const top = this.#open[this.#open.length - 1];
    if (top === undefined) {
      if (this.#started) throw this.error('more than one value', at);
      this.#started = true;
      return false;
    }
    top.left--;
    return top.keys !== undefined && top.left % 2 === 1;
  }

  #key(name: string, at: number): void {
    const keys = this.#open[this.#open.length - 1]?.keys;
    if (name === FORBIDDEN_KEY) throw invalid(at, `a value ${FORBIDDEN_KEY_MESSAGE}`);
    const isKnown = Array.isArray(keys) ? keys.includes(name) : keys?.has(name);
    if (isKnown) throw this.error('a repeated key', at);
    if (Array.isArray(keys)) keys.push(name);
    else keys?.add(name);
  }

  #end(): void {
    while (this.#open[this.#open.length - 1]?.left === 0) this.#open.pop();
  }
}

/** Replaces BigInt values by doubles. Throws VALIDATION_ERROR for a single value that no double holds exactly. */
export function settleIntegers(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const { value: number, written } = readBigInt(value);
    if (written !== undefined) throw notExact('', written);
    return number;
  }
  if (typeof value === 'object' && value !== null) {
    settleNumbers(value, (member) => (typeof member === 'bigint' ? readBigInt(member) : undefined));
  }
  return value;
}

function readBigInt(integer: bigint): SettledNumber {
  const value = Number(integer);
  return { value, written: BigInt(value) === integer ? undefined : String(integer) };
}

/** Bytes up to which a loop is faster than a call of `isUtf8`. */
const MAX_PLAIN_BYTES = 32;

/** True for short ASCII, as most keys and values are. */
function isPlain(bytes: Buffer, start: number, end: number): boolean {
  if (end - start > MAX_PLAIN_BYTES) return false;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte === 0 || byte > 0x7f) return false;
  }
  return true;
}

function invalid(at: number, what: string): AppError {
  return new AppError('VALIDATION_ERROR', `At byte ${at}: ${what}.`);
}
