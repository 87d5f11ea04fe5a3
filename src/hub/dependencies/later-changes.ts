import { thenOrNow } from '../../runtime/event-loop.ts';
import type { FieldPlan, TablePlan } from '../../schema/plan.ts';
import type { Awaitable, Change, LogReader, RecordKey } from '../../store/store.ts';
import { type ChangedRecord, ChangeView } from '../change-view.ts';
import { keysOf, TooMuchRelatedError } from './keys.ts';

/** Entries of the log that are read at once. */
const MAX_PAGE_CHANGES = 500;

interface TableChanges {
  /** seq up to which the changes are known. */
  upTo: number;
  count: number;
  /** Changes of each record, in order. */
  readonly byId: Map<RecordKey, ChangeView[]>;
}

/** Place of the records that are undone. */
interface UndoneRows {
  readonly table: TablePlan;
  readonly field: FieldPlan;
  readonly value: RecordKey;
  readonly at: number;
}

/** Changes after a position, by which present records are turned into those of then. */
export class LaterChanges {
  readonly #log: LogReader;
  #from: number;
  readonly #maxChanges: number;
  readonly #tables = new Map<TablePlan, TableChanges>();

  /** `maxChanges`: maximum of changes of one table. */
  constructor(log: LogReader, from: number, maxChanges: number) {
    this.#log = log;
    this.#from = from;
    this.#maxChanges = maxChanges;
  }

  /** Sets the position for tables whose changes are not known yet. */
  advance(from: number): void {
    this.#from = from;
  }

  /** Forgets the changes of a table. */
  forget(table: TablePlan): void {
    this.#tables.delete(table);
  }

  /** Changes of each record of a table that were read, in order. */
  of(table: TablePlan): ReadonlyMap<RecordKey, readonly ChangeView[]> {
    return this.#tables.get(table)?.byId ?? new Map<RecordKey, readonly ChangeView[]>();
  }

  /** Reads the changes of a table that are not known yet. Throws, or rejects with, TooMuchRelatedError. */
  load(table: TablePlan): Awaitable<void> {
    let changes = this.#tables.get(table);
    if (changes === undefined) {
      changes = { upTo: this.#from, count: 0, byId: new Map() };
      this.#tables.set(table, changes);
    }
    const known = changes;
    return thenOrNow(this.#log.currentSeq(), () => this.#loadPages(table, known));
  }

  #loadPages(table: TablePlan, changes: TableChanges): Awaitable<void> {
    const { lastSeq } = this.#log;
    if (this.#log.lastTableSeq(table) <= changes.upTo) return;
    return thenOrNow(this.#log.readLog(table, changes.upTo, MAX_PAGE_CHANGES), (page) => {
      for (const change of page) add(changes.byId, change);
      changes.count += page.length;
      const last = page.at(-1)?.seq;
      changes.upTo = page.length < MAX_PAGE_CHANGES ? Math.max(lastSeq, last ?? 0) : (last ?? lastSeq);
      if (changes.count > this.#maxChanges) throw new TooMuchRelatedError();
      return this.#loadPages(table, changes);
    });
  }

  /** Returns the records as they were: those that had the value in the field at the position. */
  undo(rows: readonly ChangedRecord[], { table, field, value, at }: UndoneRows): readonly ChangedRecord[] {
    const byId = this.#tables.get(table)?.byId;
    if (byId === undefined || byId.size === 0) return rows;
    const key = table.primaryKey.name;
    const past: ChangedRecord[] = [];
    const changed = new Set<unknown>();
    for (const [id, views] of byId) {
      const next = views.find(({ change }) => change.seq > at);
      if (next === undefined) continue;
      changed.add(id);
      const { before } = next;
      if (before !== undefined && keysOf(before[field.name]).includes(value)) past.push(before);
    }
    if (changed.size === 0) return rows;
    return [...rows.filter((row) => !changed.has(row[key])), ...past];
  }
}

function add(byId: Map<RecordKey, ChangeView[]>, change: Change): void {
  const { id, op } = change;
  if (id === null || op === 'publish') return;
  const known = byId.get(id);
  if (known === undefined) byId.set(id, [new ChangeView(change)]);
  else known.push(new ChangeView(change));
}
