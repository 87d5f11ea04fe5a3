import { EXPIRED, REVOKED } from '../../auth/auth-errors.ts';
import { endIfExpired, type OpenConnection } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import type { EndReason, Sink, Subscription } from '../../hub/subscription.ts';
import type { SubscriptionQuery } from '../subscription-query.ts';
import { LINE_ENCODING, type TableFrame, TableFrameQueue } from './frames.ts';
import type { TableResource } from './resource.ts';

export interface TableStreamOptions {
  readonly resource: Pick<TableResource, 'subscribe' | 'unsubscribe' | 'reauthorize'>;
  readonly identity: Identity;
  readonly rawQuery: string;
  readonly signal: AbortSignal | undefined;
  /** Called once, when it has ended. */
  readonly released: () => void;
}

type FrameResult = IteratorResult<TableFrame, undefined>;

interface PendingRead {
  resolve(result: FrameResult): void;
  reject(error: unknown): void;
}

const DONE: FrameResult = { done: true, value: undefined };

/**
 * Subscription that code iterates over: the sink of its hub subscription. A slow consumer has at most a client's buffer
 * in memory; later frames are read from the log when it continues.
 */
export class TableStream implements Sink, OpenConnection, AsyncIterableIterator<TableFrame, undefined> {
  readonly isPatient = true;
  identity: Identity;
  readonly #options: TableStreamOptions;
  #queue = new TableFrameQueue();
  #subscription: Subscription | undefined;
  /** Calls of `next` that wait for a frame. */
  #pendingReads: PendingRead[] = [];
  #hasEnded = false;
  /** Error that ended it, until `next` has thrown it. */
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
    this.#attach(resource.subscribe(query, LINE_ENCODING, this));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * Returns the next frame. Rejects once when the subscription was ended neither by its reader nor by a stopping
   * server.
   */
  async next(): Promise<FrameResult> {
    const frame = this.#read();
    if (frame !== undefined) return { done: false, value: frame };
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    if (this.#hasEnded) return DONE;
    return new Promise((resolve, reject) => this.#pendingReads.push({ resolve, reject }));
  }

  async return(): Promise<FrameResult> {
    this.end();
    return DONE;
  }

  get pending(): number {
    return this.#queue.bytes;
  }

  write(bytes: Buffer): void {
    if (this.#hasEnded || endIfExpired(this)) return;
    this.#queue.push(bytes);
    while (this.#pendingReads.length > 0) {
      const frame = this.#read();
      if (frame === undefined) return;
      this.#pendingReads.shift()?.resolve({ done: false, value: frame });
    }
  }

  /** Ends the subscription after an internal error of the hub, or because its query is refused. */
  ended(_reason: EndReason, error?: AppError): void {
    this.#fail(error ?? new AppError('INTERNAL', 'The subscription has failed; resume it.'));
  }

  expiring(): void {}

  expired(): void {
    this.#fail(new AppError('UNAUTHORIZED', EXPIRED));
  }

  revoked(): void {
    this.#fail(new AppError('FORBIDDEN', REVOKED));
  }

  stop(): void {
    this.#fail(new AppError('STORAGE_BUSY', 'The database is away: resume the subscription later.'));
  }

  reauthorize(): void {
    const subscription = this.#subscription;
    if (subscription === undefined || this.#hasEnded) return;
    const queue = this.#queue;
    // Queued frames were for the previous rights; a new subscription begins with `reset`.
    this.#queue = new TableFrameQueue();
    const { resource, rawQuery } = this.#options;
    this.#attach(resource.reauthorize(subscription, this.identity, rawQuery));
    if (this.#subscription === subscription) this.#queue = queue;
  }

  /** Ends reading, and resolves the waiting calls of `next`. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#queue.clear();
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    if (this.#subscription !== undefined) this.#options.resource.unsubscribe(this.#subscription);
    this.#options.released();
    const [first, ...others] = this.#pendingReads.splice(0);
    if (this.#failure === undefined) first?.resolve(DONE);
    else if (first !== undefined) {
      first.reject(this.#failure);
      this.#failure = undefined;
    }
    for (const { resolve } of others) resolve(DONE);
  }

  /** Keeps the subscription, unless frames that were written while it was opened have ended the stream. */
  #attach(subscription: Subscription): void {
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
