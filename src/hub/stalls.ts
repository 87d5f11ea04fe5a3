import type { Subscription } from './subscription.ts';

interface Stall {
  pending: number;
  since: number;
}

/** Subscriptions that wait for their sink, and how long it has been since it took anything. */
export class Stalls {
  readonly #timeout: number;
  readonly #ended: (subscription: Subscription) => void;
  readonly #stalls = new Map<Subscription, Stall>();
  #timer: NodeJS.Timeout | undefined;

  /** `ended` is called for a subscription whose sink, unless it is patient, took nothing for `timeout` milliseconds. */
  constructor(timeout: number, ended: (subscription: Subscription) => void) {
    this.#timeout = timeout;
    this.#ended = ended;
  }

  /** Resolves when the sink has drained or the subscription has ended. */
  async wait(subscription: Subscription): Promise<void> {
    this.#stalls.set(subscription, { pending: subscription.sink.pending, since: performance.now() });
    this.#timer ??= setInterval(() => this.#check(), Math.min(1000, this.#timeout / 4)).unref();
    await new Promise<void>((resolve) => {
      subscription.resume = resolve;
    });
    this.#stalls.delete(subscription);
    if (this.#stalls.size === 0) this.stop();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    const now = performance.now();
    for (const [subscription, stall] of this.#stalls) {
      const { pending } = subscription.sink;
      if (pending !== stall.pending) {
        stall.pending = pending;
        stall.since = now;
        // Who shares its sink may find room without the sink ever being empty: it looks again.
        if (subscription.sink.lane !== undefined) subscription.drained();
      } else if (now - stall.since >= this.#timeout && subscription.sink.isPatient !== true) {
        this.#ended(subscription);
      }
    }
  }
}
