import { TokenBucket } from './token-bucket.ts';

/** Buckets of one generation; there are two generations. */
const MAX_GENERATION_ITEMS = 10_000;

export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/**
 * Token bucket for each key. A bucket that was not used for as long as it takes to fill equals a new one, so there are two
 * generations: a bucket that is not used in one is dropped with the next. That needs no timer, and memory is bounded
 * whatever keys come; a flood of new keys only makes old buckets full again sooner.
 */
export class RateLimiter {
  readonly #rate: Rate;
  readonly #capacity: number;
  readonly #lifetime: number;
  #young = new Map<string, TokenBucket>();
  #old = new Map<string, TokenBucket>();
  #bornAt = performance.now();

  constructor(rate: Rate, capacity = MAX_GENERATION_ITEMS) {
    this.#rate = rate;
    this.#capacity = capacity;
    this.#lifetime = (rate.burst / rate.perSecond) * 1000;
  }

  /** Number of buckets in memory. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** Takes one token of the key. Returns 0 when there was one, else the milliseconds until there is one. */
  take(key: string): number {
    const bucket = this.#young.get(key) ?? this.#enter(key);
    return bucket.take() ? 0 : Math.max(1, bucket.wait);
  }

  /** Undoes a `take` that returned 0. */
  giveBack(key: string): void {
    (this.#young.get(key) ?? this.#old.get(key))?.giveBack();
  }

  #enter(key: string): TokenBucket {
    const bucket = this.#old.get(key) ?? new TokenBucket(this.#rate.perSecond, this.#rate.burst);
    this.#old.delete(key);
    const now = performance.now();
    if (now - this.#bornAt > this.#lifetime || this.#young.size >= this.#capacity) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#bornAt = now;
    }
    this.#young.set(key, bucket);
    return bucket;
  }
}
