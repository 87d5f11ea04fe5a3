import type { StoredRecord } from '../../store/store.ts';
import type { ChangeView } from '../change-view.ts';
import type { ShapeGroup } from '../shape-group.ts';
import { type PastList, readPastList, WindowLostError } from './past-records.ts';
import type { SharedWindow } from './shared-window.ts';
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

/** Frames of a page of the log, for one subscription. */
export interface WindowPage {
  readonly frames: readonly Buffer[];
  readonly bytes: number;
  /** Number of changes that were applied. */
  readonly taken: number;
  /** True when the window cannot be followed further with the tracker. */
  readonly isLost: boolean;
}

/** Applies changes to a subscription's own window until their frames have more than `maxBytes`. */
export async function followLog(
  group: ShapeGroup,
  tracker: WindowTracker,
  { views, maxBytes }: { readonly views: readonly ChangeView[]; readonly maxBytes: number },
): Promise<WindowPage> {
  const frames: Buffer[] = [];
  let bytes = 0;
  let taken = 0;
  for (const view of views) {
    if (bytes > maxBytes) break;
    const encoded = await unlessLost(async () => ({
      bytes: await group.encodeStep(view, await tracker.advance(view)),
    }));
    if (encoded === undefined) return { frames, bytes, taken, isLost: true };
    taken++;
    if (encoded.bytes !== undefined) bytes += frames[frames.push(encoded.bytes) - 1]?.length ?? 0;
  }
  return { frames, bytes, taken, isLost: false };
}

async function unlessLost<T>(read: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof WindowLostError) return undefined;
    throw error;
  }
}
