import type { Database, Statement } from 'better-sqlite3';
import type { TablePlan } from '../../../schema/plan.ts';
import type { Change } from '../../store.ts';
import { OPS } from '../records/table.ts';
import { logName } from '../sql/table-names.ts';

/** Entries that one statement writes: by itself each takes half as long again. */
const AT_ONCE = 16;

/** Writes the entries of one table's log. */
export class LogEntries {
  readonly #one: Statement;
  readonly #many: Statement;

  constructor(db: Database, table: TablePlan) {
    const entry = '(?, ?, ?, ?, ?)';
    const prepare = (values: string) =>
      db.prepare(`INSERT INTO ${logName(table)} (seq, op, id, data, before) VALUES ${values}`);
    this.#one = prepare(entry);
    this.#many = prepare(new Array(AT_ONCE).fill(entry).join(', '));
  }

  /** Appends the changes from this one up to, but not with, that one; all of this table. */
  append(changes: readonly Change[], from: number, to: number): void {
    let at = from;
    for (; to - at >= AT_ONCE; at += AT_ONCE) {
      const values: unknown[] = [];
      for (let i = at; i < at + AT_ONCE; i++) pushEntry(values, changes[i] as Change);
      this.#many.run(...values);
    }
    for (; at < to; at++) {
      const values: unknown[] = [];
      pushEntry(values, changes[at] as Change);
      this.#one.run(...values);
    }
  }
}

/** What is told of a deleted record is its key, which the entry has anyway. */
function pushEntry(values: unknown[], { seq, op, id, data, before }: Change): void {
  values.push(seq, OPS.indexOf(op) + 1, id, op === 'delete' ? null : data, before);
}
