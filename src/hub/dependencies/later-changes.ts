import type { FieldPlan, TablePlan } from '../../schema/plan.ts';
import type { LogReader, RecordKey } from '../../store/store.ts';
import { type ChangedRecord, ChangeView } from '../change-view.ts';
import { keysOf, TooMuchRelatedError } from './keys.ts';

/** Changes of one table that are undone; beyond, the subscription gets its state again. */
const MAX_UNDONE_CHANGES = 5000;
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
  readonly #tables = new Map<TablePlan, TableChanges>();

  constructor(log: LogReader, from: number) {
    this.#log = log;
    this.#from = from;
  }

  /** Sets the position for tables whose changes are not known yet. */
  advance(from: number): void {
    this.#from = from;
  }

  /** Forgets the changes of a table. */
  forget(table: TablePlan): void {
    this.#tables.delete(table);
  }

  /** Reads the changes of a table that are not known yet. */
  async load(table: TablePlan): Promise<void> {
    let changes = this.#tables.get(table);
    if (changes === undefined) {
      changes = { upTo: this.#from, count: 0, byId: new Map() };
      this.#tables.set(table, changes);
    }
    await this.#log.currentSeq();
    while (this.#log.lastTableSeq(table) > changes.upTo) {
      const { lastSeq } = this.#log;
      const page = await this.#log.readLog(table, changes.upTo, MAX_PAGE_CHANGES);
      for (const change of page) {
        const { id, op } = change;
        if (id === null || op === 'publish') continue;
        const known = changes.byId.get(id);
        if (known === undefined) changes.byId.set(id, [new ChangeView(change)]);
        else known.push(new ChangeView(change));
      }
      changes.count += page.length;
      changes.upTo =
        page.length < MAX_PAGE_CHANGES ? Math.max(lastSeq, page.at(-1)?.seq ?? 0) : (page.at(-1)?.seq ?? lastSeq);
      if (changes.count > MAX_UNDONE_CHANGES) throw new TooMuchRelatedError();
    }
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
