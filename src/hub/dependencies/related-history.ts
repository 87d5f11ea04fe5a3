import { compilePredicate, type Filter, type RelatedTest } from '../../query/index.ts';
import type { FieldPlan, RelationPlan, TablePlan } from '../../schema/plan.ts';
import type { LogReader, RecordKey, RelatedReader } from '../../store/store.ts';
import { type ChangedRecord, type ChangeView, parseRecord } from '../change-view.ts';
import { keysOf, TooMuchRelatedError } from './keys.ts';
import { LaterChanges } from './later-changes.ts';

/** Bounds of the work for related records, by their names in `limits`. */
export interface RelatedLimits {
  /** Records that one value of a relation may lead to; beyond, only those are read that meet the condition. */
  readonly related: number;
  /** Records of a subscription's table that one change of another table may concern. */
  readonly relatedAffected: number;
  /** Changes of one table that are undone; beyond, the subscription gets its state again. */
  readonly relatedChanges: number;
}

const DEFAULT_LIMITS: RelatedLimits = { related: 1000, relatedAffected: 1000, relatedChanges: 5000 };

/** Thrown by a look at records that have to be read first. */
class NotLoadedError extends Error {}

/** Shared by all looks: a stack trace for each would cost more than the look. */
const NOT_LOADED = new NotLoadedError();

/** Counted for each value besides the text of its records. */
const VALUE_CHARS = 100;

type Rows = readonly ChangedRecord[];

/** Read of the records whose field has one of the values; with a filter only those that meet it. */
interface RelatedReading {
  readonly table: TablePlan;
  readonly field: FieldPlan;
  readonly filter: Filter | undefined;
  /** Rows by value; undefined where they are too many. */
  readonly rows: Map<RecordKey, Rows | undefined>;
  readonly missing: Set<RecordKey>;
}

/**
 * Records of an application as they were at any position from `from` on: what the store has now, with the later changes
 * undone. Looks are synchronous; what is not in memory is read in a batch, and `run` looks again.
 */
export class RelatedHistory {
  readonly limits: RelatedLimits;
  readonly #store: RelatedReader & LogReader;
  readonly #later: LaterChanges;
  readonly #readings = new Map<FieldPlan, Map<Filter | undefined, RelatedReading>>();
  readonly #tests = new Map<TablePlan, Map<number, RelatedTest>>();
  readonly #narrow = new Map<Filter, Filter | undefined>();
  readonly #seqs = new WeakMap<ChangedRecord, number>();
  /** Values of a field in rows that are looked through repeatedly. */
  readonly #values = new WeakMap<Rows, Map<FieldPlan, ReadonlySet<unknown>>>();
  #chars = 0;

  constructor(store: RelatedReader & LogReader, from: number, limits: RelatedLimits = DEFAULT_LIMITS) {
    this.limits = limits;
    this.#store = store;
    this.#later = new LaterChanges(store, from, limits.relatedChanges);
  }

  /** About the characters of JSON that are held. */
  get chars(): number {
    return this.#chars;
  }

  /** Begins anew at a later position, with all records of which no table was forgotten since. */
  advance(from: number): void {
    this.#later.advance(from);
    this.#tests.clear();
  }

  /** Forgets the records of a table: it has changed, and they are not those of positions after the change. */
  forget(table: TablePlan): void {
    this.#later.forget(table);
    for (const readings of this.#readings.values())
      for (const [filter, reading] of readings) if (reading.table === table) readings.delete(filter);
  }

  /** Reads the changes of tables that are not known yet. Rejects with TooMuchRelatedError. */
  async refresh(tables: readonly TablePlan[]): Promise<void> {
    for (const table of tables) await this.#later.load(table);
  }

  /** Returns the changes of a table after `from`, as far as they were read. */
  changesOf(table: TablePlan): readonly ChangeView[] {
    return [...this.#later.of(table).values()].flat();
  }

  /** Returns the seq of a record's last change; undefined for one that has changed since. */
  seqOf(record: ChangedRecord): number | undefined {
    return this.#seqs.get(record);
  }

  /** Returns the result of `use`, which does nothing but look; it is called again when something had to be read. */
  async run<T>(use: () => T): Promise<T> {
    for (;;) {
      try {
        return use();
      } catch (error) {
        if (!(error instanceof NotLoadedError)) throw error;
      }
      await this.#load();
    }
  }

  /** Calls `look` for each item, so that what they all need is read at once. */
  each<T>(items: Iterable<T>, look: (item: T) => void): void {
    let isLoaded = true;
    for (const item of items) {
      try {
        look(item);
      } catch (error) {
        if (!(error instanceof NotLoadedError)) throw error;
        isLoaded = false;
      }
    }
    if (!isLoaded) throw NOT_LOADED;
  }

  /** Test of the records that were related at a position to one of `table`. */
  testAt(table: TablePlan, at: number): RelatedTest {
    const tests = this.#tests.get(table) ?? new Map<number, RelatedTest>();
    this.#tests.set(table, tests);
    let test = tests.get(at);
    if (test === undefined) {
      test = ({ relation, item }, record) => {
        const rows = this.related(relation, record, { table, at, filter: item });
        if (item === undefined) return rows.length > 0;
        if (item.type === 'compare' && item.op === 'eq' && isPlain(item.path.fields)) {
          return this.#has(rows, item.path.fields[0], item.value);
        }
        const matches = compilePredicate(item);
        const inner = this.testAt(relation.target, at);
        let found = false;
        this.each(rows, (row) => {
          found ||= matches(row, inner);
        });
        return found;
      };
      tests.set(at, test);
    }
    return test;
  }

  /** Test of a record of `table` as it and the related ones were at a position. */
  filterAt(filter: Filter, table: TablePlan, at: number): (record: ChangedRecord) => boolean {
    const matches = compilePredicate(filter);
    const test = this.testAt(table, at);
    return (record) => matches(record, test);
  }

  /** Returns the records to which a relation of a record of `table` led; with many of them perhaps only those that meet the filter. */
  related(
    { from, to, target }: RelationPlan,
    record: ChangedRecord,
    { table, at, filter }: { readonly table: TablePlan; readonly at: number; readonly filter?: Filter | undefined },
  ): Rows {
    const keys = keysOf(record[(from ?? table.primaryKey).name]);
    const field = from === undefined ? (to as FieldPlan) : target.primaryKey;
    if (keys.length === 1) return this.recordsBy(target, field, { value: keys[0] as RecordKey, at, filter });
    const found: ChangedRecord[] = [];
    this.each(keys, (value) => void found.push(...this.recordsBy(target, field, { value, at, filter })));
    return found;
  }

  /** Returns the records whose field had the value, in no certain order. */
  recordsBy(
    table: TablePlan,
    field: FieldPlan,
    { value, at, filter }: { readonly value: RecordKey; readonly at: number; readonly filter?: Filter | undefined },
  ): Rows {
    const rows = this.#rowsOf(this.#reading(table, field, undefined), value);
    if (rows !== undefined) return this.#later.undo(rows, { table, field, value, at });
    const narrow = filter && this.#narrowed(filter);
    if (narrow === undefined) throw new TooMuchRelatedError();
    const few = this.#rowsOf(this.#reading(table, field, narrow), value);
    if (few === undefined) throw new TooMuchRelatedError();
    const test = compilePredicate(narrow);
    return this.#later.undo(few, { table, field, value, at }).filter((row) => test(row));
  }

  /** Returns `leavesOf` the filter, the same object each time: readings are found by it. */
  #narrowed(filter: Filter): Filter | undefined {
    if (!this.#narrow.has(filter)) this.#narrow.set(filter, leavesOf(filter));
    return this.#narrow.get(filter);
  }

  #has(rows: Rows, field: FieldPlan, value: unknown): boolean {
    const byField = this.#values.get(rows) ?? new Map<FieldPlan, ReadonlySet<unknown>>();
    this.#values.set(rows, byField);
    let values = byField.get(field);
    if (values === undefined) {
      values = new Set(rows.map((row) => row[field.name]));
      byField.set(field, values);
    }
    return values.has(value);
  }

  #rowsOf(reading: RelatedReading, value: RecordKey): Rows | undefined {
    if (!reading.rows.has(value)) {
      reading.missing.add(value);
      throw NOT_LOADED;
    }
    return reading.rows.get(value);
  }

  #reading(table: TablePlan, field: FieldPlan, filter: Filter | undefined): RelatedReading {
    const readings = this.#readings.get(field) ?? new Map<Filter | undefined, RelatedReading>();
    this.#readings.set(field, readings);
    let reading = readings.get(filter);
    if (reading === undefined) {
      reading = { table, field, filter, rows: new Map(), missing: new Set() };
      readings.set(filter, reading);
    }
    return reading;
  }

  async #load(): Promise<void> {
    const tables = new Set<TablePlan>();
    for (const readings of this.#readings.values()) {
      for (const reading of readings.values()) {
        if (reading.missing.size === 0) continue;
        tables.add(reading.table);
        await this.#read(reading, [...reading.missing]);
        reading.missing.clear();
      }
    }
    // Afterwards, so that every change is known that the records may have in them already.
    for (const table of tables) await this.#later.load(table);
  }

  async #read(reading: RelatedReading, values: readonly RecordKey[]): Promise<void> {
    const { table, field, filter, rows } = reading;
    const limit = this.limits.related + 1;
    const found = await this.#store.recordsBy(table, { field, values, filter, limit });
    if (found.length === limit) {
      const [only] = values;
      if (values.length === 1 && only !== undefined) rows.set(only, undefined);
      else for (const value of values) await this.#read(reading, [value]);
      return;
    }
    const byValue = new Map<RecordKey, ChangedRecord[]>(values.map((value) => [value, []]));
    for (const { json, seq } of found) {
      const record = parseRecord(json);
      this.#seqs.set(record, seq);
      this.#chars += json.length;
      for (const key of keysOf(record[field.name])) byValue.get(key)?.push(record);
    }
    for (const [value, records] of byValue) rows.set(value, records);
    this.#chars += VALUE_CHARS * values.length;
  }
}

/** True for one field whose JSON values are compared as they are. */
function isPlain([field, ...more]: readonly FieldPlan[]): boolean {
  const { kind } = field?.type ?? { kind: 'list' };
  const isLong = field?.type.kind === 'scalar' && field.type.name === 'Long';
  return more.length === 0 && (kind === 'scalar' || kind === 'enum') && !isLong;
}

/** Returns a part of the filter that looks at the record alone, which every record meets that meets the filter. */
function leavesOf(filter: Filter): Filter | undefined {
  if (filter.type !== 'and') return isLeaf(filter) ? filter : undefined;
  const items = filter.items.filter(isLeaf);
  return items.length === 0 ? undefined : { type: 'and', items };
}

function isLeaf(filter: Filter): boolean {
  if (filter.type === 'and' || filter.type === 'or') return filter.items.every(isLeaf);
  return filter.type === 'not' ? isLeaf(filter.item) : filter.type !== 'related';
}
