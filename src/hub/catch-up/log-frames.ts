import type { Change } from '../../store/store.ts';
import { type Encoding, encodeChange, type Frame } from '../encode.ts';
import { TransactionFrames } from '../transaction-frames.ts';

/** Encoded frames. */
export interface EncodedFrames {
  readonly frames: readonly Buffer[];
  readonly bytes: number;
}

/** Frames of one subscription that reads the log in pages, which may end in the middle of a transaction. */
export class LogFrames {
  readonly #encoding: Encoding;
  readonly #transaction: TransactionFrames;
  #frames: Buffer[] = [];
  #bytes = 0;
  readonly #emit = (_seq: number, bytes: Buffer): void => this.push(bytes);

  constructor(encoding: Encoding) {
    this.#encoding = encoding;
    this.#transaction = new TransactionFrames(encoding);
  }

  /** Bytes that were not taken yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Position before a transaction that is not complete; undefined where there is none. */
  get openSince(): number | undefined {
    return this.#transaction.transaction === undefined ? undefined : this.#transaction.from;
  }

  /** Adds the frames of the next change. */
  add({ seq, transaction }: Change, frames: readonly Frame[]): void {
    if (transaction !== undefined) {
      this.#transaction.add(seq, transaction, frames, this.#emit);
      return;
    }
    this.#endTransaction();
    const bytes = encodeChange(this.#encoding, frames);
    if (bytes !== undefined) this.push(bytes);
  }

  push(bytes: Buffer): void {
    this.#frames.push(bytes);
    this.#bytes += bytes.length;
  }

  /** Returns what was added; everything up to `position` was. */
  take(position: number): EncodedFrames {
    const { transaction } = this.#transaction;
    if (transaction !== undefined && position >= transaction) this.#endTransaction();
    const taken = { frames: this.#frames, bytes: this.#bytes };
    this.#frames = [];
    this.#bytes = 0;
    return taken;
  }

  /** Forgets everything that was not taken. */
  drop(): void {
    this.#transaction.drop();
    this.#frames = [];
    this.#bytes = 0;
  }

  #endTransaction(): void {
    if (this.#transaction.transaction !== undefined) this.#transaction.end(this.#emit);
  }
}
