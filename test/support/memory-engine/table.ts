import { AppError } from '../../../src/errors.ts';
import { describeTable, type StoredTable } from '../../../src/schema/migration/stored.ts';
import type { FieldPlan, TablePlan } from '../../../src/schema/plan.ts';
import type { Cell, Change, RecordKey } from '../../../src/store/store.ts';
import type { Journal } from './journal.ts';
import { compareCells } from './values.ts';

export interface Row {
  /** One for each field of the plan. */
  readonly cells: readonly Cell[];
  /** That of its last change. */
  readonly seq: number;
  /** When it expires, in milliseconds since 1970; null for never. */
  readonly expires: number | null;
}

/** The table of an entry may get another plan when the store is opened again. */
export type Entry = Omit<Change, 'table'>;

/** Records and log of one table. */
export class MemoryTable {
  plan: TablePlan;
  /** Every entry after this position is there. */
  logStart: number;
  /** Records with this seq or an older one had another form when they were written; 0 when the schema never changed. */
  layoutSeq = 0;
  readonly log: Entry[] = [];
  readonly #rows = new Map<string, Row>();

  constructor(plan: TablePlan, position: number) {
    this.plan = plan;
    this.logStart = position;
  }

  get lastSeq(): number {
    return this.log.at(-1)?.seq ?? this.logStart;
  }

  get size(): number {
    return this.#rows.size;
  }

  get keyPlace(): number {
    return this.plan.fields.indexOf(this.plan.primaryKey);
  }

  get description(): StoredTable {
    return describeTable(this.plan);
  }

  keyOf({ cells }: Row): RecordKey {
    return cells[this.keyPlace] as RecordKey;
  }

  get(key: Cell): Row | undefined {
    return key === null ? undefined : this.#rows.get(String(key));
  }

  /** In the order of the primary key. */
  rows(): Row[] {
    const place = this.keyPlace;
    return [...this.#rows.values()].sort((a, b) => compareCells(a.cells[place] ?? null, b.cells[place] ?? null));
  }

  /** Throws VALIDATION_ERROR and CONFLICT for what must not be stored. `key`: of the record that it replaces. */
  check(cells: readonly Cell[], key: RecordKey | undefined): void {
    const { fields, compositeIndexes } = this.plan;
    const missing = fields.find(({ required }, place) => required && cells[place] === null);
    if (missing !== undefined) throw invalid(missing);
    if (key === undefined && this.get(cells[this.keyPlace] ?? null) !== undefined) throw taken([this.plan.primaryKey]);
    const uniques = fields.filter(({ unique, primaryKey }) => unique && !primaryKey).map((field) => [field]);
    const composites = compositeIndexes.filter(({ unique }) => unique).map((index) => index.fields);
    for (const together of [...uniques, ...composites]) {
      if (this.#isTaken(together, cells, key)) throw taken(together);
    }
  }

  set(row: Row, journal: Journal): void {
    const key = String(this.keyOf(row));
    const before = this.#rows.get(key);
    this.#rows.set(key, row);
    journal.done(() => (before === undefined ? this.#rows.delete(key) : this.#rows.set(key, before)));
  }

  delete(row: Row, journal: Journal): void {
    const key = String(this.keyOf(row));
    this.#rows.delete(key);
    journal.done(() => this.#rows.set(key, row));
  }

  append(entry: Entry, journal: Journal): void {
    this.log.push(entry);
    journal.done(() => this.log.pop());
  }

  markEntry(seq: number, transaction: number): void {
    const at = this.log.findLastIndex((entry) => entry.seq === seq);
    this.log[at] = { ...(this.log[at] as Entry), transaction };
  }

  /** Gives the stored records the fields of another plan: those of the same name keep their values. */
  adopt(plan: TablePlan, position: number): void {
    const before = this.plan.fields.map(({ name }) => name);
    for (const [key, row] of this.#rows) {
      const cells = plan.fields.map(({ name }) => row.cells[before.indexOf(name)] ?? null);
      this.#rows.set(key, { ...row, cells });
    }
    if (formOf(this.plan) !== formOf(plan)) this.layoutSeq = position;
    this.plan = plan;
  }

  /** Removes up to `limit` of the oldest entries that are too many or too old; true when more may be left. */
  trim(maxCount: number, before: number, limit: number): boolean {
    const surplus = this.log.length - maxCount;
    const old = this.log.findIndex(({ seq }) => seq >= before);
    const count = Math.min(limit, Math.max(surplus, old === -1 ? this.log.length : old));
    if (count <= 0) return false;
    this.logStart = this.log.splice(0, count).at(-1)?.seq ?? this.logStart;
    return count === limit;
  }

  #isTaken(together: readonly FieldPlan[], cells: readonly Cell[], key: RecordKey | undefined): boolean {
    const places = together.map((field) => this.plan.fields.indexOf(field));
    if (places.some((place) => cells[place] === null)) return false;
    return this.rows().some(
      (row) =>
        String(this.keyOf(row)) !== String(key) &&
        places.every((place) => compareCells(row.cells[place] ?? null, cells[place] ?? null) === 0),
    );
  }
}

/** What clients see of a record, and who they are. */
function formOf(plan: TablePlan): string {
  const visible = plan.fields.filter(({ hidden }) => !hidden).map(({ name }) => name);
  return JSON.stringify([visible.sort(), describeTable(plan).rights]);
}

function invalid({ name }: FieldPlan): AppError {
  const message = 'cannot be stored';
  return new AppError('VALIDATION_ERROR', `${name}: ${message}.`, { errors: [{ field: name, message }] });
}

function taken(together: readonly FieldPlan[]): AppError {
  const names = together.map(({ name }) => name);
  const one = names.length === 1;
  const message = one ? 'is taken by another record' : `${names.join(', ')} together are taken by another record`;
  const errors = names.map((field) => ({ field, message }));
  return new AppError('CONFLICT', `${one ? `${names[0]}: ` : ''}${message}.`, { errors });
}
