import type { IdempotencyConfig } from '../../../config/config.ts';
import { AppError } from '../../../errors.ts';
import { inProgress, keyReused } from '../../../resources/idempotency.ts';
import type { FlowStore } from '../../../store/flows.ts';
import type { RequestKeys } from '../../connector.ts';

/** Interval at which old and excess keys are removed. */
const TRIM_INTERVAL_MS = 60_000;

/** Idempotency keys of requests with their digests, stored for `idempotency.retention`. */
export class StoredRequestKeys implements RequestKeys {
  readonly #store: FlowStore;
  readonly #limits: Pick<IdempotencyConfig, 'retention' | 'maxCount'>;
  /** Digests of running requests, by key. */
  readonly #running = new Map<string, string>();
  #trimmedAt = 0;

  constructor(store: FlowStore, limits: Pick<IdempotencyConfig, 'retention' | 'maxCount'>) {
    this.#store = store;
    this.#limits = limits;
  }

  async run<T>(key: string, digest: string, work: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key);
    const known = running ?? (await this.#store.requestDigest(key, Date.now()));
    if (known !== undefined && known !== digest) throw keyReused();
    // While the store was asked, the same request may have begun.
    if (this.#running.has(key)) throw inProgress();
    // Stored before the flows run: after a crash the key belongs to this request, however far the flows have come.
    this.#running.set(key, digest);
    try {
      if (known === undefined) await this.#keep(key, digest);
      return await work();
    } catch (error) {
      if (known === undefined && isRefusal(error)) await this.#store.removeRequest(key);
      throw error;
    } finally {
      this.#running.delete(key);
    }
  }

  async #keep(key: string, digest: string): Promise<void> {
    const now = Date.now();
    await this.#store.keepRequest(key, digest, now + this.#limits.retention);
    if (now - this.#trimmedAt < TRIM_INTERVAL_MS) return;
    this.#trimmedAt = now;
    await this.#store.trimRequests(now, this.#limits.maxCount);
  }
}

/** True for an error of the sender, which releases the key for a corrected request, as after a refused write. */
function isRefusal(error: unknown): boolean {
  return error instanceof AppError && error.status < 500;
}
