import { type ChangedRecord, ChangeView } from '../../hub/change-view.ts';
import { compareText, compilePredicate, type Filter, type Predicate, relatedTables } from '../../query/index.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { SnapshotPage, SnapshotRecord, StoreSnapshot } from '../../store/engine.ts';
import type { Awaitable, RecordKey } from '../../store/store.ts';
import { CommandError } from '../failure.ts';

/** Entries of the log that are read at once. */
const MAX_PAGE_ENTRIES = 1000;

/** The records of tables as they were at an earlier position: those of a snapshot, with the later changes undone. */
export class PastSnapshot {
  readonly position: number;
  readonly #snapshot: StoreSnapshot;

  /** Throws CommandError for a position that has not been issued yet. */
  constructor(snapshot: StoreSnapshot, position: number) {
    if (position > snapshot.position) {
      throw new CommandError(`--at ${position} is after the newest position, ${snapshot.position}.`);
    }
    this.position = position;
    this.#snapshot = snapshot;
  }

  /** Reads the later changes of a table. Throws CommandError where the log does not reach back to the position. */
  async table(table: TablePlan, filter: Filter | undefined): Promise<RewoundTable> {
    const floor = await this.#snapshot.resumeFloor(table);
    if (this.position < floor) {
      throw new CommandError(
        `the log of ${table.name} does not reach back to position ${this.position}; the oldest one is ${floor}.`,
      );
    }
    // Which records had been related is another past than that of the table.
    if (filter !== undefined && relatedTables({ filter }).size > 0) {
      throw new CommandError('--at works with a --filter over fields of the table itself only.');
    }
    return new RewoundTable(this.#snapshot, { table, filter, changes: await this.#readChanges(table) });
  }

  async #readChanges(table: TablePlan): Promise<ReadonlyMap<string, LaterChange>> {
    const changes = new Map<string, LaterChange>();
    for (let after = this.position; ; ) {
      const entries = await this.#snapshot.readLog(table, after, MAX_PAGE_ENTRIES);
      for (const entry of entries) {
        after = entry.seq;
        if (entry.op === 'publish' || entry.id === null) continue;
        const view = new ChangeView(entry);
        const id = String(entry.id);
        changes.set(id, { id: entry.id, before: (changes.get(id) ?? view).before, after: view.after });
      }
      if (entries.length < MAX_PAGE_ENTRIES) return changes;
    }
  }
}

/** Record before all later changes, and after them; undefined where there was none. */
interface LaterChange {
  readonly id: RecordKey;
  readonly before: ChangedRecord | undefined;
  readonly after: ChangedRecord | undefined;
}

interface RewoundTableParts {
  readonly table: TablePlan;
  readonly filter: Filter | undefined;
  readonly changes: ReadonlyMap<string, LaterChange>;
}

/** Records of a table in the order of their keys. */
export interface RecordPages {
  count(): Awaitable<number>;
  page(page: Pick<SnapshotPage, 'after' | 'limit'>): Awaitable<readonly SnapshotRecord[]>;
}

/** A table at an earlier position, page by page. Hidden fields are left out: the log has no values of them. */
export class RewoundTable implements RecordPages {
  readonly #snapshot: StoreSnapshot;
  readonly #parts: RewoundTableParts;
  readonly #matches: Predicate;
  /** Records that have changed or gone since, as they were, in the order of their keys. */
  readonly #undone: readonly SnapshotRecord[];

  constructor(snapshot: StoreSnapshot, parts: RewoundTableParts) {
    this.#snapshot = snapshot;
    this.#parts = parts;
    this.#matches = parts.filter === undefined ? () => true : compilePredicate(parts.filter);
    this.#undone = [...parts.changes.values()]
      .flatMap(({ id, before }) =>
        before !== undefined && this.#matches(before) ? [{ id, json: this.#toJson(before) }] : [],
      )
      .sort((one, other) => compareKeys(one.id, other.id));
  }

  async count(): Promise<number> {
    const { table, filter, changes } = this.#parts;
    const isCounted = ({ after }: LaterChange) => after !== undefined && this.#matches(after);
    const changed = [...changes.values()].filter(isCounted).length;
    return (await this.#snapshot.count(table, filter)) - changed + this.#undone.length;
  }

  async page({ after, limit }: Pick<SnapshotPage, 'after' | 'limit'>): Promise<readonly SnapshotRecord[]> {
    const { table, filter, changes } = this.#parts;
    const kept: SnapshotRecord[] = [];
    for (let last = after; kept.length < limit; ) {
      const page = await this.#snapshot.page(table, { filter, after: last, limit });
      for (const { id, json } of page) {
        if (!changes.has(String(id))) kept.push({ id, json: this.#withoutHidden(json) });
      }
      last = page.at(-1)?.id;
      if (page.length < limit) break;
    }
    const from = after === undefined ? 0 : this.#undone.findIndex(({ id }) => compareKeys(id, after) > 0);
    const undone = from === -1 ? [] : this.#undone.slice(from, from + limit);
    return [...kept, ...undone].sort((one, other) => compareKeys(one.id, other.id)).slice(0, limit);
  }

  #withoutHidden(json: string): string {
    const hasHidden = this.#parts.table.fields.some(({ hidden }) => hidden);
    return hasHidden ? this.#toJson(JSON.parse(json) as ChangedRecord) : json;
  }

  /** The visible fields in the order of the type. A field that is newer than the record is null. */
  #toJson(record: ChangedRecord): string {
    const visible = this.#parts.table.fields.filter(({ hidden }) => !hidden);
    return JSON.stringify(Object.fromEntries(visible.map(({ name }) => [name, record[name] ?? null])));
  }
}

function compareKeys(one: SnapshotRecord['id'], other: SnapshotRecord['id']): number {
  if (typeof one === 'string' || typeof other === 'string') return compareText(String(one), String(other));
  return one < other ? -1 : one > other ? 1 : 0;
}
