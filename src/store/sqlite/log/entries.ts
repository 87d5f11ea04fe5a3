import type { Database, Statement } from 'better-sqlite3';
import type { TablePlan } from '../../../schema/plan.ts';
import { OPS } from '../../rows/row.ts';
import type { Change } from '../../store.ts';
import { logName } from '../sql/table-names.ts';

/** Entries that one statement writes: each takes half as long again with a statement of its own. */
const BATCH_ENTRIES = 16;

/** Writes the entries of one table's log. */
export class LogEntries {
  readonly #one: Statement;
  readonly #many: Statement;

  constructor(db: Database, table: TablePlan) {
    const entry = '(?, ?, ?, ?, ?)';
    const prepare = (values: string) =>
      db.prepare(`INSERT INTO ${logName(table)} (seq, op, id, data, before) VALUES ${values}`);
    this.#one = prepare(entry);
    this.#many = prepare(new Array(BATCH_ENTRIES).fill(entry).join(', '));
  }

  /** Appends the changes from index `from` to before `to`, which are all of this table. */
  append(changes: readonly Change[], from: number, to: number): void {
    let at = from;
    for (; to - at >= BATCH_ENTRIES; at += BATCH_ENTRIES) {
      const values: unknown[] = [];
      for (let i = at; i < at + BATCH_ENTRIES; i++) pushEntry(values, changes[i] as Change);
      this.#many.run(...values);
    }
    for (; at < to; at++) {
      const values: unknown[] = [];
      pushEntry(values, changes[at] as Change);
      this.#one.run(...values);
    }
  }
}

/** `data` of a delete is only the key, which the entry has already. */
function pushEntry(values: unknown[], { seq, op, id, data, before }: Change): void {
  values.push(seq, OPS.indexOf(op) + 1, id, op === 'delete' ? null : data, before);
}
