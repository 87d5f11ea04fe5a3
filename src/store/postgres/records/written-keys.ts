import type { TablePlan } from '../../../schema/plan.ts';
import { isBulk, type Write } from '../../rows/write.ts';
import type { RecordKey } from '../../store.ts';

/** Returns the keys of records that have to be read, by table. A record that is only created need not be. */
export function collectIds(writes: readonly Write[], all: boolean): Map<TablePlan, RecordKey[]> {
  const ids = new Map<TablePlan, Map<string, { readonly id: RecordKey; count: number; isRead: boolean }>>();
  for (const write of writes) {
    if (isBulk(write) || write.type === 'check-table' || write.id === null) continue;
    const isRead =
      write.type === 'publish' ? write.guard !== undefined || write.withRecord === true : write.type !== 'create';
    if (write.type === 'publish' && !isRead) continue;
    const ofTable = ids.get(write.table) ?? new Map();
    ids.set(write.table, ofTable);
    const known = ofTable.get(String(write.id));
    if (known === undefined) ofTable.set(String(write.id), { id: write.id, count: 1, isRead: isRead || all });
    else {
      known.count++;
      known.isRead = true;
    }
  }
  const read = new Map<TablePlan, RecordKey[]>();
  for (const [table, ofTable] of ids) {
    const wanted = [...ofTable.values()].filter(({ isRead }) => isRead).map(({ id }) => id);
    if (wanted.length > 0) read.set(table, wanted);
  }
  return read;
}

/** Returns the keys that the writes set, by table: their records are read together with those that are written. */
export function collectReferred(writes: readonly Write[]): ReadonlyMap<TablePlan, ReadonlySet<RecordKey>> {
  const keys = new Map<TablePlan, Set<RecordKey>>();
  for (const write of writes) {
    if (!('cells' in write)) continue;
    for (const { table, field, target } of write.table.references) {
      const cell = write.cells[table.fields.indexOf(field)] ?? null;
      if (cell === null || typeof cell === 'object') continue;
      keys.set(target, (keys.get(target) ?? new Set()).add(cell as RecordKey));
    }
  }
  return keys;
}
