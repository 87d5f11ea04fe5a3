import { AppError } from '../../../errors.ts';
import type { FieldPlan, TablePlan } from '../../../schema/plan.ts';
import { type Row, RowLayout, type WritableRows } from '../../rows/row.ts';
import type { Cell, RecordKey } from '../../store.ts';

/** Row with the time at which it expires. */
export interface KeptRow {
  readonly row: Row;
  readonly expires: number | null;
}

/** Rows of a table that a commit changes: by what they were before and are now, each is one of three. */
export interface NetChanges {
  readonly inserted: readonly KeptRow[];
  readonly updated: readonly KeptRow[];
  /** Keys as they are stored. */
  readonly deleted: readonly Cell[];
}

interface Touched {
  /** State in the database; undefined where there is no record. */
  readonly stored: KeptRow | undefined;
  now: KeptRow | undefined;
}

/** Unique index over fields; values that are null are never equal. */
class UniqueValues {
  readonly fields: readonly FieldPlan[];
  readonly #places: readonly number[];
  /** Key of the record that has the values. */
  readonly #holders = new Map<string, string>();

  constructor(table: TablePlan, fields: readonly FieldPlan[]) {
    this.fields = fields;
    this.#places = fields.map((field) => table.fields.indexOf(field));
  }

  valuesOf(row: Row): readonly Cell[] | undefined {
    const values = this.#places.map((place) => row[place] ?? null);
    return values.includes(null) ? undefined : values;
  }

  /** Moves the values from one state of a record to another. Throws CONFLICT when another record has them. */
  move(key: string, before: Row | undefined, after: Row | undefined): void {
    const old = textOf(before && this.valuesOf(before));
    const next = textOf(after && this.valuesOf(after));
    if (old === next) return;
    const holder = next === undefined ? undefined : this.#holders.get(next);
    if (holder !== undefined && holder !== key) throw takenError(this.fields);
    if (old !== undefined && this.#holders.get(old) === key) this.#holders.delete(old);
    if (next !== undefined) this.#holders.set(next, key);
  }
}

function textOf(values: readonly Cell[] | undefined): string | undefined {
  return values && JSON.stringify(values.map((value) => (typeof value === 'bigint' ? `${value}n` : value)));
}

/** Records of one table in an open commit: read before, changed in memory, and written at once at the end. */
export class OverlayTable extends RowLayout implements WritableRows {
  readonly uniques: readonly UniqueValues[];
  readonly #touched = new Map<string, Touched>();
  /** Former states, for the undoing of a group. */
  readonly #undo: { readonly key: string; readonly was: KeptRow | undefined; readonly isNew: boolean }[] = [];
  readonly #rewritten = new Set<string>();

  constructor(plan: TablePlan) {
    super(plan);
    const ofFields = plan.fields.filter(({ unique, primaryKey }) => unique && !primaryKey).map((field) => [field]);
    const composites = plan.compositeIndexes.filter(({ unique }) => unique).map(({ fields }) => fields);
    this.uniques = [...ofFields, ...composites].map((fields) => new UniqueValues(plan, fields));
  }

  /** Adds a record as it is in the database; undefined where there is none. */
  load(id: RecordKey | bigint, stored: KeptRow | undefined): void {
    const key = String(id);
    if (this.#touched.has(key)) return;
    this.#touched.set(key, { stored, now: stored });
    if (stored !== undefined) for (const unique of this.uniques) unique.move(key, undefined, stored.row);
  }

  /** True when it is known whether the record is there. */
  knows(id: RecordKey): boolean {
    return this.#touched.has(String(id));
  }

  get(id: RecordKey): Row | undefined {
    return this.#touched.get(String(id))?.now?.row;
  }

  expiresAt(id: RecordKey): number | null {
    return this.#touched.get(String(id))?.now?.expires ?? null;
  }

  insert(row: readonly Cell[], seq: number, expires: number | null): void {
    const key = String(row[this.keyIndex]);
    this.#check(row);
    if (this.#touched.get(key)?.now !== undefined) throw takenError([this.plan.primaryKey]);
    this.#set(key, { row: withSeq(row, seq), expires });
  }

  update(row: readonly Cell[], _changed: readonly number[], seq: number, expires: number | null): void {
    this.#check(row);
    this.#set(String(row[this.keyIndex]), { row: withSeq(row, seq), expires });
  }

  delete(id: RecordKey): void {
    this.#set(String(id), undefined);
  }

  /** Mark for `undoTo`. */
  get mark(): number {
    return this.#undo.length;
  }

  undoTo(mark: number): void {
    for (const { key, was, isNew } of this.#undo.splice(mark).reverse()) {
      const touched = this.#touched.get(key) as Touched;
      for (const unique of this.uniques) unique.move(key, touched.now?.row, was?.row);
      // A record that was written to the database meanwhile has to be removed there.
      if (isNew && touched.stored === undefined) this.#touched.delete(key);
      else touched.now = was;
    }
  }

  /** Marks the changes so far as written with a seq that is not the final one. */
  flushed(): void {
    for (const [key, { stored, now }] of this.#touched) {
      if (stored === now) continue;
      this.#touched.set(key, { stored: now, now });
      if (now !== undefined) this.#rewritten.add(key);
    }
  }

  /** Returns the changes; with `unflushed` only those since the last flush. */
  net(unflushed = false): NetChanges {
    const inserted: KeptRow[] = [];
    const updated: KeptRow[] = [];
    const deleted: Cell[] = [];
    for (const [key, { stored, now }] of this.#touched) {
      if (stored === now && (unflushed || !this.#rewritten.has(key))) continue;
      if (now !== undefined) (stored === undefined ? inserted : updated).push(now);
      else if (stored !== undefined) deleted.push(stored.row[this.keyIndex] as Cell);
    }
    return { inserted, updated, deleted };
  }

  #set(key: string, now: KeptRow | undefined): void {
    const touched = this.#touched.get(key);
    const was = touched?.now;
    const moved: UniqueValues[] = [];
    try {
      for (const unique of this.uniques) {
        unique.move(key, was?.row, now?.row);
        moved.push(unique);
      }
    } catch (error) {
      for (const unique of moved) unique.move(key, now?.row, was?.row);
      throw error;
    }
    this.#undo.push({ key, was, isNew: touched === undefined });
    if (touched === undefined) this.#touched.set(key, { stored: undefined, now });
    else touched.now = now;
  }

  #check(row: readonly Cell[]): void {
    const { fields } = this.plan;
    for (let place = 0; place < fields.length; place++) {
      const field = fields[place] as FieldPlan;
      const cell = row[place] ?? null;
      const isStorable = cell === null ? !field.required : typeof cell !== 'string' || !cell.includes('\0');
      if (isStorable) continue;
      const message =
        cell === null ? 'cannot be stored' : 'must not have the character U+0000, which PostgreSQL cannot store';
      throw new AppError('VALIDATION_ERROR', `${field.name}: ${message}.`, {
        errors: [{ field: field.name, message }],
      });
    }
  }
}

/** Returns the row with its seq at the end. An integer is a number wherever a double holds it. */
function withSeq(row: readonly Cell[], seq: number): Row {
  const cells = row.map((cell) =>
    typeof cell === 'bigint' && Number.isSafeInteger(Number(cell)) ? Number(cell) : (cell ?? null),
  );
  cells.push(seq);
  return cells;
}

/** Returns the error of values that another record has. */
export function takenError(fields: readonly Pick<FieldPlan, 'name'>[]): AppError {
  const names = fields.map(({ name }) => name);
  const field = names.join(', ');
  const message = names.length > 1 ? `${field} together are taken by another record` : 'is taken by another record';
  const detail = names.length > 1 ? message : `${field}: ${message}`;
  return new AppError('CONFLICT', `${detail}.`, { errors: names.map((name) => ({ field: name, message })) });
}
