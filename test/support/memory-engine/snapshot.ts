import { compilePredicate, type JsonRecord } from '../../../src/query/index.ts';
import { keyOf } from '../../../src/schema/migration/stored.ts';
import type { TablePlan } from '../../../src/schema/plan.ts';
import type { SnapshotPage, SnapshotRecord, StoreSnapshot } from '../../../src/store/engine.ts';
import { RowCodec } from '../../../src/store/rows/codec.ts';
import type { MemoryDatabase } from './database.ts';
import { compareCells } from './values.ts';

/** Copies the rows of all tables: they are never changed in place. */
export function takeSnapshot(database: MemoryDatabase): StoreSnapshot {
  const rows = new Map([...database.tables()].map((table) => [keyOf(table.plan), table.rows()]));
  const read = (table: TablePlan, { filter, after, limit }: SnapshotPage): SnapshotRecord[] => {
    const codec = new RowCodec(table.fields.map((field) => ({ ...field, hidden: false })));
    const key = table.fields.indexOf(table.primaryKey);
    const matches = filter === undefined ? () => true : compilePredicate(filter);
    return (rows.get(keyOf(table)) ?? [])
      .map(({ cells }) => ({ id: cells[key] as SnapshotRecord['id'], json: codec.toJson(cells) }))
      .filter(
        ({ id, json }) =>
          (after === undefined || compareCells(id, after) > 0) && matches(JSON.parse(json) as JsonRecord),
      )
      .slice(0, limit);
  };
  const logs = new Map([...database.tables()].map((table) => [keyOf(table.plan), [...table.log]]));
  const floors = new Map([...database.tables()].map((one) => [keyOf(one.plan), Math.max(one.logStart, one.layoutSeq)]));
  return {
    resumeFloor: (table) => floors.get(keyOf(table)) ?? 0,
    readLog: (table, after, limit) =>
      (logs.get(keyOf(table)) ?? [])
        .filter(({ seq }) => seq > after)
        .slice(0, limit)
        .map((entry) => ({ ...entry, table })),
    position: database.last,
    page: read,
    count: (table, filter) => read(table, { filter, after: undefined, limit: Number.POSITIVE_INFINITY }).length,
    close: () => {},
  };
}
