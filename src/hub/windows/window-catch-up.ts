import type { StoredRecord } from '../../store/store.ts';
import type { ChangeView } from '../change-view.ts';
import type { LogFrames } from '../log-frames.ts';
import type { Selection } from '../selection.ts';
import { type PastList, readPastList, WindowLostError } from './past-records.ts';
import type { SharedWindow } from './shared-window.ts';
import { windowFrames } from './window-frames.ts';
import { WindowTracker } from './window-tracker.ts';

/** Window as it was at a position, for one subscription that goes on from there by itself. */
export interface OwnWindow {
  readonly tracker: WindowTracker;
  /** Records of the window, in order. */
  readonly records: readonly StoredRecord[];
}

/** Reads a window as it was at a position; undefined where too much has changed since. */
export async function openWindow({ from, query }: SharedWindow, position: number): Promise<OwnWindow | undefined> {
  const list = await unlessLost<PastList>(() => readPastList(from, query, position));
  return (
    list && {
      tracker: new WindowTracker(from, query, { held: list.held, position }),
      // The seq is that of a later change where the record has changed since, and then not known.
      records: list.window.map(({ id, json, seq = position }) => ({ id, json, seq })),
    }
  );
}

/** Page of the log that was applied to the window of one subscription. */
export interface WindowPage {
  /** Number of changes that were applied. */
  readonly taken: number;
  /** True when the window cannot be followed further with the tracker. */
  readonly isLost: boolean;
}

interface FollowedLog {
  readonly views: readonly ChangeView[];
  readonly maxBytes: number;
  /** Receives the frames. */
  readonly log: LogFrames;
}

/** Applies changes to a subscription's own window until their frames have more than `maxBytes`. */
export async function followLog(
  selection: Selection,
  tracker: WindowTracker,
  { views, maxBytes, log }: FollowedLog,
): Promise<WindowPage> {
  let taken = 0;
  for (const view of views) {
    if (log.bytes > maxBytes) break;
    const frames = await unlessLost(async () => windowFrames(selection, view, await tracker.advance(view)));
    if (frames === undefined) return { taken, isLost: true };
    taken++;
    log.add(view.change, frames);
  }
  return { taken, isLost: false };
}

async function unlessLost<T>(read: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof WindowLostError) return undefined;
    throw error;
  }
}
