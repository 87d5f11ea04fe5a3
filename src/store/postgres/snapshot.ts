import type { Filter } from '../../query/index.ts';
import { planMigration } from '../../schema/migration/diff.ts';
import type { Plan, TablePlan } from '../../schema/plan.ts';
import type { SnapshotPage, SnapshotRecord, StoreSnapshot } from '../engine.ts';
import { StoreOpenError } from '../open-errors.ts';
import { RowCodec } from '../rows/codec.ts';
import type { Cell, Change } from '../store.ts';
import { type PgAddress, shownAddress } from './database/address.ts';
import { describeOpenError } from './database/errors.ts';
import { PgSession } from './database/session.ts';
import { EntryCompletion, type LogRow } from './log/completion.ts';
import { newestPosition, toChange } from './log/log.ts';
import { readStored } from './migrate/saved.ts';
import { PlainWords } from './records/words.ts';
import { compileFilter } from './sql/condition.ts';
import { compileCount } from './sql/list.ts';
import { quote, recordsName, tableKey } from './sql/names.ts';
import { Params } from './sql/params.ts';
import { sqlType } from './sql/types.ts';

/** Opens a snapshot of the store on a connection of its own; undefined where there is none. Throws StoreOpenError. */
export async function openPostgresSnapshot(plan: Plan, address: PgAddress): Promise<StoreSnapshot | undefined> {
  let session: PgSession | undefined;
  try {
    session = await PgSession.connect(address);
    const { rows } = await session.send("SELECT to_regclass('meta') IS NOT NULL AND to_regclass('tables') IS NOT NULL");
    // The first read begins the snapshot, which lasts until the connection is closed, also while its reader pauses.
    await session.script(
      'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0',
    );
    const stored = rows[0]?.[0] === 1 ? await readStored(session) : undefined;
    if (stored === undefined) {
      await session.close();
      return undefined;
    }
    const isOther = planMigration(stored, plan).some(({ type }) => type !== 'keep-table' && !type.endsWith('conflict'));
    if (isOther) {
      const advice = 'Start the server with it, or run: tablecast migrate apply';
      throw new StoreOpenError(`The schema is not as stored in ${shownAddress(address)}. ${advice}`);
    }
    return new PgSnapshot(session, await newestPosition(session));
  } catch (error) {
    await session?.close();
    throw describeOpenError(address, error);
  }
}

const ALIAS = 't';

class PgSnapshot implements StoreSnapshot {
  readonly position: number;
  readonly #session: PgSession;
  readonly #words: PlainWords;
  readonly #codecs = new Map<TablePlan, RowCodec>();

  constructor(session: PgSession, position: number) {
    this.#session = session;
    this.position = position;
    this.#words = new PlainWords(async (_table, statement) => (await session.run(statement)).rows);
  }

  async page(table: TablePlan, { filter, after, limit }: SnapshotPage): Promise<readonly SnapshotRecord[]> {
    const { primaryKey, fields } = table;
    const key = `${ALIAS}.${quote(primaryKey.name)}`;
    const params = new Params();
    const conditions = ['true'];
    if (filter !== undefined) {
      conditions.push(compileFilter(await this.#words.filter(filter, table), { alias: ALIAS, table }, params));
    }
    if (after !== undefined) conditions.push(`${key} > ${params.bind(after, sqlType(primaryKey.type))}`);
    const columns = fields.map(({ name }) => `${ALIAS}.${quote(name)}`).join(', ');
    const { rows } = await this.#session.send(
      `SELECT ${columns} FROM ${recordsName(table)} AS ${ALIAS} WHERE ${conditions.join(' AND ')} ORDER BY ${key} LIMIT ${limit}`,
      params.values,
    );
    const keyIndex = fields.indexOf(primaryKey);
    const codec = this.#codecOf(table);
    return rows.map((row) => ({ id: row[keyIndex] as SnapshotRecord['id'], json: codec.toJson(row as Cell[]) }));
  }

  async count(table: TablePlan, filter: Filter | undefined): Promise<number> {
    const plain = filter && (await this.#words.filter(filter, table));
    const { rows } = await this.#session.run(compileCount(plain, table));
    return Number(rows[0]?.[0]);
  }

  async resumeFloor(table: TablePlan): Promise<number> {
    const { rows } = await this.#session.send('SELECT greatest(floor, shape) FROM tables WHERE name = $1', [
      tableKey(table),
    ]);
    return Number(rows[0]?.[0] ?? 0);
  }

  async readLog(table: TablePlan, after: number, limit: number): Promise<readonly Change[]> {
    const { rows: stored } = await this.#session.send('SELECT id, grown FROM tables WHERE name = $1', [
      tableKey(table),
    ]);
    const [id, grown] = (stored[0] ?? [0, 0]) as [number, number];
    const { rows } = await this.#session.send(
      'SELECT seq, op, id, data, before, tx, version FROM log WHERE tbl = $1 AND seq > $2 ORDER BY seq LIMIT $3',
      [id, after, limit],
    );
    const entries = await new EntryCompletion(table, { id, grown }, this.#session).complete(
      rows as unknown as LogRow[],
    );
    return entries.map((row) => toChange(table, row));
  }

  async close(): Promise<void> {
    await this.#session.close();
  }

  #codecOf(table: TablePlan): RowCodec {
    let codec = this.#codecs.get(table);
    if (codec === undefined) {
      codec = new RowCodec(table.fields.map((field) => ({ ...field, hidden: false })));
      this.#codecs.set(table, codec);
    }
    return codec;
  }
}
