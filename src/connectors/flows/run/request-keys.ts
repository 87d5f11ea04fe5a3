import type { IdempotencyConfig } from '../../../config/config.ts';
import { AppError } from '../../../errors.ts';
import { inProgress, keyReused } from '../../../resources/idempotency.ts';
import type { FlowStore } from '../../../store/flows.ts';
import type { RequestKeys } from '../../connector.ts';

/** Milliseconds between looks for keys that are too old or too many. */
const TRIM_INTERVAL = 60_000;

/** Keys that senders chose for their requests, with what each request said; kept for `idempotency.retention`. */
export class StoredRequestKeys implements RequestKeys {
  readonly #store: FlowStore;
  readonly #limits: Pick<IdempotencyConfig, 'retention' | 'maxCount'>;
  /** Digests of the requests that are at work, by key. */
  readonly #atWork = new Map<string, string>();
  #trimmedAt = 0;

  constructor(store: FlowStore, limits: Pick<IdempotencyConfig, 'retention' | 'maxCount'>) {
    this.#store = store;
    this.#limits = limits;
  }

  async run<T>(key: string, digest: string, work: () => Promise<T>): Promise<T> {
    const running = this.#atWork.get(key);
    const known = running ?? this.#store.requestDigest(key, Date.now());
    if (known !== undefined && known !== digest) throw keyReused();
    if (running !== undefined) throw inProgress();
    // Before anything is done: after a crash the key is that of this request, however far its flows have come.
    if (known === undefined) this.#keep(key, digest);
    this.#atWork.set(key, digest);
    try {
      return await work();
    } catch (error) {
      if (known === undefined && isRefusal(error)) this.#store.removeRequest(key);
      throw error;
    } finally {
      this.#atWork.delete(key);
    }
  }

  #keep(key: string, digest: string): void {
    const now = Date.now();
    this.#store.keepRequest(key, digest, now + this.#limits.retention);
    if (now - this.#trimmedAt < TRIM_INTERVAL) return;
    this.#trimmedAt = now;
    this.#store.trimRequests(now, this.#limits.maxCount);
  }
}

/** The sender has to send something else: then the key is free for it, as after a refused write. */
function isRefusal(error: unknown): boolean {
  return error instanceof AppError && error.status < 500;
}
