import { createHash } from 'node:crypto';
import type { StoredTable } from '../../../schema/migration/stored.ts';
import type { Plan, TablePlan } from '../../../schema/plan.ts';
import type { ExternalWrites } from '../../store.ts';
import type { PgAddress } from '../database/address.ts';
import type { PgSession } from '../database/session.ts';
import { literal, quote, recordsName, recordsTable, tableKey } from '../sql/names.ts';
import { createShaped } from './checks.ts';
import { createCommitFunction, createCommitTrigger } from './commit.ts';
import { createLogFunction } from './entries.ts';
import { createTriggerFunction, ExternalNames } from './names.ts';
import { createRowFunction, createTimeOf, setDefaults } from './rows.ts';
import { createWords } from './words.ts';

/** Key in `meta` of what is installed. */
const KEY = 'external';
const PREFIX = 'tablecast';
/** True for a session that is not one of a server, which sets this at its start. */
const IS_FOREIGN = "coalesce(current_setting('tablecast.writer', true), '') = ''";
const REFUSED = 'external_writes in config.yaml refuses writes of other programs';

const DEFAULTS: ExternalWrites = { mode: 'publish', maxRecords: 100_000, maxKeyLength: 1024 };

/** Hashes of what is installed: of all functions, and of the defaults and triggers of each table. */
interface Installed {
  readonly functions: string;
  readonly tables: Readonly<Record<string, string>>;
}

/** Schema for which triggers are made. */
export interface TriggerSchema {
  /** Its number. */
  readonly version: number;
  /** Tables that have left it, which servers with an earlier schema still serve. */
  readonly kept: readonly StoredTable[];
}

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

  /** True when all functions, and the triggers of every table, are those of the plan, its number, and the settings. */
  async isCurrent(version: number): Promise<boolean> {
    const names = await this.#names();
    const installed = await this.#installed();
    if (installed.functions !== hashOf(this.#functions(names, { version, kept: [] }))) return false;
    const count = Object.keys(installed.tables).length;
    return count === this.#tables.length && (await this.#outdated(installed, names)).length === 0;
  }

  /** Makes all again, in the open transaction. No other server may use the tables. */
  async install(version: number): Promise<void> {
    const names = await this.#names();
    const functions = this.#functions(names, { version, kept: [] });
    await this.#drop(undefined);
    await this.#create(functions, names);
    const tables: Record<string, string> = {};
    for (const table of this.#tables) {
      const statements = this.#ofTable(table, names);
      await this.#session.script(statements.join(';\n'));
      tables[tableKey(table)] = hashOf(statements);
    }
    await this.#save({ functions: hashOf(functions), tables });
  }

  /**
   * Makes the functions again, in the open transaction and beside other servers: no table is locked for it. A transaction of
   * another program that is under way may use those of before and these.
   */
  async replaceFunctions(schema: TriggerSchema): Promise<void> {
    const names = await this.#names();
    const functions = this.#functions(names, schema);
    const installed = await this.#installed();
    const functionsHash = hashOf(functions);
    if (installed.functions === functionsHash) return;
    await this.#create(functions, names);
    await this.#save({ ...installed, functions: functionsHash });
  }

  /** Returns the tables whose defaults and triggers are not those of the plan and the settings. */
  async outdated(): Promise<readonly TablePlan[]> {
    return this.#outdated(await this.#installed(), await this.#names());
  }

  /** Makes the defaults and triggers of a table again, in the open transaction, which locks the table. */
  async renew(table: TablePlan): Promise<void> {
    const statements = this.#ofTable(table, await this.#names());
    await this.#drop(table);
    await this.#session.script(statements.join(';\n'));
    const { functions, tables } = await this.#installed();
    await this.#save({ functions, tables: { ...tables, [tableKey(table)]: hashOf(statements) } });
  }

  async #installed(): Promise<Installed> {
    const { rows } = await this.#session.send('SELECT value FROM meta WHERE key = $1', [KEY]);
    const text = rows[0]?.[0] as string | undefined;
    // Before servers with several schemas made triggers, the value was a hash.
    return text?.startsWith('{') ? (JSON.parse(text) as Installed) : { functions: '', tables: {} };
  }

  async #save(installed: Installed): Promise<void> {
    await this.#session.send(
      'INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
      [KEY, JSON.stringify(installed)],
    );
  }

  async #outdated({ tables }: Installed, names: ExternalNames): Promise<readonly TablePlan[]> {
    const { rows } = await this.#session.send(
      "SELECT relname, count(*), count(*) FILTER (WHERE tgenabled = 'O') FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = tgrelid WHERE relnamespace = current_schema()::regnamespace AND tgname LIKE $1 GROUP BY 1",
      [`${PREFIX} %`],
    );
    const found = new Map(rows.map(([name, count, enabled]) => [name, count === enabled ? count : undefined]));
    const wanted = this.#options.mode === 'publish' ? 5 : 1;
    return this.#tables.filter(
      (table) =>
        tables[tableKey(table)] !== hashOf(this.#ofTable(table, names)) || found.get(recordsTable(table)) !== wanted,
    );
  }

  /** Removes the triggers of one table; undefined: of all tables, also of those that have left the plan. */
  async #drop(table: TablePlan | undefined): Promise<void> {
    const { rows } = await this.#session.send(
      'SELECT tgname, relname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = tgrelid WHERE relnamespace = current_schema()::regnamespace AND tgname LIKE $1 AND relname = coalesce($2, relname)',
      [`${PREFIX} %`, table === undefined ? null : recordsTable(table)],
    );
    for (const [name, relation] of rows) {
      await this.#session.script(`DROP TRIGGER ${quote(String(name))} ON ${quote(String(relation))}`);
    }
  }

  async #create(functions: readonly string[], names: ExternalNames): Promise<void> {
    await this.#session.script(functions.join(';\n'));
    if (this.#options.mode === 'refuse') return;
    const { rows } = await this.#session.send(
      "SELECT 1 FROM pg_trigger WHERE tgrelid = 'pending_tx'::regclass AND tgname = 'publish'",
    );
    if (rows.length === 0) await this.#session.script(createCommitTrigger(names));
  }

  async #names(): Promise<ExternalNames> {
    const { rows } = await this.#session.send('SELECT name, id FROM tables');
    return new ExternalNames(this.#address.schema, new Map(rows as unknown as [string, number][]));
  }

  #functions(names: ExternalNames, { version, kept }: TriggerSchema): readonly string[] {
    const tables = this.#tables;
    const { mode, maxRecords, maxKeyLength } = this.#options;
    if (mode === 'refuse') return [createRefusal(names)];
    return [
      createShaped(names),
      createTimeOf(names),
      ...(tables.some(({ fields }) => fields.some(({ fulltext }) => fulltext)) ? [createWords(names)] : []),
      createCommitFunction(tables, names, { schema: this.#address.schema, maxRecords, kept }),
      ...tables.flatMap((table) => [
        createRowFunction(table, names, maxKeyLength),
        createLogFunction(table, names, { maxRecords, version }),
      ]),
    ];
  }

  #ofTable(table: TablePlan, names: ExternalNames): readonly string[] {
    if (this.#options.mode === 'refuse') return [refuseAll(table, names)];
    return [setDefaults(table), ...createTriggers(table, names)];
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
