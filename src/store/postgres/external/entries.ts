import type { FieldPlan, Reference, TablePlan } from '../../../schema/plan.ts';
import { joinMembers, jsonMember, jsonValue } from '../sql/json.ts';
import { literal, quote, recordsName } from '../sql/names.ts';
import { sqlType } from '../sql/types.ts';
import { createTriggerFunction, type ExternalNames, trusted } from './names.ts';
import { differ, differs } from './rows.ts';

const XID = 'pg_current_xact_id()';
/** Columns of an entry, which the statements below select. */
const COLUMNS = 'xid, version, tbl, op, id, data, before, changes';

export interface LogFunctionOptions {
  readonly maxRecords: number;
  /** Number of the schema whose fields the entries have. */
  readonly version: number;
}

/**
 * Returns the function of the triggers after each statement of another program, and before its TRUNCATE: it notes the
 * changes until the transaction commits, and follows references to deleted records.
 */
export function createLogFunction(
  table: TablePlan,
  names: ExternalNames,
  { maxRecords, version }: LogFunctionOptions,
): string {
  const source = `${XID}, ${version}, ${names.idOf(table)}`;
  const from = (rows: string) => deletions(table, source, rows);
  const body = `DECLARE changed bigint; BEGIN
  IF TG_OP = 'INSERT' THEN
    ${insertions(table, source)};
    GET DIAGNOSTICS changed = ROW_COUNT;
  ELSIF TG_OP = 'UPDATE' THEN
    ${updates(table, source)};
    GET DIAGNOSTICS changed = ROW_COUNT;
  ELSIF TG_OP = 'DELETE' THEN
    ${from('old_rows')};
    GET DIAGNOSTICS changed = ROW_COUNT;
    ${followReferences(table, 'old_rows')}
  ELSE
    ${from(recordsName(table))};
    GET DIAGNOSTICS changed = ROW_COUNT;
    ${followReferences(table, recordsName(table))}
  END IF;
  IF changed > ${maxRecords} THEN ${refuseLarge(maxRecords)}; END IF;
  IF changed > 0 THEN INSERT INTO pending_tx VALUES (${XID}) ON CONFLICT DO NOTHING; END IF;
  RETURN NULL;
END`;
  return createTriggerFunction(names.functionOf(table, 'log'), body, trusted(names));
}

/** Returns the statement that refuses a transaction with more changes than the log takes. */
export function refuseLarge(maxRecords: number): string {
  const message = `a transaction of another program may change ${maxRecords} records at most (10 times limits.bulk)`;
  const hint = 'Change fewer records in each transaction.';
  return `RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded', MESSAGE = ${literal(message)}, HINT = ${literal(hint)}`;
}

function insertions(table: TablePlan, source: string): string {
  const key = `n.${quote(table.primaryKey.name)}::text`;
  const changes = table.audited ? changesOf(table.fields, undefined, 'n') : 'NULL';
  return `INSERT INTO pending (${COLUMNS}) SELECT ${source}, 1, ${key}, ${recordOf(table, 'n')}, NULL, ${changes} FROM new_rows AS n`;
}

function deletions(table: TablePlan, source: string, rows: string): string {
  const key = `o.${quote(table.primaryKey.name)}::text`;
  const changes = table.audited ? changesOf(table.fields, 'o', undefined) : 'NULL';
  return `INSERT INTO pending (${COLUMNS}) SELECT ${source}, 3, ${key}, NULL, ${recordOf(table, 'o')}, ${changes} FROM ${rows} AS o`;
}

/** A record whose key changes is another record: one is deleted, and one created. */
function updates(table: TablePlan, source: string): string {
  const { fields, primaryKey, audited } = table;
  const old = `o.${quote(primaryKey.name)}`;
  const now = `n.${quote(primaryKey.name)}`;
  const which = (created: string, deleted: string, updated: string) =>
    `CASE WHEN ${old} IS NULL THEN ${created} WHEN ${now} IS NULL THEN ${deleted} ELSE ${updated} END`;
  const part = fields
    .filter(({ hidden }) => !hidden)
    .map((field) => `CASE WHEN ${differs(field, 'o', 'n')} THEN ${jsonMember(field, 'o')} END`);
  const cells = [
    source,
    which('1', '3', '2'),
    `coalesce(${now}, ${old})::text`,
    `CASE WHEN ${now} IS NOT NULL THEN ${recordOf(table, 'n')} END`,
    which('NULL', recordOf(table, 'o'), joinMembers(part, true)),
    audited ? changesOf(fields, 'o', 'n') : 'NULL',
  ];
  return `INSERT INTO pending (${COLUMNS}) SELECT ${cells.join(', ')} FROM old_rows AS o FULL JOIN new_rows AS n ON ${old} = ${now} WHERE ${old} IS NULL OR ${now} IS NULL OR ${differ(fields, 'o', 'n')} ORDER BY ${old} IS NULL`;
}

/** Returns the expression of a record's JSON text, as the server writes it. */
function recordOf({ fields }: TablePlan, alias: string): string {
  const members = fields.filter(({ hidden }) => !hidden).map((field) => jsonMember(field, alias));
  return joinMembers(members, false);
}

/** Returns the expression of the changes in the form of the audit log. */
function changesOf(fields: readonly FieldPlan[], before: string | undefined, after: string | undefined): string {
  const jsonOf = ({ name, type }: FieldPlan, alias: string | undefined) =>
    alias === undefined ? `'null'` : jsonValue(type, `${alias}.${quote(name)}`);
  const parts = fields.map((field) => {
    const values = field.hidden
      ? `'"hidden":true'`
      : `'"before":' || ${jsonOf(field, before)} || ',"after":' || ${jsonOf(field, after)}`;
    const only = before ?? after;
    const isChanged =
      before !== undefined && after !== undefined
        ? differs(field, before, after)
        : `${only}.${quote(field.name)} IS NOT NULL`;
    return `CASE WHEN ${isChanged} THEN '"${field.name}":{' || ${values} || '}' END`;
  });
  return joinMembers(parts, true);
}

/** Returns the statements that delete or change the records which refer to deleted ones. Others are refused at the commit. */
function followReferences({ referrers }: TablePlan, rows: string): string {
  return referrers
    .map((reference) => {
      const { target, onDelete } = reference;
      const field = quote(reference.field.name);
      const records = recordsName(reference.table);
      const cast = keyCast(reference);
      const isReferring = `WHERE ${field}${cast} IN (SELECT o.${quote(target.primaryKey.name)}${cast} FROM ${rows} AS o)`;
      if (onDelete === 'CASCADE') return `DELETE FROM ${records} ${isReferring};`;
      return onDelete === 'SET_NULL' ? `UPDATE ${records} SET ${field} = NULL ${isReferring};` : '';
    })
    .join(' ');
}

/** Returns the cast that makes a reference and the key of its target comparable. */
export function keyCast({ field, target }: Reference): string {
  return sqlType(field.type) === sqlType(target.primaryKey.type) ? '' : '::text';
}
