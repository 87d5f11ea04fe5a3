import { liveClient } from '../state/live.ts';
import { tableOf } from '../state/schema.ts';
import type { Log } from './log.ts';

/** Tables that are listened to at once. */
const MAX_TABLES = 50;
/** Milliseconds between two calls, however many changes there are. */
const EVERY_MS = 400;
/** Entries that are kept while new ones come. */
const MAX_KEPT = 500;

/** Calls back when something in one of the tables has changed. Returns a function that ends it. */
export function followTables(app: string, tables: readonly string[], changed: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const wake = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      changed();
    }, EVERY_MS);
  };
  // What has changed is read from the log: of the records their keys are enough.
  const subscriptions = tables.slice(0, MAX_TABLES).map((name) =>
    liveClient(app).tables[name]?.subscribe(`select=${tableOf(name)?.key ?? 'id'}`, {
      // What was changed before the subscription was open is read then.
      onReady: wake,
      onChange: wake,
      onReset: wake,
      onError: () => undefined,
    }),
  );
  return () => {
    clearTimeout(timer);
    for (const subscription of subscriptions) subscription?.close();
  };
}

/** Adds the newest page of a log on top of what is known, unless there is a gap between them. */
export function withNewest(known: Log | undefined, found: Log): Log {
  const end = found.entries.at(-1)?.seq ?? 0;
  const older = known?.entries.filter(({ seq }) => seq < end) ?? [];
  const hasGap = older.length === (known?.entries.length ?? 0);
  if (hasGap || older.length === 0) return found;
  const entries = [...found.entries, ...older];
  if (entries.length <= MAX_KEPT) return { entries, next: known?.next };
  const kept = entries.slice(0, MAX_KEPT);
  return { entries: kept, next: kept.at(-1)?.seq };
}

/** Adds the page before what is known. */
export function withOlder(known: Log | undefined, found: Log): Log {
  return { entries: [...(known?.entries ?? []), ...found.entries], next: found.next };
}
