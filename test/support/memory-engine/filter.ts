import {
  compilePredicate,
  type Filter,
  type JsonRecord,
  type RelatedTest,
  type SortKey,
} from '../../../src/query/index.ts';
import type { FieldPlan, RelationPlan, TablePlan } from '../../../src/schema/plan.ts';
import { toKeyCell } from '../../../src/store/rows/related.ts';
import type { Cell } from '../../../src/store/store.ts';
import type { MemoryDatabase } from './database.ts';
import type { MemoryTable, Row } from './table.ts';
import { cellToJson } from './values.ts';

/** A stored record, and where its related ones are. */
export interface Place {
  readonly table: MemoryTable;
  readonly row: Row;
  readonly database: MemoryDatabase;
}

/** True when the record meets the filter. */
export function matches(filter: Filter, place: Place): boolean {
  switch (filter.type) {
    case 'and':
      return filter.items.every((item) => matches(item, place));
    case 'or':
      return filter.items.some((item) => matches(item, place));
    case 'not':
      return !matches(filter.item, place);
    case 'related': {
      const { relation, item } = filter;
      const { database, table, row } = place;
      const target = database.table(relation.target);
      const start = row.cells[table.plan.fields.indexOf(relation.from ?? table.plan.primaryKey)] ?? null;
      const found = relatedRows(target, relation, start);
      return found.some((it) => item === undefined || matches(item, { table: target, row: it, database }));
    }
    default:
      return compilePredicate(filter)(recordOf(place));
  }
}

/** Decides on records that are related to one of a table; that one need not be stored. */
export function relatedTest(database: MemoryDatabase, { plan }: MemoryTable): RelatedTest {
  return ({ relation, item }, record) => {
    const target = database.table(relation.target);
    const field = relation.from ?? plan.primaryKey;
    const start = toKeyCell(record[field.name] ?? null, field.type);
    return relatedRows(target, relation, start).some(
      (row) => item === undefined || matches(item, { table: target, row, database }),
    );
  };
}

/** The records that a relation leads to, from the cell of its `from` field or, with `to`, from the record's key. */
export function relatedRows(target: MemoryTable, { from, to }: RelationPlan, start: Cell): Row[] {
  if (start === null) return [];
  if (from !== undefined) {
    const keys = from.type.kind === 'list' ? (JSON.parse(String(start)) as Cell[]) : [start];
    return keys.flatMap((key) => target.get(key) ?? []);
  }
  const place = target.plan.fields.indexOf(to as FieldPlan);
  return target.rows().filter(({ cells }) => {
    const cell = cells[place] ?? null;
    if (cell === null) return false;
    const keys = to?.type.kind === 'list' ? (JSON.parse(String(cell)) as Cell[]) : [cell];
    return keys.some((key) => key !== null && String(key) === String(start));
  });
}

const records = new WeakMap<Row, JsonRecord>();

/** With its hidden fields, which rules of access may look at. */
function recordOf({ table, row }: Place): JsonRecord {
  let record = records.get(row);
  if (record === undefined) {
    const members = table.plan.fields.map(
      ({ name, type }, place) => `${JSON.stringify(name)}:${cellToJson(type, row.cells[place] ?? null)}`,
    );
    record = JSON.parse(`{${members.join(',')}}`) as JsonRecord;
    records.set(row, record);
  }
  return record;
}

/** True when a database with the indexes of the schema finds the records without looking at all of them. */
export function isServed(filter: Filter, table: TablePlan): boolean {
  switch (filter.type) {
    case 'and':
      return filter.items.some((item) => isServed(item, table));
    case 'or':
      return filter.items.every((item) => isServed(item, table));
    case 'not':
      return false;
    case 'related':
      return filter.relation.from === undefined || isIndexed([filter.relation.from], table);
    case 'words':
      return filter.path.fields.length === 1 && filter.path.fields[0].fulltext;
    default: {
      const { fields } = filter.path;
      const isPrefix = filter.type !== 'text' || filter.op === 'starts';
      return isPrefix && fields.length === 1 && fields[0].type.kind !== 'list' && isIndexed(fields, table);
    }
  }
}

/** True when an index has the records in this order. */
export function isInOrder(sort: readonly SortKey[], table: TablePlan): boolean {
  const [first] = sort;
  if (first === undefined) return true;
  const isOneWay = sort.every(({ descending }) => descending === first.descending);
  return (
    isOneWay &&
    isIndexed(
      sort.map(({ field }) => field),
      table,
    )
  );
}

/** True when the fields are those with which an index begins. */
function isIndexed(fields: readonly FieldPlan[], { compositeIndexes }: TablePlan): boolean {
  const [first] = fields;
  if (first === undefined || first.primaryKey || first.unique) return true;
  if (fields.length === 1 && first.indexed) return true;
  return compositeIndexes.some((index) => fields.every((field, place) => index.fields[place] === field));
}
