import { afterCommit } from '../../runtime/event-loop.ts';
import type { FanOutBuffer, LiveSubscriber } from './buffer.ts';

/** Milliseconds that one slice may hold the event loop: a writer waits for one at most. */
const MAX_SLICE_MS = 0.5;
/** Length of a slice in a round that has taken long already: readers must not lag because writers are quick. */
const MAX_LATE_SLICE_MS = 2;
/** Milliseconds that a round of all readers may take in short slices. */
const MAX_ROUND_MS = 10;

export interface FlusherOptions<R extends LiveSubscriber, S extends FanOutBuffer<R>> {
  /** Bytes that may wait in a sink; a fuller one is not written to. */
  readonly clientBuffer: number;
  /** Called when all live readers of the buffer have everything. */
  flushed(buffer: S): void;
  /** Called when the reader cannot be served from the buffer any more, or not now; must remove it from the live ones. */
  lagging(reader: R): void;
}

/**
 * Writes to each live socket, in one write, everything since its own position, in slices of bounded time. Frames that
 * arrive during a flush are written by it: the busier the server, the more frames per write.
 */
export class Flusher<R extends LiveSubscriber, S extends FanOutBuffer<R>> {
  readonly #options: FlusherOptions<R, S>;
  #queue: S[] = [];
  #scheduled = false;
  readonly #slice = (): void => this.#runSlice();

  constructor(options: FlusherOptions<R, S>) {
    this.#options = options;
  }

  /** Schedules a buffer that has frames to send. They go out after the current commit, so that the writer is answered first. */
  serve(buffer: S): void {
    if (!buffer.isQueued) {
      buffer.isQueued = true;
      buffer.roundSince = performance.now();
      this.#queue.push(buffer);
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    afterCommit(this.#slice);
  }

  #runSlice(): void {
    const queue = this.#queue;
    const now = performance.now();
    const takesLong = queue.some(({ roundSince }) => now - roundSince > MAX_ROUND_MS);
    const deadline = now + (takesLong ? MAX_LATE_SLICE_MS : MAX_SLICE_MS);
    let done = 0;
    while (done < queue.length && this.#flush(queue[done] as S, deadline)) done++;
    if (done === queue.length) {
      this.#queue = [];
      this.#scheduled = false;
      return;
    }
    // The buffer that was interrupted goes to the end: a channel with many sockets does not hold up the small ones.
    this.#queue = queue.slice(done + 1);
    this.#queue.push(queue[done] as S);
    afterCommit(this.#slice);
  }

  /** Flushes a buffer until the deadline. True when all its live readers have everything. */
  #flush(buffer: S, deadline: number): boolean {
    const { live } = buffer;
    while (buffer.remaining > 0 && live.length > 0) {
      if (buffer.next >= live.length) {
        buffer.next = 0;
        buffer.roundSince = performance.now();
      }
      const reader = live[buffer.next] as R;
      buffer.remaining--;
      // A reader that has everything costs nothing, and no look at the clock: its connection has taken the frames before.
      const hasAll = reader.cursor >= buffer.endOffset;
      if (hasAll || this.#visit(buffer, reader)) buffer.next++;
      if (!hasAll && performance.now() > deadline) return buffer.remaining === 0 && this.#finish(buffer);
    }
    return this.#finish(buffer);
  }

  #finish(buffer: S): boolean {
    buffer.isQueued = false;
    buffer.remaining = 0;
    this.#options.flushed(buffer);
    return true;
  }

  /** Writes to one reader. False when it left the live ones, so that another has taken its index. */
  #visit(buffer: S, reader: R): boolean {
    const { endOffset: end } = buffer;
    if (reader.cursor < buffer.offset || reader.sink.pending > this.#options.clientBuffer) {
      this.#options.lagging(reader);
      return false;
    }
    const to = buffer.writeEnd(reader.cursor);
    buffer.deliver(reader, to);
    if (to < end) buffer.remaining = buffer.live.length;
    return true;
  }
}
