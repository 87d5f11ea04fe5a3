import type { Id, Rec, Row } from '../grid/segment.ts';
import { ask, newKey } from '../state/http.ts';
import type { Table } from '../state/schema.ts';
import { canTakeBackMany } from './bulk-undo.ts';
import { discard } from './drafts.ts';
import { remember, rememberMany } from './undo.ts';
import { writable } from './values.ts';

/** Keys in one request: fewer than `limits.filter_values` allows, and an address that is not too long. */
const BATCH = 50;

/** Deletes records by their keys, each batch whole or not at all. Returns how many were there. */
export async function removeRows(app: string, table: Table, rows: readonly Row[]): Promise<number> {
  let removed = 0;
  const gone: (readonly [Id, Rec])[] = [];
  const positions: number[] = [];
  const path = encodeURIComponent(table.name);
  try {
    for (let at = 0; at < rows.length; at += BATCH) {
      const batch = rows.slice(at, at + BATCH);
      const keys = batch.map(({ id }) => encodeURIComponent(JSON.stringify(String(id)))).join(',');
      const condition = `${table.key}[in]=${keys}`;
      // Rows may be without some of their fields. Where the log cannot be read, what it would say is read before.
      const whole = canTakeBackMany() ? [] : (await ask<readonly Rec[]>(app, `${path}?${condition}`)).data;
      const { data, headers } = await ask<{ changed: number }>(app, `${path}?${condition}`, {
        method: 'DELETE',
        headers: { 'idempotency-key': newKey() },
      });
      removed += data.changed;
      if (data.changed > 0) positions.push(Number(headers.get('x-position')));
      for (const record of whole) gone.push([record[table.key] as Id, writable(table, record)]);
      for (const { id } of batch) discard(app, table.name, id);
    }
  } finally {
    if (gone.length > 0) remember({ kind: 'delete', app, table: table.name, records: gone });
    else rememberMany(app, table.name, positions);
  }
  return removed;
}
