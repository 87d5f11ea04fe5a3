import type { Sink } from '../subscription.ts';

/** Something that waits for its sink. */
export interface DrainWaiter {
  readonly sink: Pick<Sink, 'pending' | 'lane' | 'isPatient'>;
  /** Set while it waits. */
  resume: (() => void) | undefined;
  /** The sink has room again, or nobody waits for it any more. */
  drained(): void;
}

interface Stall {
  pending: number;
  since: number;
}

/** Those that wait for their sink, and how long it has been since it took anything. */
export class SlowClients<W extends DrainWaiter> {
  readonly #timeout: number;
  readonly #ended: (waiter: W) => void;
  readonly #stalls = new Map<W, Stall>();
  #timer: NodeJS.Timeout | undefined;

  /** `ended` is called for one whose sink, unless it is patient, took nothing for `timeout` milliseconds. */
  constructor(timeout: number, ended: (waiter: W) => void) {
    this.#timeout = timeout;
    this.#ended = ended;
  }

  /** Resolves when the sink has drained or it was ended. */
  async wait(waiter: W): Promise<void> {
    this.#stalls.set(waiter, { pending: waiter.sink.pending, since: performance.now() });
    this.#timer ??= setInterval(() => this.#check(), Math.min(1000, this.#timeout / 4)).unref();
    await new Promise<void>((resolve) => {
      waiter.resume = resolve;
    });
    this.#stalls.delete(waiter);
    if (this.#stalls.size === 0) this.stop();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    const now = performance.now();
    for (const [waiter, stall] of this.#stalls) {
      const { pending } = waiter.sink;
      if (pending !== stall.pending) {
        stall.pending = pending;
        stall.since = now;
        // Who shares its sink may find room without the sink ever being empty: it looks again.
        if (waiter.sink.lane !== undefined) waiter.drained();
      } else if (now - stall.since >= this.#timeout && waiter.sink.isPatient !== true) {
        this.#ended(waiter);
      }
    }
  }
}
