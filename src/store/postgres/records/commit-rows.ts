import type { FieldPlan, TablePlan } from '../../../schema/plan.ts';
import { isBulk } from '../../rows/write.ts';
import type { RecordKey } from '../../store.ts';
import type { PgRows, PgSession } from '../database/session.ts';
import type { PgStatement } from '../sql/params.ts';
import { Burst } from './burst.ts';
import type { CommitGroup, CommittedTable } from './commit.ts';
import { findOutcomes, type StoredOutcomes } from './idempotency.ts';
import type { OverlayTable } from './overlay.ts';
import { collectIds, collectReferred } from './written-keys.ts';

export const BEGIN: PgStatement = { sql: 'BEGIN', params: [] };

/** Statement that reads, and what is done with its rows. */
interface Read {
  readonly statement: PgStatement;
  take(rows: PgRows): void;
}

export interface CommitRowsOptions {
  readonly session: PgSession;
  readonly tables: ReadonlyMap<TablePlan, CommittedTable>;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** True to read every record and every unique value before. */
  readonly careful: boolean;
  /** Returns the rows of a table in memory. */
  overlayOf(plan: TablePlan): OverlayTable;
}

/** Records that a commit reads and locks in its transaction, which is opened with the first of them, into the overlays. */
export class CommitRows {
  /** True when a transaction is open. */
  isOpen = false;
  /** Outcomes that are stored under the keys of the groups. */
  readonly stored = new Map<string, StoredOutcomes>();
  readonly #options: CommitRowsOptions;
  readonly #holders: { readonly plan: TablePlan; readonly id: RecordKey; readonly cells: readonly unknown[] }[] = [];

  constructor(options: CommitRowsOptions) {
    this.#options = options;
  }

  tableOf(plan: TablePlan): CommittedTable {
    const table = this.#options.tables.get(plan);
    if (table === undefined) throw new Error(`The store was not opened with the table ${plan.name}.`);
    return table;
  }

  async begin(): Promise<void> {
    if (this.isOpen) return;
    this.isOpen = true;
    await this.#options.session.run(BEGIN);
  }

  /** Reads the records that the groups write, and the outcomes under their keys, in one round trip. */
  async read(groups: readonly CommitGroup[]): Promise<void> {
    const { session, overlayOf, careful } = this.#options;
    const writes = groups.flatMap((group) => ('once' in group ? group.writes : group));
    for (const { table } of writes) overlayOf(table);
    const keys = groups.flatMap((group) => ('once' in group ? [group.once.key] : []));
    const ids = collectIds(writes, careful);
    const hasBulk = writes.some(isBulk);
    const referred = collectReferred(writes);
    if (keys.length === 0 && ids.size === 0 && referred.size === 0 && !hasBulk) return;
    this.isOpen = true;
    const reads: Read[] = [];
    if (keys.length > 0) reads.push(this.#readOutcomes(keys));
    // In one order of tables in every commit, so that no two wait for each other.
    const ordered = [...ids].sort(([a], [b]) => this.tableOf(a).id - this.tableOf(b).id);
    for (const [plan, wanted] of ordered) reads.push(this.#readRecords(plan, wanted, 'lock'));
    for (const [plan, wanted] of referred) {
      const written = new Set(ids.get(plan));
      const others = [...wanted].filter((key) => !written.has(key));
      if (others.length > 0) reads.push(this.#readRecords(plan, others, 'share'));
    }
    const [, ...answers] = await session.burst([BEGIN, ...reads.map(({ statement }) => statement)]);
    for (const [index, { rows }] of answers.entries()) reads[index]?.take(rows);
  }

  async load(plan: TablePlan, ids: readonly RecordKey[], lock: 'lock' | 'share' = 'lock'): Promise<void> {
    const { statement, take } = this.#readRecords(plan, ids, lock);
    take((await this.#options.session.run(statement)).rows);
  }

  #readRecords(plan: TablePlan, ids: readonly RecordKey[], lock: 'lock' | 'share'): Read {
    const take = (rows: PgRows) => {
      this.#keep(plan, rows);
      const overlay = this.#options.overlayOf(plan);
      for (const id of ids) overlay.load(id, undefined);
    };
    return { statement: this.tableOf(plan).table[lock](ids), take };
  }

  /** Reads records and returns their keys. */
  async find(plan: TablePlan, statement: PgStatement): Promise<RecordKey[]> {
    return this.#keep(plan, (await this.#options.session.run(statement)).rows);
  }

  /** Puts records that were read into the overlay, and returns their keys. */
  #keep(plan: TablePlan, rows: PgRows): RecordKey[] {
    const { table } = this.tableOf(plan);
    const overlay = this.#options.overlayOf(plan);
    return rows.map((cells) => {
      const key = cells[table.keyIndex] as RecordKey;
      overlay.load(key, table.keep(cells));
      return key;
    });
  }

  /** Writes the records so far, with seqs that the burst replaces: a filter looks at the database. */
  async flush(overlays: Iterable<readonly [TablePlan, OverlayTable]>): Promise<void> {
    for (const [plan, overlay] of overlays) {
      const statements = new Burst(0).records(this.tableOf(plan).table, overlay.net(true));
      for (const statement of statements) await this.#options.session.run(statement);
      overlay.flushed();
    }
  }

  /** Reads the records that have unique values which the commit writes. True when there are any that were not read. */
  async readHolders(overlays: Iterable<readonly [TablePlan, OverlayTable]>): Promise<boolean> {
    for (const [plan, overlay] of overlays) {
      const { inserted, updated } = overlay.net();
      for (const unique of overlay.uniques) {
        const values = [...inserted, ...updated].flatMap(({ row }) => {
          const own = unique.valuesOf(row);
          return own === undefined ? [] : [own];
        });
        if (values.length > 0) await this.#readHoldersOf(plan, unique.fields, values);
      }
    }
    return this.#holders.length > 0;
  }

  /** Puts the records with unique values into the overlays, in which nothing was changed. */
  loadHolders(): void {
    for (const { plan, id, cells } of this.#holders) {
      this.#options.overlayOf(plan).load(id, this.tableOf(plan).table.keep(cells));
    }
  }

  async #readHoldersOf(
    plan: TablePlan,
    fields: readonly FieldPlan[],
    values: Parameters<CommittedTable['table']['lockHolders']>[1],
  ): Promise<void> {
    const { table } = this.tableOf(plan);
    const { rows } = await this.#options.session.run(table.lockHolders(fields, values));
    for (const cells of rows) this.#holders.push({ plan, id: cells[table.keyIndex] as RecordKey, cells });
  }

  #readOutcomes(keys: readonly string[]): Read {
    const take = (rows: PgRows) => {
      for (const [key, hash, base, outcomes] of rows as readonly [string, string, number, string][]) {
        this.stored.set(key, { hash, base, outcomes });
      }
    };
    return { statement: findOutcomes(keys, this.#options.now), take };
  }
}

/** Waits for all, also when one is rejected: a promise without a listener would end the process. */
export async function settleAll(sent: readonly Promise<unknown>[]): Promise<void> {
  const answers = await Promise.allSettled(sent);
  const failed = answers.find((answer) => answer.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
