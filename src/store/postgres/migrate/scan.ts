import { randomUUID } from 'node:crypto';
import type { StoredTable } from '../../../schema/migration/stored.ts';
import type { Cell } from '../../store.ts';
import type { PgSession } from '../database/session.ts';
import { quote, recordsName } from '../sql/names.ts';
import type { StoredRow } from './mapping.ts';

/** Rows that are in memory at once. */
const PAGE_ROWS = 1000;

/** Reads the rows of a stored table page by page, in the order of the keys, in the open transaction. */
export async function* scanRows(
  session: PgSession,
  stored: StoredTable,
  where = 'true',
): AsyncGenerator<readonly StoredRow[]> {
  const cursor = `scan_${randomUUID().replaceAll('-', '_')}`;
  const columns = stored.columns.map(({ name }) => quote(name));
  const order = quote(stored.primaryKey);
  await session.script(
    `DECLARE ${cursor} CURSOR FOR SELECT ${[...columns, '_seq'].join(', ')} FROM ${recordsName(stored)} WHERE ${where} ORDER BY ${order}`,
  );
  for (;;) {
    const { rows } = await session.send(`FETCH ${PAGE_ROWS} FROM ${cursor}`);
    if (rows.length > 0) {
      yield rows.map((row) => ({ cells: row.slice(0, -1) as Cell[], seq: row.at(-1) as number }));
    }
    if (rows.length < PAGE_ROWS) break;
  }
  await session.script(`CLOSE ${cursor}`);
}
