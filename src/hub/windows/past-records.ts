import { thenOrNow } from '../../runtime/event-loop.ts';
import type { Awaitable, Change, RecordKey, StoredRecord } from '../../store/store.ts';
import { ChangeView, parseRecord } from '../change-view.ts';
import { WindowLostError } from '../dependencies/keys.ts';
import { type PastStore, type RecordStates, statesBetween } from '../past/past-states.ts';
import type { WindowQuery } from './held-records.ts';
import { firstRecords, HeldRecords } from './held-records.ts';

/** Changes that are undone to find out how a list was: with more, the subscribers get the whole window again. */
const MAX_UNDONE_CHANGES = 1000;
/** Entries that are read at once to find the next change of one record, between messages about it. */
const ENTRIES_OF_RECORD = 20;
/** Reads of one list until no more is missing. Each has more than the one before by the changes that were in its way. */
const MAX_READS = 4;

/** Record as it was at a position, with its JSON text. */
export interface PastRecord {
  readonly id: RecordKey;
  readonly json: string;
  /** seq of its last change; undefined where only a later state is stored. */
  readonly seq: number | undefined;
}

/** First records of a list as they were at a position. */
export interface PastList {
  readonly held: HeldRecords;
  /** Records of the window, in order. */
  readonly window: readonly PastRecord[];
}

interface Candidate extends PastRecord {
  readonly position: ReturnType<WindowQuery['positionOf']>;
}

/**
 * Reads the first records of a list as they were at the position `at`: those that are stored, with the later changes undone.
 * Rejects with WindowLostError, or throws it, where there are too many of them.
 */
export function readPastList(from: PastStore, query: WindowQuery, at: number): Awaitable<PastList> {
  return readMore(from, query, { at, extra: 0, reads: 1 });
}

interface PastRead {
  readonly at: number;
  readonly extra: number;
  readonly reads: number;
}

function readMore(from: PastStore, query: WindowQuery, { at, extra, reads }: PastRead): Awaitable<PastList> {
  const { store, table } = from;
  const count = firstRecords(query) + extra;
  return thenOrNow(store.records(table, query.first(count)), (records) =>
    // Read after the records, it has every change that they have.
    thenOrNow(statesBetween(from, query, { from: at, maxChanges: MAX_UNDONE_CHANGES }), (states) => {
      const past = undo({ query, records, states, isWhole: records.length < count });
      if (!past.held.isShort) return past;
      if (reads === MAX_READS) throw new WindowLostError();
      return readMore(from, query, { at, extra: extra + 2 * states.size, reads: reads + 1 });
    }),
  );
}

interface Undoing {
  readonly query: WindowQuery;
  readonly records: readonly StoredRecord[];
  /** Records that were changed, or concerned by changes of others. */
  readonly states: ReadonlyMap<RecordKey, RecordStates>;
  /** True when the list has no more records. */
  readonly isWhole: boolean;
}

function undo({ query, records, states, isWhole }: Undoing): PastList {
  const parsed = records.map(({ id, seq, json }) => {
    const record = parseRecord(json);
    return { id, seq, json, position: query.positionOf(record) };
  });
  const end = isWhole ? undefined : parsed.at(-1)?.position;
  let found: Candidate[] = parsed;
  if (states.size > 0) {
    const old = [...states].flatMap(([id, { before }]): Candidate[] => {
      if (before === undefined) return [];
      return [{ id, seq: undefined, json: JSON.stringify(before), position: query.positionOf(before) }];
    });
    found = [...parsed.filter(({ id }) => !states.has(id)), ...old]
      // What is behind the last record that was read is not known.
      .filter(({ position }) => end === undefined || query.compare(position, end) <= 0)
      .sort((a, b) => query.compare(a.position, b.position));
  }
  const held = new HeldRecords(
    query,
    found.map(({ id, position }) => ({ id, position })),
    isWhole,
  );
  return { held, window: found.slice(query.offset, query.offset + query.limit) };
}

/** Reads a record of the list as it was at a position. */
export function readPastRecord(from: PastStore, id: RecordKey, at: number): Awaitable<PastRecord> {
  return thenOrNow(from.store.get(from.table, id), (record) => {
    if (record !== undefined && record.seq <= at) return record;
    const next = thenOrNow(from.store.currentSeq(), () => nextChange(from, id, at));
    return thenOrNow(next, (change) => {
      const before = change && new ChangeView(change).before;
      if (before === undefined) throw new WindowLostError();
      return { id, json: JSON.stringify(before), seq: undefined };
    });
  });
}

/** Reads the first change of a record after a position. */
function nextChange(from: PastStore, id: RecordKey, after: number): Awaitable<Change | undefined> {
  const { store, table } = from;
  return thenOrNow(store.readLog(table, after, ENTRIES_OF_RECORD, id), (changes) => {
    const found = changes.find(({ op }) => op !== 'publish');
    if (found !== undefined || changes.length < ENTRIES_OF_RECORD) return found;
    return nextChange(from, id, changes.at(-1)?.seq ?? after);
  });
}
