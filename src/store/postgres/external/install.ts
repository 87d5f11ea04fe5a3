import { createHash } from 'node:crypto';
import type { Plan, TablePlan } from '../../../schema/plan.ts';
import type { ExternalWrites } from '../../store.ts';
import type { PgAddress } from '../database/address.ts';
import type { PgSession } from '../database/session.ts';
import { literal, quote, recordsName } from '../sql/names.ts';
import { createShaped } from './checks.ts';
import { createCommitFunction } from './commit.ts';
import { createLogFunction } from './entries.ts';
import { createTriggerFunction, ExternalNames } from './names.ts';
import { createRowFunction, createTimeOf, setDefaults } from './rows.ts';
import { createWords } from './words.ts';

/** Key in `meta` of the hash of what is installed. */
const KEY = 'external';
const PREFIX = 'tablecast';
/** True for a session that is not one of a server, which sets this at its start. */
const IS_FOREIGN = "coalesce(current_setting('tablecast.writer', true), '') = ''";
const REFUSED = 'external_writes in config.yaml refuses writes of other programs';

const DEFAULTS: ExternalWrites = { mode: 'publish', maxRecords: 100_000, maxKeyLength: 1024 };

/** Triggers for the writes of other programs: they pay for them, the server's own do not. */
export class ExternalTriggers {
  readonly #session: PgSession;
  readonly #tables: readonly TablePlan[];
  readonly #address: PgAddress;
  readonly #options: ExternalWrites;

  constructor(session: PgSession, { tables }: Plan, address: PgAddress, options = DEFAULTS) {
    this.#session = session;
    this.#tables = tables;
    this.#address = address;
    this.#options = options;
  }

  /** True when the triggers of every table are those of the plan, its number, and the settings. */
  async isCurrent(version: number): Promise<boolean> {
    const session = this.#session;
    const { rows } = await session.send('SELECT value FROM meta WHERE key = $1', [KEY]);
    if (rows[0] === undefined || rows[0][0] !== hashOf(await this.#statements(version))) return false;
    const found = await session.send(
      "SELECT count(*), count(*) FILTER (WHERE tgenabled = 'O') FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = tgrelid WHERE relnamespace = current_schema()::regnamespace AND tgname LIKE $1",
      [`${PREFIX} %`],
    );
    const wanted = this.#tables.length * (this.#options.mode === 'publish' ? 5 : 1);
    return found.rows[0]?.[0] === wanted && found.rows[0]?.[1] === wanted;
  }

  /** Makes the triggers again, in the open transaction. No other server may use the tables. */
  async install(version: number): Promise<void> {
    const session = this.#session;
    const statements = await this.#statements(version);
    for (const sql of [...(await this.#drops()), ...statements]) await session.script(sql);
    await session.send('INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value', [
      KEY,
      hashOf(statements),
    ]);
  }

  /** Returns the statements that remove the triggers of all tables, also of those that have left the plan. */
  async #drops(): Promise<string[]> {
    const { rows } = await this.#session.send(
      'SELECT tgname, relname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = tgrelid WHERE relnamespace = current_schema()::regnamespace AND tgname LIKE $1',
      [`${PREFIX} %`],
    );
    return rows.map(([name, table]) => `DROP TRIGGER ${quote(String(name))} ON ${quote(String(table))}`);
  }

  async #statements(version: number): Promise<readonly string[]> {
    const { rows } = await this.#session.send('SELECT name, id FROM tables');
    const names = new ExternalNames(this.#address.schema, new Map(rows as unknown as [string, number][]));
    const tables = this.#tables;
    if (this.#options.mode === 'refuse')
      return [createRefusal(names), ...tables.map((table) => refuseAll(table, names))];
    const { maxRecords, maxKeyLength } = this.#options;
    return [
      createShaped(names),
      createTimeOf(names),
      ...(tables.some(({ fields }) => fields.some(({ fulltext }) => fulltext)) ? [createWords(names)] : []),
      createCommitFunction(tables, names, { schema: this.#address.schema, maxRecords, version }),
      ...tables.flatMap((table) => [
        setDefaults(table),
        createRowFunction(table, names, maxKeyLength),
        createLogFunction(table, names, maxRecords),
        ...createTriggers(table, names),
      ]),
    ];
  }
}

function createTriggers(table: TablePlan, names: ExternalNames): string[] {
  const on = `ON ${recordsName(table)}`;
  const when = `WHEN (${IS_FOREIGN}) EXECUTE FUNCTION`;
  const row = `${names.functionOf(table, 'row')}()`;
  const log = `${names.functionOf(table, 'log')}()`;
  return [
    `CREATE TRIGGER "${PREFIX} row" BEFORE INSERT OR UPDATE ${on} FOR EACH ROW ${when} ${row}`,
    `CREATE TRIGGER "${PREFIX} insert" AFTER INSERT ${on} REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT ${when} ${log}`,
    `CREATE TRIGGER "${PREFIX} update" AFTER UPDATE ${on} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT ${when} ${log}`,
    `CREATE TRIGGER "${PREFIX} delete" AFTER DELETE ${on} REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT ${when} ${log}`,
    `CREATE TRIGGER "${PREFIX} truncate" BEFORE TRUNCATE ${on} FOR EACH STATEMENT ${when} ${log}`,
  ];
}

function createRefusal(names: ExternalNames): string {
  const body = `BEGIN RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = ${literal(REFUSED)}; END`;
  return createTriggerFunction(names.own('refuse_writes'), body);
}

function refuseAll(table: TablePlan, names: ExternalNames): string {
  const events = 'INSERT OR UPDATE OR DELETE OR TRUNCATE';
  return `CREATE TRIGGER "${PREFIX} refuse" BEFORE ${events} ON ${recordsName(table)} FOR EACH STATEMENT WHEN (${IS_FOREIGN}) EXECUTE FUNCTION ${names.own('refuse_writes')}()`;
}

function hashOf(statements: readonly string[]): string {
  return createHash('sha256').update(statements.join('\n')).digest('hex');
}
