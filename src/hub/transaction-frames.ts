import type { Encoding, Frame } from './encode.ts';
import { encodeChange } from './encode.ts';

/** Receives the bytes of one change, with its seq. */
export type Emit = (seq: number, bytes: Buffer) => void;

/** Frames of a change that are not sent yet. */
interface HeldFrames {
  readonly seq: number;
  readonly frames: readonly Frame[];
  /** Bytes for the case that another frame of the transaction follows. */
  readonly bytes: Buffer;
}

/**
 * Frames of a transaction in the order of its changes. Only the last frame that a subscription receives of it has no `more`,
 * and a filter may leave out any change: the frames of the newest change are held back until others follow, or the transaction
 * is complete.
 */
export class TransactionFrames {
  readonly #encoding: Encoding;
  #transaction: number | undefined;
  #from = 0;
  #held: HeldFrames | undefined;

  constructor(encoding: Encoding) {
    this.#encoding = encoding;
  }

  /** Mark of the transaction of which there are frames; undefined for none. */
  get transaction(): number | undefined {
    return this.#transaction;
  }

  /** Position before the first frame: the last from which a client can resume while the transaction is not complete. */
  get from(): number {
    return this.#from;
  }

  /** Position before the frames that are held back; undefined where there are none. */
  get heldFrom(): number | undefined {
    return this.#held && this.#held.seq - 1;
  }

  /** Adds the frames of a change, and emits those that were held back. */
  add(seq: number, transaction: number, frames: readonly Frame[], emit: Emit): void {
    if (this.#transaction !== undefined && this.#transaction !== transaction) this.end(emit);
    const all = frames.map((frame): Frame => ({ ...frame, tx: transaction }));
    const encode = (frame: Frame) => this.#encoding.frame({ ...frame, more: true });
    const wanted = all.flatMap((frame) => {
      const bytes = encode(frame);
      return bytes === undefined ? [] : [{ frame, bytes }];
    });
    if (wanted.length === 0) return;
    if (this.#transaction === undefined) {
      this.#transaction = transaction;
      this.#from = seq - 1;
    }
    if (this.#held !== undefined) emit(this.#held.seq, this.#held.bytes);
    const [first] = wanted;
    const bytes = wanted.length === 1 && first ? first.bytes : Buffer.concat(wanted.map((one) => one.bytes));
    this.#held = { seq, frames: wanted.map(({ frame }) => frame), bytes };
  }

  /** Emits the last frames: the transaction is complete. */
  end(emit: Emit): void {
    const held = this.#held;
    this.drop();
    const bytes = held && encodeChange(this.#encoding, held.frames);
    if (held !== undefined && bytes !== undefined) emit(held.seq, bytes);
  }

  /** Forgets what is held back. */
  drop(): void {
    this.#transaction = undefined;
    this.#held = undefined;
  }
}
