import type { TablePlan } from '../schema/plan.ts';
import type { RecordKey } from '../store/store.ts';
import type { Channel } from './channel.ts';
import type { WriteLock } from './fan-out/write-lock.ts';
import type { ShapeGroup } from './shape-group.ts';

/** Why the hub ends a subscription. `lost`: the log does not reach back to its position, and its encoding cannot say so. */
export type EndReason = 'slow' | 'failed' | 'lost';

/** Where a subscription writes. */
export interface Sink {
  /** Bytes that were written and that the kernel has not taken yet. */
  readonly pending: number;
  /** There when several subscriptions write to this sink. */
  readonly lane?: WriteLock;
  /** It may stand still for as long as it likes: what it has not taken comes from the log when it goes on. */
  readonly isPatient?: boolean;
  /** Takes whole frames; never blocks and never throws. */
  write(bytes: Buffer): void;
  /** The hub has ended the subscription; the sink closes what it writes to. */
  ended(reason: EndReason): void;
}

export type SubscriptionState = 'live' | 'behind' | 'closed';

/** A cursor on the log. It keeps its position for life and is told nothing at or below it. */
export class Subscription {
  readonly channel: Channel;
  readonly group: ShapeGroup;
  readonly sink: Sink;
  state: SubscriptionState = 'behind';
  /** Index in the group's live ones. */
  index = -1;
  /** Next frame of the group's run. */
  cursor = 0;
  /** seq of the last change that it was told or that was not for it. */
  position: number;
  /** A snapshot is under way: no position stands for what it has been told. */
  inSnapshot = false;
  /** seqs that this subscriber does not want to hear of, because it wrote them itself. */
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

  /** Leaves out the change that this subscriber made itself, if it is still to be told of it. */
  mute(seq: number): void {
    if (this.suppressedSeqs === undefined || seq <= this.position) return;
    // A live one is told what is in the run and nothing else: its filter may have left this change out.
    if (this.state === 'live' && !this.group.has(seq)) return;
    this.suppressedSeqs.add(seq);
  }

  /** Called by the transport when the sink has room again. */
  drained(): void {
    const { resume } = this;
    this.resume = undefined;
    resume?.();
  }
}
