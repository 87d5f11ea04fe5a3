import { advanceTotal, type SharedTotals } from '../aggregates/shared-totals.ts';
import type { TotalsTracker } from '../aggregates/totals-tracker.ts';
import type { ChangeView } from '../change-view.ts';
import { WindowLostError } from '../dependencies/keys.ts';
import { withTotal } from '../encode.ts';
import type { ShapeGroup } from '../shape-group.ts';
import type { SharedState, StateTracker } from '../shared-state.ts';
import type { Subscription } from '../subscription.ts';
import type { LogFrames } from './log-frames.ts';

/** State of one subscription that reads the log. */
export interface OwnState {
  readonly followed: StateTracker;
  readonly counted: TotalsTracker | undefined;
}

/** Page of the log that was applied to the state of one subscription. */
export interface FollowedPage {
  /** Number of changes that were applied. */
  readonly taken: number;
  /** True when the state cannot be followed further. */
  readonly isLost: boolean;
}

interface FollowedLog {
  readonly views: readonly ChangeView[];
  readonly maxBytes: number;
  /** Receives the frames. */
  readonly log: LogFrames;
}

/** Applies changes to a subscription's own state until their frames have more than `maxBytes`. */
export async function followLog(
  { followed: shared, selection }: ShapeGroup,
  { followed, counted }: OwnState,
  { views, maxBytes, log }: FollowedLog,
): Promise<FollowedPage> {
  let taken = 0;
  for (const view of views) {
    if (log.bytes > maxBytes) break;
    const frames = await unlessLost(
      async () => (await shared?.frames(selection, view, await followed.advance(view))) ?? [],
    );
    if (frames === undefined) return { taken, isLost: true };
    taken++;
    log.add(view.change, withTotal(frames, view.change, counted && advanceTotal(counted, view)));
  }
  return { taken, isLost: false };
}

async function unlessLost<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof WindowLostError) return undefined;
    throw error;
  }
}

/** True when a subscription has what it follows at its position, or can go on with the live ones. `completeAt`: end of its snapshot. */
export function hasFollowed(subscription: Subscription, completeAt: number): boolean {
  const { group, followed } = subscription;
  return group.followed === undefined || followed !== undefined || canJoin(subscription, group.followed, completeAt);
}

/** The same for the number of records, which a subscription needs of its own until it has announced it. */
export function hasCount(
  subscription: Subscription,
  { completeAt, isAnnounced }: { readonly completeAt: number; readonly isAnnounced: boolean },
): boolean {
  const { group, counted } = subscription;
  if (group.counted === undefined || counted !== undefined) return true;
  return isAnnounced && canJoin(subscription, group.counted, completeAt);
}

/** Counts the matching records as they were at the subscription's position. False where too much has changed since. */
export async function openCount(subscription: Subscription, counted: SharedTotals): Promise<boolean> {
  subscription.counted = await counted.openTotal(subscription.position);
  return subscription.counted !== undefined;
}

function canJoin({ group, position }: Subscription, state: SharedState, completeAt: number): boolean {
  return position >= completeAt && state.isTracked && group.reaches(position);
}
