import type { Sink } from '../subscription.ts';
import { FrameBlocks } from './frame-blocks.ts';

/** Size at which a buffer is cut that is filled faster than it is flushed; readers that were not served yet lag. */
const MAX_BUFFER_BYTES = 8 * 1024 * 1024;
/** Size of one write to one socket. */
const MAX_WRITE_BYTES = 128 * 1024;

/** Receiver of the frames of a buffer. */
export interface LiveSubscriber {
  readonly sink: Pick<Sink, 'pending'>;
  /** Index among the live readers. */
  index: number;
  /** Next frame of the buffer. */
  cursor: number;
}

/**
 * Frames that are encoded once and go to all live readers as they are; each has a cursor into them. The flusher writes
 * them out, and frames that all readers have are removed.
 */
export abstract class FanOutBuffer<R extends LiveSubscriber> {
  readonly live: R[] = [];
  /** Index of the reader that the flusher visits next, and the number of visits left until all have everything. */
  next = 0;
  remaining = 0;
  isQueued = false;
  /** Time at which the flusher last began with the first reader (milliseconds of `performance.now()`). */
  roundSince = 0;
  #offset = 0;
  readonly #frames = new FrameBlocks();
  #joined: { readonly from: number; readonly to: number; readonly bytes: Buffer } | undefined;

  /** Writes the frames between the cursor of a live reader and `to`. */
  abstract deliver(reader: R, to: number): void;

  /** Index after the newest frame; cursors are such indexes. */
  get endOffset(): number {
    return this.#offset + this.#frames.length;
  }

  get offset(): number {
    return this.#offset;
  }

  frameAt(cursor: number): Buffer {
    const index = cursor - this.#offset;
    return this.#frames.join(index, index + 1);
  }

  /** Cursor after the last frame of one write that starts at `from`: at least one frame. */
  writeEnd(from: number): number {
    return this.#offset + this.#frames.endOfWrite(from - this.#offset, this.#frames.length, MAX_WRITE_BYTES);
  }

  /** Joins the frames `from` to `to`. Readers that are visited one after the other mostly need the same ones. */
  join(from: number, to: number): Buffer {
    if (this.#joined?.from !== from || this.#joined.to !== to) {
      this.#joined = { from, to, bytes: this.#frames.join(from - this.#offset, to - this.#offset) };
    }
    return this.#joined.bytes;
  }

  /** Adds a live reader with the cursor that it has. True when there are frames for it already. */
  add(reader: R): boolean {
    reader.index = this.live.push(reader) - 1;
    const hasNews = reader.cursor < this.endOffset;
    // A flush that is under way counts readers, and there is one more now.
    if (hasNews || this.remaining > 0) this.remaining = this.live.length;
    return hasNews;
  }

  /** Removes a reader. The last one takes its index; the flusher may be past that already, so all are visited once more. */
  remove(reader: R): void {
    const { live } = this;
    const last = live.pop() as R;
    if (last !== reader) {
      live[reader.index] = last;
      last.index = reader.index;
    }
    if (this.remaining > 0) this.remaining = live.length;
  }

  /** Removes all frames. */
  protected clearFrames(): void {
    if (this.#frames.length === 0) return;
    this.#offset = this.endOffset;
    this.#frames.clear();
    this.#joined = undefined;
  }

  protected push(frame: Buffer): void {
    this.#frames.push(frame);
  }

  /** True when the buffer is larger than any may be. */
  protected get isTooLong(): boolean {
    return this.#frames.bytes > MAX_BUFFER_BYTES;
  }

  /** Drops the oldest frames until at most `maxBytes` or only `minFrames` are left. Returns how many were dropped. */
  protected drop(maxBytes: number, minFrames = 0): number {
    const count = this.#frames.drop(maxBytes, minFrames);
    this.#offset += count;
    return count;
  }
}

/** Size to which a buffer that became too large is cut. */
export const CUT_BUFFER_BYTES: number = MAX_BUFFER_BYTES / 2;
