import { randomUUID } from 'node:crypto';
import type { StoredTable } from '../../../schema/migration/stored.ts';
import type { Cell } from '../../store.ts';
import type { PgRows, PgSession } from '../database/session.ts';
import { quote, recordsName } from '../sql/names.ts';
import type { StoredRow } from './mapping.ts';

/** Rows that are in memory at once. */
const PAGE_ROWS = 1000;

/** Reads the rows of a query without parameters page by page, as they were at its beginning, in the open transaction. */
export async function* scan(session: PgSession, query: string): AsyncGenerator<PgRows> {
  const cursor = `scan_${randomUUID().replaceAll('-', '_')}`;
  await session.script(`DECLARE ${cursor} CURSOR FOR ${query}`);
  for (;;) {
    const { rows } = await session.send(`FETCH ${PAGE_ROWS} FROM ${cursor}`);
    if (rows.length > 0) yield rows;
    if (rows.length < PAGE_ROWS) break;
  }
  await session.script(`CLOSE ${cursor}`);
}

/** Reads the rows of a stored table page by page, in the order of the keys, in the open transaction. */
export async function* scanRows(
  session: PgSession,
  stored: StoredTable,
  where = 'true',
): AsyncGenerator<readonly StoredRow[]> {
  const columns = [...stored.columns.map(({ name }) => quote(name)), '_seq'].join(', ');
  const query = `SELECT ${columns} FROM ${recordsName(stored)} WHERE ${where} ORDER BY ${quote(stored.primaryKey)}`;
  for await (const rows of scan(session, query)) {
    yield rows.map((row) => ({ cells: row.slice(0, -1) as Cell[], seq: row.at(-1) as number }));
  }
}
