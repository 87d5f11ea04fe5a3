import type { Change } from '../store/store.ts';
import type { Encoding } from './encode.ts';
import { type Selection, selectChange } from './selection.ts';
import type { Subscription } from './subscription.ts';

/** A run that a sweep does not get ahead of is cut here; who had not been served yet goes back to the log. */
const MAX_RUN_BYTES = 8 * 1024 * 1024;
/** What is kept of a run that all live subscriptions have, while others are about to join. */
const KEPT_RUN_BYTES = 256 * 1024;
/** One write to one socket. */
const MAX_WRITE_BYTES = 128 * 1024;

/**
 * The subscriptions of a channel that get the same bytes: same encoding, same selection. Their frames are encoded once
 * into a short run that all live ones share; each has a cursor into it.
 */
export class Group {
  readonly encoding: Encoding;
  readonly selection: Selection;
  readonly live: Subscription[] = [];
  /** Subscriptions that read the log or a snapshot and will join the live ones. */
  behind = 0;
  /** Where the next visit of the sweep goes, and how many are left until all have everything. */
  next = 0;
  unvisited = 0;
  queued = false;
  /** How many records or changes fit a subscriber's buffer; a guess until some were seen. */
  pageSize = 16;
  /** The run has every frame of the channel after this seq. */
  #since: number;
  #base = 0;
  #frames: Buffer[] = [];
  #seqs: number[] = [];
  #bytes = 0;
  #joined: { readonly from: number; readonly to: number; readonly bytes: Buffer } | undefined;

  constructor(encoding: Encoding, selection: Selection, head: number) {
    this.encoding = encoding;
    this.selection = selection;
    this.#since = head;
  }

  /** Index after the newest frame; cursors are such indexes. */
  get end(): number {
    return this.#base + this.#frames.length;
  }

  get base(): number {
    return this.#base;
  }

  /**
   * Bytes of one change for this group, or undefined when it is not for it. `whole`: for one who does not have the record
   * yet, to whom its changed fields alone would say nothing.
   */
  encode(change: Change, whole = false): Buffer | undefined {
    const { selection } = this;
    const frame = selectChange(whole && selection.delta ? { ...selection, delta: false } : selection, change);
    return frame && this.encoding.frame(frame);
  }

  /** Takes a change that was committed. True when live subscriptions are to be served. */
  append(change: Change): boolean {
    if (this.live.length === 0) {
      this.clear(change.seq);
      return false;
    }
    const frame = this.encode(change);
    if (frame === undefined) return false;
    this.#frames.push(frame);
    this.#seqs.push(change.seq);
    this.#bytes += frame.length;
    if (this.#bytes > MAX_RUN_BYTES) this.#cut(MAX_RUN_BYTES / 2);
    this.unvisited = this.live.length;
    return true;
  }

  /** True when the run has everything after `position`, so that no log need be read. */
  reaches(position: number): boolean {
    return position >= this.#since;
  }

  /** Cursor of the first frame after `position`. */
  cursorAfter(position: number): number {
    let index = this.#seqs.length;
    while (index > 0 && (this.#seqs[index - 1] as number) > position) index--;
    return this.#base + index;
  }

  has(seq: number): boolean {
    return this.seqAt(this.cursorAfter(seq - 1)) === seq;
  }

  seqAt(cursor: number): number {
    return this.#seqs[cursor - this.#base] as number;
  }

  frameAt(cursor: number): Buffer {
    return this.#frames[cursor - this.#base] as Buffer;
  }

  /** Cursor after the last frame that one write starting at `from` should carry: at least one frame. */
  writeEnd(from: number): number {
    if (this.#bytes <= MAX_WRITE_BYTES) return this.end;
    let to = from;
    let bytes = 0;
    while (to < this.end) {
      bytes += this.frameAt(to).length;
      if (bytes > MAX_WRITE_BYTES && to > from) break;
      to++;
    }
    return to;
  }

  /** Frames `from` to `to` as one buffer. Neighbours in a sweep mostly ask for the same ones. */
  join(from: number, to: number): Buffer {
    if (to - from === 1) return this.frameAt(from);
    if (this.#joined?.from !== from || this.#joined.to !== to) {
      const bytes = Buffer.concat(this.#frames.slice(from - this.#base, to - this.#base));
      this.#joined = { from, to, bytes };
    }
    return this.#joined.bytes;
  }

  /** Called when all live subscriptions have everything: the run is kept only for those about to join. */
  swept(head: number): void {
    if (this.behind === 0) this.clear(head);
    else this.#cut(KEPT_RUN_BYTES);
  }

  /** Forgets the run; everything up to `head` is out of it. */
  clear(head: number): void {
    if (head > this.#since) this.#since = head;
    if (this.#frames.length === 0) return;
    this.#base = this.end;
    this.#frames = [];
    this.#seqs = [];
    this.#bytes = 0;
    this.#joined = undefined;
  }

  #cut(keep: number): void {
    let count = 0;
    while (this.#bytes > keep && count < this.#frames.length) {
      this.#bytes -= (this.#frames[count] as Buffer).length;
      count++;
    }
    if (count === 0) return;
    this.#since = this.#seqs[count - 1] as number;
    this.#frames.splice(0, count);
    this.#seqs.splice(0, count);
    this.#base += count;
  }
}
