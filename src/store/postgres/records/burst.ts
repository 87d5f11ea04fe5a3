import type { TablePlan } from '../../../schema/plan.ts';
import { OPS } from '../../rows/row.ts';
import type { Change } from '../../store.ts';
import type { PgStatement } from '../sql/params.ts';
import { toArray } from '../sql/types.ts';
import { type KeptOutcomes, saveOutcomes } from './idempotency.ts';
import type { NetChanges } from './overlay.ts';
import type { PgTable } from './table.ts';

/** Statements that write a commit, in one burst: no answer is waited for while the lock of the order is held. */
export class Burst {
  /** Number of seqs that it takes. */
  readonly count: number;
  readonly statements: PgStatement[] = [];
  changes: readonly Change[] = [];
  kept: readonly KeptOutcomes[] = [];
  #tableOf: (plan: TablePlan) => number = () => 0;

  constructor(count: number) {
    this.count = count;
  }

  /** True when there is nothing to write. */
  get isEmpty(): boolean {
    return this.statements.length === 0 && this.changes.length === 0;
  }

  add(...statements: readonly PgStatement[]): void {
    this.statements.push(...statements);
  }

  /**
   * Returns the statements that write the records of a table. `fresh`: records that change are removed and written anew, so
   * that unique values can be exchanged between them.
   */
  records(table: PgTable, { inserted, updated, deleted }: NetChanges, fresh = false): PgStatement[] {
    const hasExchange = fresh && table.plan !== undefined && updated.length > 1;
    const removed = hasExchange ? [...deleted, ...updated.map(({ row }) => row[table.keyIndex] ?? null)] : deleted;
    const written = hasExchange ? [...updated, ...inserted] : inserted;
    return [
      ...(removed.length === 0 ? [] : [table.delete(removed)]),
      ...(hasExchange || updated.length === 0 ? [] : [table.update(updated)]),
      ...(written.length === 0 ? [] : [table.insert(written)]),
    ];
  }

  log(changes: readonly Change[], tableOf: (plan: TablePlan) => number): void {
    this.changes = changes;
    this.#tableOf = tableOf;
  }

  keep(kept: readonly KeptOutcomes[], now: number): void {
    this.kept = kept;
    if (kept.length > 0) this.add(saveOutcomes(kept, now));
  }

  /**
   * Returns the statement that writes the entries of the log. `batch`: number by which the commit is found again, `version`:
   * number of this server's schema.
   */
  entries(batch: string, version: number): PgStatement {
    const { changes } = this;
    const base = "current_setting('tablecast.base')::bigint";
    const rows =
      'unnest($1::int[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::bigint[]) WITH ORDINALITY AS u(tbl, op, id, data, before, tx, n)';
    return {
      sql: `INSERT INTO log (seq, tbl, op, id, data, before, tx, batch, version) SELECT ${base} + u.n, u.tbl, u.op, u.id, u.data, u.before, ${base} - u.tx, $7::bigint, $8::int FROM ${rows}`,
      params: [
        toArray(changes.map(({ table }) => this.#tableOf(table))),
        toArray(changes.map(({ op }) => OPS.indexOf(op) + 1)),
        toArray(changes.map(({ id }) => (id === null ? null : String(id)))),
        // `data` of a delete is only the key, which the entry has already.
        toArray(changes.map(({ op, data }) => (op === 'delete' ? null : data))),
        toArray(changes.map(({ before }) => before)),
        toArray(changes.map(({ transaction }) => transaction ?? null)),
        batch,
        version,
      ],
    };
  }
}
