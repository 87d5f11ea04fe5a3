import type { LogReader, RecordReader, RelatedReader } from '../../store/store.ts';
import type { RelatedLimits } from '../dependencies/related-history.ts';
import type { ResetReason } from '../encode.ts';
import type { Subscription } from '../subscription.ts';

/** Hub, as a subscription that catches up sees it. */
export interface CatchUpContext {
  readonly store: RecordReader & RelatedReader & LogReader;
  /** Undefined for the defaults of config.yaml. */
  readonly relatedLimits: RelatedLimits | undefined;
  /** Entries or records per page. */
  readonly page: number;
  /** Bytes; a sink with more than this waiting is not written to. */
  readonly clientBuffer: number;
  /** Undefined to read at once; a promise to wait for otherwise. */
  acquireRead(): Promise<void> | undefined;
  waitForDrain(subscription: Subscription): Promise<void>;
  /** Number of times that the store has lost the end of its log. */
  rewinds(): number;
  /** False after the hub was closed: the store is closed next, and must not be read any more. */
  isOpen(): boolean;
  /** Called when the log does not reach back to the position, and the subscription's encoding cannot say so. */
  expire(subscription: Subscription): void;
  /** Called when the fan-out buffer has every frame after the subscription's position: it is live from now on. */
  join(subscription: Subscription): void;
}

/** Start of a subscription. */
export type Start =
  | { readonly from: 'now' }
  | { readonly from: 'snapshot' }
  | { readonly from: 'position' }
  /** Sends `reset` first, since the frames that the sink received before are no longer valid. */
  | { readonly from: 'reset'; readonly reason: ResetReason }
  /** A live subscription whose sink was full: it goes on from its position. */
  | { readonly from: 'behind' };
