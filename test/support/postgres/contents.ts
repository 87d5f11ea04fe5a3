import type { StoredContents } from '../../suites/migration/harness.ts';
import { onConnection, type RunSql } from './server.ts';

/** Returns the tables, columns and indexes of a schema as they are made, and every row of every table. */
export function schemaContents(schema: string): Promise<StoredContents> {
  return onConnection((run) => contentsOf(schema, run));
}

async function contentsOf(schema: string, run: RunSql): Promise<StoredContents> {
  const tables = await run('SELECT tablename AS name FROM pg_tables WHERE schemaname = $1 ORDER BY 1', [schema]);
  const columns = await run(
    `SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default FROM information_schema.columns
    WHERE table_schema = $1 ORDER BY table_name, column_name`,
    [schema],
  );
  const indexes = await run(
    `SELECT replace(indexdef, quote_ident(schemaname) || '.', '') AS sql FROM pg_indexes WHERE schemaname = $1 ORDER BY indexname`,
    [schema],
  );
  const rows: unknown[] = [];
  for (const { name } of tables) {
    const from = `"${schema}"."${String(name)}"`;
    rows.push([name, await run(`SELECT t::text AS row FROM ${from} AS t ORDER BY 1`)]);
  }
  return { objects: { tables, columns, indexes }, rows };
}
