import type { TablePlan } from '../../../src/schema/plan.ts';
import type { Actor, AuditedOp } from '../../../src/store/audit.ts';
import { expiryOf } from '../../../src/store/expiry.ts';
import { type ReferenceHost, type ReferenceSteps, References } from '../../../src/store/references/references.ts';
import type { Cell, Change, Op, RecordKey } from '../../../src/store/store.ts';
import type { MemoryDatabase } from './database.ts';
import { Journal } from './journal.ts';
import type { MemoryTable, Row } from './table.ts';
import { rowToJson } from './values.ts';

/** What one write makes of one record: `before` is absent for a new record, `after` for one that is removed. */
export interface RecordChange {
  readonly table: MemoryTable;
  readonly id: RecordKey;
  readonly by: Actor | undefined;
  readonly before?: Row;
  readonly after?: readonly Cell[];
}

/** A state of the transaction that it can go back to. */
export interface Mark {
  readonly undone: number;
  readonly changes: number;
  readonly last: number;
}

/** One commit: every step is undone when the step, its group or the whole commit is refused. */
export class Transaction {
  readonly database: MemoryDatabase;
  readonly journal = new Journal();
  readonly changes: Change[] = [];
  /** Milliseconds since 1970, one clock for all writes. */
  readonly now = Date.now();
  /** Those of the open group. */
  readonly references: References;
  /** The newest position, with those of this transaction. */
  last: number;

  /** `apply` makes a write that follows from another one. */
  constructor(database: MemoryDatabase, largestCascade: number, apply: ReferenceHost['apply']) {
    this.database = database;
    this.last = database.last;
    const row = (plan: TablePlan, key: RecordKey) => database.table(plan).get(key);
    const has = (plan: TablePlan, key: RecordKey) => row(plan, key) !== undefined;
    this.references = new References({ has, row: (plan, key) => row(plan, key)?.cells, apply }, largestCascade);
  }

  /** Answers the questions of the references by looking at every record. */
  answer(steps: ReferenceSteps): void {
    const { database } = this;
    for (let step = steps.next(); step.done !== true; ) {
      const question = step.value;
      if (question.ask === 'present') {
        const { table, keys } = question;
        step = steps.next(keys.filter((key) => database.table(table).get(key) !== undefined));
        continue;
      }
      const { reference, keys, limit } = question;
      const table = database.table(reference.table);
      const place = reference.table.fields.indexOf(reference.field);
      const found = table.rows().filter(({ cells }) => keys.includes(cells[place] as RecordKey));
      step = steps.next(found.slice(0, limit).map((row) => table.keyOf(row)));
    }
  }

  mark(): Mark {
    return { undone: this.journal.length, changes: this.changes.length, last: this.last };
  }

  undoTo({ undone, changes, last }: Mark): void {
    this.journal.undoTo(undone);
    this.changes.length = changes;
    this.last = last;
  }

  /** Gives the changes since then the mark of a transaction, when there are several. */
  markFrom({ changes: start }: Mark): number | undefined {
    if (this.changes.length - start < 2) return undefined;
    const transaction = this.changes.at(-1)?.seq as number;
    for (const [at, change] of this.changes.entries()) {
      if (at < start) continue;
      this.changes[at] = { ...change, transaction };
      const table = this.database.table(change.table);
      table.markEntry(change.seq, transaction);
    }
    return transaction;
  }

  /** Stores the change of a record with its entries in the log and the audit log; gives its seq. */
  record({ table, id, by, before, after }: RecordChange): number {
    const { plan } = table;
    const op: AuditedOp = after === undefined ? 'delete' : before === undefined ? 'create' : 'update';
    if (after !== undefined) table.check(after, before && table.keyOf(before));
    const seq = this.#nextSeq();
    if (after === undefined) table.delete(before as Row, this.journal);
    else {
      const expires = expiryOf(plan)?.(after, this.now) ?? null;
      table.set({ cells: after, seq, expires }, this.journal);
    }
    if (plan.audited) {
      const audited = { seq, op, id, by, ...(before && { before: before.cells }), ...(after && { after }) };
      this.database.audit?.append(plan, audited, this.journal);
    }
    const changed = after?.flatMap((cell, place) => (cell === before?.cells[place] ? [] : [place]));
    const data = after === undefined ? keyToJson(table, id) : rowToJson(plan.fields, after);
    const previous = before === undefined ? null : rowToJson(plan.fields, before.cells, changed);
    this.#log(table, { seq, op, id, data, before: previous });
    return seq;
  }

  publish(table: MemoryTable, id: RecordKey | null, { data, before }: { data: string; before: string | null }): number {
    const seq = this.#nextSeq();
    this.#log(table, { seq, op: 'publish', id, data, before });
    return seq;
  }

  #log(table: MemoryTable, entry: Omit<Change, 'table'> & { readonly op: Op }): void {
    table.append(entry, this.journal);
    this.changes.push({ ...entry, table: table.plan });
  }

  /** Goes on by one where the clock stands still or goes back. */
  #nextSeq(): number {
    this.last = Math.max(this.last + 1, this.now * 1000);
    return this.last;
  }
}

function keyToJson({ plan }: MemoryTable, id: RecordKey): string {
  return `{${JSON.stringify(plan.primaryKey.name)}:${JSON.stringify(id)}}`;
}
