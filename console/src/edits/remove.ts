import type { Id, Rec, Row } from '../grid/segment.ts';
import { ask, newKey } from '../state/http.ts';
import type { Table } from '../state/schema.ts';
import { discard } from './drafts.ts';
import { remember } from './undo.ts';

/** Keys in one request: fewer than `limits.filter_values` allows, and an address that is not too long. */
const BATCH = 50;

/** Deletes records by their keys, each batch whole or not at all. Returns how many were there. */
export async function removeRows(app: string, table: Table, rows: readonly Row[]): Promise<number> {
  let removed = 0;
  const gone: (readonly [Id, Rec])[] = [];
  try {
    for (let at = 0; at < rows.length; at += BATCH) {
      const batch = rows.slice(at, at + BATCH);
      const keys = batch.map(({ id }) => encodeURIComponent(JSON.stringify(String(id)))).join(',');
      const { data } = await ask<{ changed: number }>(
        app,
        `${encodeURIComponent(table.name)}?${table.key}[in]=${keys}`,
        {
          method: 'DELETE',
          headers: { 'idempotency-key': newKey() },
        },
      );
      removed += data.changed;
      for (const { id, record } of batch) {
        gone.push([id, writable(table, record)]);
        discard(app, table.name, id);
      }
    }
  } finally {
    if (gone.length > 0) remember({ kind: 'delete', app, table: table.name, records: gone });
  }
  return removed;
}

/** Record without what the server sets by itself. */
export function writable(table: Table, record: Rec): Rec {
  const allowed = new Set(table.fields.filter(({ readOnly }) => !readOnly).map(({ name }) => name));
  return Object.fromEntries(Object.entries(record).filter(([name, value]) => allowed.has(name) && value !== undefined));
}
