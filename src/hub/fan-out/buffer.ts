import type { Sink } from '../subscription.ts';
import { FrameBlocks } from './frame-blocks.ts';

/** A run that a sweep does not get ahead of is cut here; who had not been served yet has fallen behind. */
const MAX_RUN_BYTES = 8 * 1024 * 1024;
/** One write to one socket. */
const MAX_WRITE_BYTES = 128 * 1024;

/** One that is told what is in a run. */
export interface LiveSubscriber {
  readonly sink: Pick<Sink, 'pending'>;
  /** Index in the run's live ones. */
  index: number;
  /** Next frame of the run. */
  cursor: number;
}

/**
 * Frames that are encoded once and go to all live readers as they are; each has a cursor into them. A sweep brings them
 * out, and what all have is forgotten.
 */
export abstract class FanOutBuffer<R extends LiveSubscriber> {
  readonly live: R[] = [];
  /** Where the next visit of the sweep goes, and how many are left until all have everything. */
  next = 0;
  remaining = 0;
  isQueued = false;
  /** When the sweep last began with the first of them (`performance.now()`). */
  roundSince = 0;
  #base = 0;
  readonly #frames = new FrameBlocks();
  #joined: { readonly from: number; readonly to: number; readonly bytes: Buffer } | undefined;

  /** Writes to a live reader what is between its cursor and `to`. */
  abstract deliver(reader: R, to: number): void;

  /** Index after the newest frame; cursors are such indexes. */
  get endOffset(): number {
    return this.#base + this.#frames.length;
  }

  get offset(): number {
    return this.#base;
  }

  frameAt(cursor: number): Buffer {
    const index = cursor - this.#base;
    return this.#frames.join(index, index + 1);
  }

  /** Cursor after the last frame that one write starting at `from` should carry: at least one frame. */
  writeEnd(from: number): number {
    return this.#base + this.#frames.endOfWrite(from - this.#base, this.#frames.length, MAX_WRITE_BYTES);
  }

  /** Frames `from` to `to` as one buffer. Neighbours in a sweep mostly ask for the same ones. */
  join(from: number, to: number): Buffer {
    if (this.#joined?.from !== from || this.#joined.to !== to) {
      this.#joined = { from, to, bytes: this.#frames.join(from - this.#base, to - this.#base) };
    }
    return this.#joined.bytes;
  }

  /** Makes it a live one, with the cursor that it has. True when there is something for it already. */
  add(reader: R): boolean {
    reader.index = this.live.push(reader) - 1;
    const hasNews = reader.cursor < this.endOffset;
    // A sweep that is under way counts places, and there is one more now.
    if (hasNews || this.remaining > 0) this.remaining = this.live.length;
    return hasNews;
  }

  /** The last one takes the free place; since the sweep may be past it already, all are visited once more. */
  remove(reader: R): void {
    const { live } = this;
    const last = live.pop() as R;
    if (last !== reader) {
      live[reader.index] = last;
      last.index = reader.index;
    }
    if (this.remaining > 0) this.remaining = live.length;
  }

  /** Forgets all frames. */
  protected forget(): void {
    if (this.#frames.length === 0) return;
    this.#base = this.endOffset;
    this.#frames.clear();
    this.#joined = undefined;
  }

  protected push(frame: Buffer): void {
    this.#frames.push(frame);
  }

  /** True when the run is longer than any may be. */
  protected get isTooLong(): boolean {
    return this.#frames.bytes > MAX_RUN_BYTES;
  }

  /** Drops the oldest frames until `keep` bytes or `least` frames are left. How many went. */
  protected drop(keep: number, least = 0): number {
    const count = this.#frames.drop(keep, least);
    this.#base += count;
    return count;
  }
}

/** What a run that became too long is cut to. */
export const CUT_BUFFER_BYTES: number = MAX_RUN_BYTES / 2;
