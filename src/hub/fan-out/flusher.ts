import { afterCommit } from '../../runtime/event-loop.ts';
import type { FanOutBuffer, LiveSubscriber } from './buffer.ts';

/** Milliseconds that one slice may hold the event loop: a writer waits for one at most. */
const SLICE = 0.5;
/** The same in a round that has taken long already: readers must not fall behind because writers are quick. */
const LONG_SLICE = 2;
/** Milliseconds that a round of all readers may take in short slices. */
const SHORT_ROUND = 10;

export interface FlusherOptions<R extends LiveSubscriber, S extends FanOutBuffer<R>> {
  /** The most that may wait in a sink; a fuller one is not written to. */
  readonly clientBuffer: number;
  /** All live readers of the run have everything. */
  flushed(run: S): void;
  /** The reader cannot be served from the run any more, or not now; it is not among the live ones afterwards. */
  lagging(reader: R): void;
}

/**
 * Writes to each live socket, in one write, everything since its own position, in slices of bounded time. Frames that
 * arrive while a sweep is under way ride along in it: the busier the server, the more frames per write.
 */
export class Flusher<R extends LiveSubscriber, S extends FanOutBuffer<R>> {
  readonly #options: FlusherOptions<R, S>;
  #queue: S[] = [];
  #scheduled = false;
  readonly #slice = (): void => this.#runSlice();

  constructor(options: FlusherOptions<R, S>) {
    this.#options = options;
  }

  /** The run has frames to send. They go out after what is running now, so that the writer is answered first. */
  serve(run: S): void {
    if (!run.isQueued) {
      run.isQueued = true;
      run.roundSince = performance.now();
      this.#queue.push(run);
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    afterCommit(this.#slice);
  }

  #runSlice(): void {
    const queue = this.#queue;
    const now = performance.now();
    const takesLong = queue.some(({ roundSince }) => now - roundSince > SHORT_ROUND);
    const deadline = now + (takesLong ? LONG_SLICE : SLICE);
    let done = 0;
    while (done < queue.length && this.#sweep(queue[done] as S, deadline)) done++;
    if (done === queue.length) {
      this.#queue = [];
      this.#scheduled = false;
      return;
    }
    // The run that was interrupted goes to the end: a channel with many sockets does not hold up the small ones.
    this.#queue = queue.slice(done + 1);
    this.#queue.push(queue[done] as S);
    afterCommit(this.#slice);
  }

  /** True when all live readers of the run have everything. */
  #sweep(run: S, deadline: number): boolean {
    const { live } = run;
    while (run.remaining > 0 && live.length > 0) {
      if (run.next >= live.length) {
        run.next = 0;
        run.roundSince = performance.now();
      }
      const reader = live[run.next] as R;
      run.remaining--;
      if (this.#visit(run, reader)) run.next++;
      if (performance.now() > deadline) return run.remaining === 0 && this.#finish(run);
    }
    return this.#finish(run);
  }

  #finish(run: S): boolean {
    run.isQueued = false;
    run.remaining = 0;
    this.#options.flushed(run);
    return true;
  }

  /** False when the reader left the live ones, so that another has taken its place. */
  #visit(run: S, reader: R): boolean {
    const { endOffset: end } = run;
    if (reader.cursor >= end) return true;
    if (reader.cursor < run.offset || reader.sink.pending > this.#options.clientBuffer) {
      this.#options.lagging(reader);
      return false;
    }
    const to = run.writeEnd(reader.cursor);
    run.deliver(reader, to);
    if (to < end) run.remaining = run.live.length;
    return true;
  }
}
