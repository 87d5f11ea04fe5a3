import type { MigrationStep } from '../../../schema/migration/diff.ts';
import { describeTable, type StoredTable } from '../../../schema/migration/stored.ts';
import type { TablePlan } from '../../../schema/plan.ts';
import type { PgAddress } from '../database/address.ts';
import { lockNumber } from '../database/address.ts';
import type { Layout } from '../database/layout.ts';

/** Returns the tables of records, log and outcomes, besides those of the plan. */
export function recordsLayout(address: PgAddress): Layout {
  const first = FIRST.replaceAll('$order', lockNumber(address, 'order'));
  return { part: 'records', steps: [first, SECOND, THIRD, FOURTH, FIFTH] };
}

/**
 * `tables`: number, and position after which the log of a table is complete, also of tables that have left the schema.
 * `log`: one for all tables, so that one order is over all of them. `log_seq` moves under the lock of the order only, so
 * seq order is commit order. `tx`: mark of the transaction of a change that was not made alone. `take` is called in the last burst of a commit; the lock is held until that is committed.
 */
const FIRST = `
CREATE TABLE tables (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE, floor bigint NOT NULL,
  shape bigint NOT NULL DEFAULT 0
);
CREATE TABLE log (
  seq bigint NOT NULL PRIMARY KEY, tbl int NOT NULL, op smallint NOT NULL, id text COLLATE "C",
  data text COLLATE "C", before text COLLATE "C", batch bigint NOT NULL, tx bigint
);
CREATE INDEX log_tbl_seq ON log (tbl, seq);
CREATE SEQUENCE log_seq AS bigint;
CREATE TABLE gaps (after bigint NOT NULL PRIMARY KEY, before bigint NOT NULL);
CREATE SEQUENCE once_n_seq AS bigint;
CREATE TABLE once (
  key text COLLATE "C" PRIMARY KEY, n bigint NOT NULL, hash text COLLATE "C" NOT NULL,
  expires bigint NOT NULL, base bigint NOT NULL, outcomes text COLLATE "C" NOT NULL
);
CREATE INDEX once_n ON once (n);
CREATE INDEX once_expires ON once (expires);
CREATE TABLE audit (
  seq bigint PRIMARY KEY, op smallint NOT NULL, tbl text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL,
  actor smallint NOT NULL, sub text COLLATE "C", roles text, api_key text COLLATE "C", changes text COLLATE "C" NOT NULL
);
CREATE INDEX audit_id ON audit (id, seq);
CREATE INDEX audit_sub ON audit (sub, seq) WHERE sub IS NOT NULL;
CREATE FUNCTION require(ok boolean) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
  IF NOT ok THEN RAISE EXCEPTION 'changed meanwhile' USING ERRCODE = '40001'; END IF;
END $$;
CREATE FUNCTION take(n bigint, at bigint, OUT prev bigint, OUT base bigint) LANGUAGE plpgsql AS $$ BEGIN
  PERFORM pg_advisory_xact_lock($order);
  SELECT last_value INTO prev FROM log_seq;
  base := greatest(prev, coalesce(at, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) - 1);
  PERFORM setval('log_seq', base + n);
  PERFORM set_config('tablecast.base', base::text, true);
END $$;
`;

/** `leases`: tasks that one server has at a time, by the clock of the database. `runs`: those that have begun at a planned time. */
const SECOND = `
CREATE TABLE leases (
  name text COLLATE "C" PRIMARY KEY, node text COLLATE "C" NOT NULL, fence bigint NOT NULL, until timestamptz NOT NULL,
  kept bigint
);
CREATE TABLE runs (name text COLLATE "C" NOT NULL, at bigint NOT NULL, PRIMARY KEY (name, at));
`;

/**
 * `log.version`: number of the schema of the server that has written the entry. `tables.grown`: number of the schema that has
 * added fields while servers with an earlier one were running: their entries lack these fields.
 */
const THIRD = `
ALTER TABLE log ADD COLUMN version int;
ALTER TABLE tables ADD COLUMN grown int NOT NULL DEFAULT 0;
`;

/**
 * `pending`: changes of transactions of other programs until these commit. Unlogged: a transaction that is under way is gone
 * after a crash, and its changes with it.
 */
const FOURTH = `
CREATE UNLOGGED TABLE pending (
  xid xid8 NOT NULL, n bigint GENERATED ALWAYS AS IDENTITY, tbl int NOT NULL, op smallint NOT NULL,
  id text COLLATE "C" NOT NULL, data text COLLATE "C", before text COLLATE "C", changes text COLLATE "C",
  PRIMARY KEY (xid, n)
);
CREATE UNLOGGED TABLE pending_tx (xid xid8 PRIMARY KEY);
`;

/** \`pending.version\`: number of the schema whose fields the change has, since a schema may grow before its transaction commits. */
const FIFTH = 'ALTER TABLE pending ADD COLUMN version int';

/**
 * True when the steps change stored records or the rights to them without entries in the log: a client that resumed from
 * an earlier position would miss that, and receive changes in the form of an earlier schema.
 */
export function changesLayout(stored: StoredTable, table: TablePlan, steps: readonly MigrationStep[]): boolean {
  if (stored.rights !== describeTable(table).rights) return true;
  // A field in another case is the same column, and another property of the record.
  const before = new Set(visibleOf(stored.columns));
  const now = visibleOf(table.fields);
  return before.size !== now.length || now.some((name) => !before.has(name)) || steps.some(isConverting);
}

function visibleOf(fields: readonly { readonly name: string; readonly hidden?: boolean }[]): readonly string[] {
  return fields.filter(({ hidden }) => hidden !== true).map(({ name }) => name);
}

function isConverting({ type }: MigrationStep): boolean {
  return type === 'change-type' || type === 'recompute' || type === 'rename-values';
}
