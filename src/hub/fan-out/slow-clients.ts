import type { Sink } from '../subscription.ts';

/** Subscription or connection that waits for its sink. */
export interface DrainWaiter {
  readonly sink: Pick<Sink, 'pending' | 'writeLock' | 'isPatient'>;
  /** Callback of the wait; set while it waits. */
  resume: (() => void) | undefined;
  /** Called when the sink has room again, or the wait is over for another reason. */
  drained(): void;
}

/** Progress of a sink that is waited for; times in milliseconds of `performance.now()`. */
interface Stall {
  pending: number;
  since: number;
}

/** Waits for full sinks, and ends those that accept nothing for too long. */
export class SlowClients<W extends DrainWaiter> {
  readonly #timeout: number;
  readonly #ended: (waiter: W) => void;
  readonly #waiting = new Map<W, Stall>();
  #timer: NodeJS.Timeout | undefined;

  /** `ended` is called for a waiter whose sink, unless it is patient, accepted nothing for `timeout` milliseconds. */
  constructor(timeout: number, ended: (waiter: W) => void) {
    this.#timeout = timeout;
    this.#ended = ended;
  }

  /** Resolves when the sink has drained or the waiter was ended. */
  async wait(waiter: W): Promise<void> {
    this.#waiting.set(waiter, { pending: waiter.sink.pending, since: performance.now() });
    this.#timer ??= setInterval(() => this.#check(), Math.min(1000, this.#timeout / 4)).unref();
    await new Promise<void>((resolve) => {
      waiter.resume = resolve;
    });
    this.#waiting.delete(waiter);
    if (this.#waiting.size === 0) this.stop();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    const now = performance.now();
    for (const [waiter, stall] of this.#waiting) {
      const { pending } = waiter.sink;
      if (pending !== stall.pending) {
        stall.pending = pending;
        stall.since = now;
        // A waiter that shares its sink may find room without the sink ever being empty: it checks again.
        if (waiter.sink.writeLock !== undefined) waiter.drained();
      } else if (now - stall.since >= this.#timeout && waiter.sink.isPatient !== true) {
        this.#ended(waiter);
      }
    }
  }
}
