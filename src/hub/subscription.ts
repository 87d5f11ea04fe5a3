import type { AppError } from '../errors.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { RecordKey } from '../store/store.ts';
import type { TotalsTracker } from './aggregates/totals-tracker.ts';
import type { Channel } from './channel.ts';
import type { WriteLock } from './fan-out/write-lock.ts';
import type { ShapeGroup } from './shape-group.ts';
import type { StateTracker } from './shared-state.ts';

/**
 * Reason why the hub ends a subscription. `lost`: the log does not reach back to its position, and its encoding cannot say so.
 * `refused`: its query has become one that is refused.
 */
export type EndReason = 'slow' | 'failed' | 'lost' | 'refused';

/** Connection behind the sinks of several subscriptions. */
export interface SharedSink {
  /** Writes the same frames for all of these sinks; never blocks and never throws. */
  write(bytes: Buffer, sinks: readonly Sink[]): void;
}

/** Destination of a subscription's frames. */
export interface Sink {
  /** Bytes that were written and that the kernel has not accepted yet. */
  readonly pending: number;
  /** Lock of the subscriptions that share this sink; undefined where there is only one. */
  readonly writeLock?: WriteLock;
  /** True to have no slow-client timeout: the consumer catches up from the log when it goes on. */
  readonly isPatient?: boolean;
  /** Takes frames that several subscriptions receive once for all of them; undefined where there is only one. */
  readonly shared?: SharedSink;
  /** False while frames have to be written to this sink by itself. */
  readonly takesShared?: boolean;
  /** Writes whole frames; never blocks and never throws. */
  write(bytes: Buffer): void;
  /** Called when the hub has ended the subscription; the sink closes what it writes to. `error`: why it is `refused`. */
  ended(reason: EndReason, error?: AppError): void;
}

export type SubscriptionState = 'live' | 'behind' | 'closed';

/** Cursor on the log. Its position only grows, and no change at or below it is sent. */
export class Subscription {
  readonly channel: Channel;
  readonly group: ShapeGroup;
  readonly sink: Sink;
  state: SubscriptionState = 'behind';
  /** Index among the live subscriptions of the group. */
  index = -1;
  /** Next frame of the group's buffer. */
  cursor = 0;
  /** seq of the last change that was sent or that was not for it. */
  position: number;
  /** Position before a transaction of which it has received a part; undefined when it has none, or all. */
  openSince: number | undefined;
  /** True while a snapshot is sent: then no position describes what the client has. */
  inSnapshot = false;
  /** Window or totals at its position, while it is not live. */
  followed: StateTracker | undefined;
  /** Number of matching records at its position, while it is not live. */
  counted: TotalsTracker | undefined;
  /** seqs of changes that the subscriber made itself and does not receive. */
  suppressedSeqs: Set<number> | undefined;
  /** Set while it waits for its sink to drain. */
  resume: (() => void) | undefined;

  constructor(channel: Channel, group: ShapeGroup, sink: Sink, position: number) {
    this.channel = channel;
    this.group = group;
    this.sink = sink;
    this.position = position;
  }

  get table(): TablePlan {
    return this.channel.table;
  }

  get id(): RecordKey | undefined {
    return this.channel.id;
  }

  /** Leaves out a change that the subscriber made itself and alone, unless it was sent already. */
  mute(seq: number): void {
    if (this.suppressedSeqs === undefined || seq <= this.position) return;
    // A live subscription receives what is in the buffer and nothing else: its filter may have left this change out.
    if (this.state === 'live' && !this.group.has(seq) && this.group.settled(seq) >= seq) return;
    this.suppressedSeqs.add(seq);
  }

  /** Called by the transport when the sink has room again. */
  drained(): void {
    const { resume } = this;
    this.resume = undefined;
    resume?.();
  }
}
