import { auditName } from '../../audit.ts';
import { renameTableInKey } from '../../idempotency-key.ts';
import { type ChangedFields, changedFields, renameEntry } from '../../migration/rename-entry.ts';
import { OPS } from '../../rows/row.ts';
import type { PgSession } from '../database/session.ts';
import {
  expiryIndexName,
  indexName,
  primaryKeyName,
  quote,
  recordsName,
  tableKey,
  wordsColumn,
  wordsIndexName,
} from '../sql/names.ts';
import { literal, toArray } from '../sql/types.ts';
import type { RowMapping } from './mapping.ts';
import { scan } from './scan.ts';

/** Renames the table of records, its columns and indexes in place. Values are not copied. */
export async function renameRecords(session: PgSession, source: RowMapping): Promise<void> {
  const { stored, table, from } = source;
  const records = recordsName(table);
  if (from !== records) await session.script(`ALTER TABLE ${from} RENAME TO ${records}`);
  const key = primaryKeyName(stored);
  if (key !== primaryKeyName(table)) {
    await session.script(`ALTER TABLE ${records} RENAME CONSTRAINT ${quote(key)} TO ${quote(primaryKeyName(table))}`);
  }
  for (const [old, now] of columnNames(source)) {
    await session.script(`ALTER TABLE ${records} RENAME COLUMN ${quote(old)} TO ${quote(now)}`);
  }
  for (const [old, now] of indexNames(source)) {
    await session.script(`ALTER INDEX IF EXISTS ${quote(old)} RENAME TO ${quote(now)}`);
  }
}

/** Renames the table and its fields in the log, in the audit log, and in the keys of requests that may be repeated. */
export async function renameInHistory(session: PgSession, source: RowMapping): Promise<void> {
  const { stored, table } = source;
  const names = [tableKey(stored), tableKey(table)] as const;
  if (names[0] !== names[1]) {
    // A dropped table has left its position under this name. It stays, so that none of its log is issued again.
    await session.send("UPDATE tables SET name = name || ':' || id WHERE name = $1", [names[1]]);
    await session.send('UPDATE tables SET name = $2 WHERE name = $1', names);
  }
  if (auditName(stored) !== auditName(table)) {
    await session.send('UPDATE audit SET tbl = $2 WHERE tbl = $1', [auditName(stored), auditName(table)]);
  }
  if (stored.name !== table.name) await renameKeys(session, stored.name, table.name);
  const changed = changedFields(table, (field) => source.storedOf(field));
  if (changed.size > 0) await rewriteLog(session, names[1], changed);
}

type NewName = readonly [old: string, now: string];

/** Returns the columns that get another name, also those with the words of a field. */
function columnNames(source: RowMapping): NewName[] {
  return source.table.fields.flatMap((field): NewName[] => {
    const column = source.storedOf(field);
    if (column === undefined || column.name === field.name) return [];
    const words: NewName[] = column.fulltext ? [[wordsColumn(column), wordsColumn(field)]] : [];
    return [[column.name, field.name], ...words];
  });
}

/** Returns the indexes that get another name: the names of table and fields are in it. */
function indexNames(source: RowMapping): NewName[] {
  const { stored, table } = source;
  const fields = new Map(table.fields.map((field) => [source.storedOf(field)?.name, field.name]));
  const nameOf = (column: string) => fields.get(column) ?? column;
  const names: NewName[] = [[expiryIndexName(stored), expiryIndexName(table)]];
  for (const { name, indexed, unique, fulltext } of stored.columns) {
    const now = { name: nameOf(name) };
    if (indexed || unique) names.push([indexName(stored, [name]), indexName(table, [now.name])]);
    if (fulltext) names.push([wordsIndexName(stored, { name }), wordsIndexName(table, now)]);
  }
  for (const index of stored.compositeIndexes ?? []) {
    names.push([indexName(stored, index.fields), indexName(table, index.fields.map(nameOf))]);
  }
  return names.filter(([old, now]) => old !== now);
}

async function renameKeys(session: PgSession, from: string, to: string): Promise<void> {
  const query = `SELECT key FROM once WHERE strpos(key, ${literal(JSON.stringify(from))}) > 0`;
  for await (const rows of scan(session, query)) {
    const names = rows.map(([key]): NewName => [key as string, renameTableInKey(key as string, from, to)]);
    const changed = names.filter(([old, now]) => old !== now);
    const [old, now] = [0, 1].map((at) => toArray(changed.map((name) => name[at] as string))) as [string, string];
    // A dropped table may have left keys under this name.
    await session.send('DELETE FROM once WHERE key = ANY($1::text[])', [now]);
    const renamed = 'unnest($1::text[], $2::text[]) AS u(old, now)';
    await session.send(`UPDATE once SET key = u.now FROM ${renamed} WHERE key = u.old`, [old, now]);
  }
}

/**
 * Gives the fields in the entries of the log their new names, for flows and hooks that have not handled them yet.
 * Subscribers receive the full state again, since the records that they hold have the old names.
 */
async function rewriteLog(session: PgSession, name: string, changed: ChangedFields): Promise<void> {
  const { rows } = await session.send('SELECT id FROM tables WHERE name = $1', [name]);
  const publish = OPS.indexOf('publish') + 1;
  const query = `SELECT seq, CASE op WHEN ${publish} THEN NULL ELSE data END, before FROM log WHERE tbl = ${Number(rows[0]?.[0])}`;
  const rewrite = (text: unknown) => (typeof text === 'string' ? renameEntry(text, changed) : null);
  for await (const entries of scan(session, query)) {
    await session.send(
      `UPDATE log SET data = coalesce(u.data, log.data), before = u.before
      FROM unnest($1::bigint[], $2::text[], $3::text[]) AS u(seq, data, before) WHERE log.seq = u.seq`,
      [
        toArray(entries.map(([seq]) => seq as number)),
        toArray(entries.map(([, data]) => rewrite(data))),
        toArray(entries.map(([, , before]) => rewrite(before))),
      ],
    );
  }
}
