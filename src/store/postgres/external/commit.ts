import type { StoredTable } from '../../../schema/migration/stored.ts';
import type { FieldType, Reference, TablePlan } from '../../../schema/plan.ts';
import { ACTOR_TYPES, auditName } from '../../audit.ts';
import { literal, quote, recordsName, type StoredName } from '../sql/names.ts';
import { sqlType } from '../sql/types.ts';
import { keyCast, refuseLarge } from './entries.ts';
import { createTriggerFunction, type ExternalNames, trusted } from './names.ts';

const OWN = 'FROM pending WHERE xid = NEW.xid';

interface CommitSettings {
  readonly schema: string;
  readonly maxRecords: number;
  /** Tables that have left the plan, which servers with an earlier schema still serve. */
  readonly kept: readonly StoredTable[];
}

/**
 * Returns the function that runs when a transaction of another program commits: it takes the lock of the order, moves the
 * changes to the log as one transaction, gives the records their seqs, and notifies the servers. NOTIFY also makes
 * PostgreSQL refuse to prepare the transaction: a prepared one would hold the lock.
 */
export function createCommitFunction(
  tables: readonly TablePlan[],
  names: ExternalNames,
  { schema, maxRecords, kept }: CommitSettings,
): string {
  const body = `DECLARE total bigint; start bigint; table_id int;
BEGIN
  DELETE FROM pending_tx WHERE xid = NEW.xid;
  SELECT count(*) INTO total ${OWN};
  IF total = 0 THEN RETURN NULL; END IF;
  IF total > ${maxRecords} THEN ${refuseLarge(maxRecords)}; END IF;
  ${eachTable(tables, names, (table) => checkReferences(table, names))}
  SELECT base INTO start FROM take(total, NULL);
  INSERT INTO log (seq, tbl, op, id, data, before, batch, tx, version)
    SELECT start + row_number() OVER (ORDER BY n), tbl, op, id, data, before, start, CASE WHEN total > 1 THEN start + total END, coalesce(version, 0) ${OWN};
  ${logAudit([...tables.filter(({ audited }) => audited), ...kept], names)}
  ${eachTable(tables, names, (table) => [setSeqs(table, table.primaryKey, names)])}
  ${eachTable(kept, names, (table) => [setSeqs(table, keyColumn(table), names)])}
  DELETE ${OWN};
  PERFORM pg_notify(${literal(schema)}, 'sql ' || (start + total));
  RETURN NULL;
END`;
  return createTriggerFunction(names.own('publish_pending'), body, `${trusted(names)} SET tablecast.writer = 'commit'`);
}

/** Returns the trigger that calls the function at the commit. It needs a lock on `pending_tx`: it is made where there is none yet. */
export function createCommitTrigger(names: ExternalNames): string {
  const name = names.own('publish_pending');
  return `CREATE CONSTRAINT TRIGGER publish AFTER INSERT ON ${names.own('pending_tx')} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ${name}()`;
}

/** Returns a loop over the tables that the transaction has changed. */
function eachTable<T extends StoredName>(
  tables: readonly T[],
  names: ExternalNames,
  statementsOf: (table: T) => readonly string[],
): string {
  const cases = tables.flatMap((table) => {
    const statements = statementsOf(table);
    return statements.length === 0 ? [] : [`WHEN ${names.idOf(table)} THEN ${statements.join(' ')}`];
  });
  if (cases.length === 0) return '';
  return `FOR table_id IN SELECT DISTINCT tbl ${OWN} ORDER BY tbl LOOP CASE table_id ${cases.join(' ')} ELSE NULL; END CASE; END LOOP;`;
}

/** Returns statements that refuse references without a record: those of changed records, and those to deleted ones. */
function checkReferences(table: TablePlan, names: ExternalNames): string[] {
  const own = keysOf(table, names);
  return [
    ...table.references.flatMap((reference) => [
      lockTargets(reference, own),
      refuseDangling(reference, `c.${quote(table.primaryKey.name)} IN (${own})`),
    ]),
    ...table.referrers.map((reference) => {
      const removed = keysOf(table, names, keyCast(reference));
      return refuseDangling(
        reference,
        `c.${quote(reference.field.name)}${keyCast(reference)} IN (${removed} AND op <> 1)`,
      );
    }),
  ];
}

/** Returns a query for the keys of the changed records of a table. */
function keysOf(table: TablePlan, names: ExternalNames, cast = ''): string {
  const type = cast === '' ? sqlType(table.primaryKey.type) : 'text';
  return `SELECT id::${type} ${OWN} AND tbl = ${names.idOf(table)}`;
}

/** Keeps others from deleting the records that changed ones refer to. */
function lockTargets({ table, field, target, ...reference }: Reference, own: string): string {
  const cast = keyCast({ table, field, target, ...reference });
  const referred = `SELECT c.${quote(field.name)}${cast} FROM ${recordsName(table)} AS c WHERE c.${quote(table.primaryKey.name)} IN (${own})`;
  return `PERFORM 1 FROM ${recordsName(target)} AS t WHERE t.${quote(target.primaryKey.name)}${cast} IN (${referred}) FOR KEY SHARE;`;
}

function refuseDangling(reference: Reference, where: string): string {
  const { table, field, target } = reference;
  const cast = keyCast(reference);
  const found = `SELECT 1 FROM ${recordsName(target)} AS t WHERE t.${quote(target.primaryKey.name)}${cast} = c.${quote(field.name)}${cast}`;
  const dangling = `SELECT 1 FROM ${recordsName(table)} AS c WHERE ${where} AND c.${quote(field.name)} IS NOT NULL AND NOT EXISTS (${found})`;
  const message = literal(`${table.name}.${field.name} must be the key of a record of ${target.name}.`);
  return `IF EXISTS (${dangling}) THEN RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation', MESSAGE = ${message}; END IF;`;
}

/** Gives the records the seqs of their last changes. */
function setSeqs(
  table: StoredName,
  primaryKey: { readonly name: string; readonly type: FieldType },
  names: ExternalNames,
): string {
  const key = quote(primaryKey.name);
  const entries = `SELECT id::${sqlType(primaryKey.type)} AS id, max(seq) AS seq FROM log WHERE tbl = ${names.idOf(table)} AND seq > start AND seq <= start + total GROUP BY 1`;
  return `UPDATE ${recordsName(table)} AS t SET _seq = e.seq FROM (${entries}) AS e WHERE t.${key} = e.id;`;
}

/** Returns the key of a table that has left the plan. */
function keyColumn({ primaryKey, columns }: StoredTable) {
  const column = columns.find(({ name }) => name === primaryKey);
  return { name: primaryKey, type: (column?.type ?? { kind: 'scalar', name: 'ID' }) as FieldType };
}

function logAudit(tables: readonly StoredName[], names: ExternalNames): string {
  if (tables.length === 0) return '';
  const name = tables.map((table) => `WHEN ${names.idOf(table)} THEN ${literal(auditName(table))}`);
  const actor = ACTOR_TYPES.indexOf('database');
  return `INSERT INTO audit (seq, op, tbl, id, actor, sub, changes)
    SELECT start + place, op - 1, CASE tbl ${name.join(' ')} END, id, ${actor}, session_user, changes
    FROM (SELECT *, row_number() OVER (ORDER BY n) AS place ${OWN}) AS p WHERE changes IS NOT NULL;`;
}
