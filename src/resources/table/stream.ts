import { EXPIRED, REVOKED } from '../../auth/auth-errors.ts';
import { hasExpired, type OpenConnection } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import type { EndReason, Sink, Subscription } from '../../hub/subscription.ts';
import type { SubscriptionQuery } from '../subscription-query.ts';
import { LINE_ENCODING, type TableFrame, TableFrameQueue } from './frames.ts';
import type { TableResource } from './resource.ts';

export interface TableStreamOptions {
  readonly resource: Pick<TableResource, 'subscribe' | 'unsubscribe' | 'rejudge'>;
  readonly identity: Identity;
  readonly rawQuery: string;
  readonly signal: AbortSignal | undefined;
  /** Called once, when it has ended. */
  readonly released: () => void;
}

type Result = IteratorResult<TableFrame, undefined>;

interface Waiting {
  resolve(result: Result): void;
  reject(error: unknown): void;
}

const DONE: Result = { done: true, value: undefined };

/**
 * A subscription that code iterates over: the sink of its subscription. A consumer that takes its time has at most a
 * client's buffer in memory; what comes after that is read from the log when it is there again.
 */
export class TableStream implements Sink, OpenConnection, AsyncIterableIterator<TableFrame, undefined> {
  readonly isPatient = true;
  identity: Identity;
  readonly #options: TableStreamOptions;
  #queue = new TableFrameQueue();
  #subscription: Subscription | undefined;
  /** Calls of `next` that wait for a frame. */
  #waiting: Waiting[] = [];
  #hasEnded = false;
  /** Why it has ended, until that was told. */
  #failure: AppError | undefined;
  readonly #onAbort = () => this.end();

  constructor(options: TableStreamOptions) {
    this.#options = options;
    this.identity = options.identity;
  }

  /** Subscribes, unless it was ended before. */
  start(query: SubscriptionQuery): void {
    const { resource, signal } = this.#options;
    if (signal?.aborted) {
      this.end();
      return;
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#keep(resource.subscribe(query, LINE_ENCODING, this));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next frame. Rejects once when the subscription was ended by anybody but its reader or the server. */
  async next(): Promise<Result> {
    const frame = this.#read();
    if (frame !== undefined) return { done: false, value: frame };
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    if (this.#hasEnded) return DONE;
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async return(): Promise<Result> {
    this.end();
    return DONE;
  }

  get pending(): number {
    return this.#queue.bytes;
  }

  write(bytes: Buffer): void {
    if (this.#hasEnded) return;
    // The one who sweeps may be late.
    if (hasExpired(this.identity)) {
      this.expired();
      return;
    }
    this.#queue.push(bytes);
    while (this.#waiting.length > 0) {
      const frame = this.#read();
      if (frame === undefined) return;
      this.#waiting.shift()?.resolve({ done: false, value: frame });
    }
  }

  /** The hub has ended the subscription by a fault of ours. */
  ended(_reason: EndReason): void {
    this.#fail(new AppError('INTERNAL', 'The subscription failed on our side; resume it.'));
  }

  expiring(): void {}

  expired(): void {
    this.#fail(new AppError('UNAUTHORIZED', EXPIRED));
  }

  revoked(): void {
    this.#fail(new AppError('FORBIDDEN', REVOKED));
  }

  rejudge(): void {
    const subscription = this.#subscription;
    if (subscription === undefined || this.#hasEnded) return;
    const queue = this.#queue;
    // What waits was for the rights of before; a subscription that is another one begins with `reset`.
    this.#queue = new TableFrameQueue();
    try {
      const { resource, rawQuery } = this.#options;
      this.#keep(resource.rejudge(subscription, this.identity, rawQuery));
      if (this.#subscription === subscription) this.#queue = queue;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.revoked();
    }
  }

  /** Nothing more is read, and whoever waits is told that it is over. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#queue.clear();
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    if (this.#subscription !== undefined) this.#options.resource.unsubscribe(this.#subscription);
    this.#options.released();
    const [first, ...others] = this.#waiting.splice(0);
    if (this.#failure === undefined) first?.resolve(DONE);
    else if (first !== undefined) {
      first.reject(this.#failure);
      this.#failure = undefined;
    }
    for (const { resolve } of others) resolve(DONE);
  }

  /** It may have ended while it was opened, by what was written to it then. */
  #keep(subscription: Subscription): void {
    this.#subscription = subscription;
    if (this.#hasEnded) this.#options.resource.unsubscribe(subscription);
  }

  #fail(error: AppError): void {
    if (this.#hasEnded) return;
    this.#failure = error;
    this.end();
  }

  #read(): TableFrame | undefined {
    const frame = this.#queue.shift();
    if (frame !== undefined && this.#queue.bytes === 0) this.#subscription?.drained();
    return frame;
  }
}
