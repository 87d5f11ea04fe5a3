import { AppError } from '../../errors.ts';
import type { Reference, TablePlan } from '../../schema/plan.ts';
import { type Place, placeError } from '../placed-error.ts';
import type { DeleteWrite, OneWrite, ReferenceWatch } from '../rows/apply-write.ts';
import type { Row } from '../rows/row.ts';
import type { Cell, RecordKey } from '../store.ts';
import { cascadeTooLarge, missingRecord, ruleBroken, stillReferred } from './reference-errors.ts';

/**
 * Question to the engine about its open transaction: the records that refer to one of the keys, at most `limit`, or those of the
 * keys that records have. The answer is their keys, and these records can be read with `row` afterwards.
 */
export type ReferenceQuestion =
  | {
      readonly ask: 'referring';
      readonly reference: Reference;
      readonly keys: readonly RecordKey[];
      readonly limit: number;
    }
  | { readonly ask: 'present'; readonly table: TablePlan; readonly keys: readonly RecordKey[] };

/** Steps whose questions the engine answers, at once or later. */
export type ReferenceSteps = Generator<ReferenceQuestion, void, readonly RecordKey[]>;

/** Parts of the engine, all in its open transaction. */
export interface ReferenceHost {
  /** True when the record is there. False: it is not, or with `isDeferred` it may be there and was not read. */
  has(table: TablePlan, key: RecordKey): boolean;
  /** Returns the row of a record that was read. */
  row(table: TablePlan, key: RecordKey): Row | undefined;
  apply(write: OneWrite): void;
}

/** Deleted record. */
interface Removed {
  readonly key: RecordKey;
  readonly write: DeleteWrite;
  /** False when the record is deleted because another one is. */
  readonly isAsked: boolean;
}

/** Key whose record was not found when it was written. */
interface OpenKey {
  readonly reference: Reference;
  /** Record with the key. */
  readonly id: RecordKey;
  readonly key: RecordKey;
  readonly place: Place | undefined;
}

interface Restriction {
  readonly reference: Reference;
  readonly removed: ReadonlyMap<string, Removed>;
}

/** Maximum of referring records that an error counts. */
const MAX_COUNT = 1000;

/**
 * Keeps the references of one group of writes whole. Keys are checked as they are written; those without a record, and
 * restrictions, are judged again at the end of the group, when later writes may have mended them. So neither the order of the writes
 * in a group nor a cycle matters.
 */
export class References {
  readonly #host: ReferenceHost;
  readonly #limit: number;
  #isDeferred = false;
  #isCascading = false;
  #followed = 0;
  #removed: Removed[] = [];
  #open: OpenKey[] = [];
  #restrictions: Restriction[] = [];

  /** `limit`: maximum of records that the deletions of a group delete or change besides. */
  constructor(host: ReferenceHost, limit: number) {
    this.#host = host;
    this.#limit = limit;
  }

  /** Begins a group. With `isDeferred`, keys without a record are judged by `settle`; otherwise when they are written. */
  begin(isDeferred: boolean): void {
    this.#isDeferred = isDeferred;
    this.#isCascading = false;
    this.#followed = 0;
    this.#removed = [];
    this.#open = [];
    this.#restrictions = [];
  }

  /** Returns the watch over a table; undefined for one without references. */
  watch({ references, referrers, primaryKey, fields }: TablePlan): ReferenceWatch | undefined {
    if (references.length === 0 && referrers.length === 0) return undefined;
    const checked = references.map((reference) => ({ reference, index: fields.indexOf(reference.field) }));
    const keyIndex = fields.indexOf(primaryKey);
    return {
      storing: (row, before, write) => {
        for (const { reference, index } of checked) {
          const key = row[index] ?? null;
          if (key === null || (before !== undefined && key === before[index])) continue;
          const isOwn = reference.target === reference.table && key === row[keyIndex];
          if (!isOwn) this.#check(reference, key as RecordKey, write);
        }
      },
      removed: (write) => {
        if (referrers.length > 0) this.#removed.push({ key: write.id, write, isAsked: !this.#isCascading });
      },
    };
  }

  /** True when records were deleted whose referring records `follow` has to look for. */
  get hasRemoved(): boolean {
    return this.#removed.length > 0;
  }

  /** Deletes and changes the records that refer to deleted ones, and those that refer to these. */
  *follow(): ReferenceSteps {
    this.#isCascading = true;
    try {
      while (this.#removed.length > 0) {
        for (const [table, removed] of byTable(this.#removed.splice(0))) {
          for (const reference of table.referrers) {
            if (reference.onDelete === 'RESTRICT') this.#restrictions.push({ reference, removed });
            else yield* this.#followOne(reference, removed);
          }
        }
      }
    } finally {
      this.#isCascading = false;
    }
  }

  /** Judges at the end of the group what was left open. Throws errors with their places. */
  *settle(): ReferenceSteps {
    for (const [table, open] of byTarget(this.#open)) {
      const keys = [...new Set(open.map(({ key }) => key))];
      const present = new Set(yield { ask: 'present', table, keys });
      for (const { reference, id, key, place } of open) {
        if (present.has(key) || this.#keyOf(reference, id) !== key) continue;
        throw placeError(missingRecord(reference, key), place);
      }
    }
    for (const restriction of this.#restrictions) yield* this.#judge(restriction);
  }

  #check(reference: Reference, key: RecordKey, { id, place }: Parameters<ReferenceWatch['storing']>[2]): void {
    if (this.#host.has(reference.target, key)) return;
    if (!this.#isDeferred) throw missingRecord(reference, key);
    this.#open.push({ reference, id, key, place });
  }

  *#followOne(reference: Reference, removed: ReadonlyMap<string, Removed>): ReferenceSteps {
    const limit = this.#limit - this.#followed + 1;
    const found = yield { ask: 'referring', reference, keys: keysOf(removed), limit };
    for (const id of found) {
      const key = this.#keyOf(reference, id);
      const cause = key === undefined ? undefined : removed.get(String(key));
      // The record was deleted meanwhile, or refers to another one.
      if (cause === undefined) continue;
      if (++this.#followed > this.#limit) throw cascadeTooLarge(this.#limit);
      this.#apply(reference, id, cause.write);
    }
  }

  #apply(reference: Reference, id: RecordKey, { by, place }: DeleteWrite): void {
    const { table, field, onDelete } = reference;
    if (onDelete === 'CASCADE') {
      this.#host.apply({ type: 'delete', table, id, by, place });
      return;
    }
    const cells = table.fields.map((other) => (other === field ? null : undefined));
    try {
      this.#host.apply({ type: 'patch', table, id, cells, by, place });
    } catch (error) {
      throw error instanceof AppError ? ruleBroken(reference, error) : error;
    }
  }

  *#judge({ reference, removed }: Restriction): ReferenceSteps {
    const keys = keysOf(removed);
    const found = yield { ask: 'referring', reference, keys, limit: MAX_COUNT + 1 };
    const holders = found.map((id) => this.#keyOf(reference, id)).filter((key) => key !== undefined);
    const restored = new Set<RecordKey>(
      holders.length === 0 ? [] : yield { ask: 'present', table: reference.target, keys },
    );
    const left = holders.filter((key) => removed.has(String(key)) && !restored.has(key));
    const [first] = left;
    if (first === undefined) return;
    const { write, isAsked } = removed.get(String(first)) as Removed;
    const count = left.filter((key) => key === first).length;
    throw placeError(stillReferred(reference, { count, max: MAX_COUNT, isAsked }), write.place);
  }

  /** Returns the key that a record refers to; undefined where there is no such record, or it has null. */
  #keyOf({ table, field }: Reference, id: RecordKey): RecordKey | undefined {
    const cell: Cell | undefined = this.#host.row(table, id)?.[table.fields.indexOf(field)];
    return cell === null || cell === undefined ? undefined : (cell as RecordKey);
  }
}

function keysOf(removed: ReadonlyMap<string, Removed>): RecordKey[] {
  return [...removed.values()].map(({ key }) => key);
}

function byTable(all: readonly Removed[]): ReadonlyMap<TablePlan, ReadonlyMap<string, Removed>> {
  const tables = new Map<TablePlan, Map<string, Removed>>();
  for (const removed of all) {
    const { table } = removed.write;
    const known = tables.get(table) ?? new Map<string, Removed>();
    tables.set(table, known.set(String(removed.key), removed));
  }
  return tables;
}

function byTarget(all: readonly OpenKey[]): ReadonlyMap<TablePlan, readonly OpenKey[]> {
  const tables = new Map<TablePlan, OpenKey[]>();
  for (const open of all) {
    const { target } = open.reference;
    const known = tables.get(target);
    if (known === undefined) tables.set(target, [open]);
    else known.push(open);
  }
  return tables;
}
