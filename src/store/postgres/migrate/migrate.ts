import { conflictsWithRunning } from '../../../schema/migration/additive.ts';
import {
  describeStored,
  type MigrationStep,
  planMigration,
  type StoredSchema,
  stepName,
} from '../../../schema/migration/diff.ts';
import { matchSchema } from '../../../schema/migration/renames.ts';
import type { Plan, TablePlan } from '../../../schema/plan.ts';
import type { MigrationPreview } from '../../engine.ts';
import { type AssessedStep, judge, type MigrationCheck, namesOf, previewSteps } from '../../migration/check.ts';
import { describeRefusal } from '../../migration/report.ts';
import { MigrationRefusedError, StoreOpenError } from '../../open-errors.ts';
import type { Allowance, StoreOptions } from '../../store.ts';
import { type PgAddress, shownAddress } from '../database/address.ts';
import { describeOpenError } from '../database/errors.ts';
import { prepareLayout } from '../database/layout.ts';
import { SchemaLock } from '../database/schema-lock.ts';
import { PgSession } from '../database/session.ts';
import { ExternalTriggers } from '../external/install.ts';
import { changesLayout, recordsLayout } from '../log/layout.ts';
import { newestPosition } from '../log/log.ts';
import { MAX_NAME_BYTES, tableKey } from '../sql/names.ts';
import { changeTable, createTable, dropTable, renewWords } from './apply.ts';
import { checkRemovedTable, checkTableConflict, countRecords, hasRecords, runCheck } from './checks.ts';
import { checkDangling } from './dangling.ts';
import { type Expansion, expand, keptTables, removePending } from './expand.ts';
import { RowMapping } from './mapping.ts';
import { inTransaction, patiently } from './patience.ts';
import { renameInHistory } from './rename.ts';
import { readStored, saveStored } from './saved.ts';
import { readVersion, saveVersion, schemaKey } from './versions.ts';

/** Milliseconds that a migration waits for a table that another program uses. */
const LOCK_TIMEOUT_MS = 10_000;

const NO_TRIGGERS =
  'writes of other programs to some tables are treated as before, since a transaction that does not end keeps these tables from being changed. End it, and start a server again';

export interface MigrationTarget {
  readonly plan: Plan;
  readonly address: PgAddress;
  readonly clock: (() => number) | undefined;
  /** Milliseconds that a start which changes tables waits for other servers that end. */
  readonly maxClaimMs: number;
}

type PgMigrateOptions = Pick<StoreOptions, 'allowDestructive' | 'externalWrites' | 'onNotice' | 'onWarning'>;

/**
 * Migrates the database to the plan in one transaction, which is made as a whole or not at all. Beside servers with another
 * schema it only adds what they need not know. Returns the number of the plan's schema. Throws MigrationRefusedError when the
 * plan does not fit what is stored, and StoreOpenError when other servers run that could not go on; then nothing was changed.
 */
export async function migrate(session: PgSession, target: MigrationTarget, options: PgMigrateOptions): Promise<number> {
  const lock = new SchemaLock(session, target.address);
  checkNames(target.plan);
  let version = 0;
  await lock.duringStart(async () => {
    version = await migrateInTurn(session, lock, target, options);
  });
  return version;
}

async function migrateInTurn(
  session: PgSession,
  lock: SchemaLock,
  target: MigrationTarget,
  options: PgMigrateOptions,
): Promise<number> {
  const { plan, address } = target;
  await prepareLayout(session, address, recordsLayout(address));
  const stored = await readStored(session);
  const steps = planMigration(stored, plan, { dropTables: namesOf(options.allowDestructive) });
  const gone = new Set(steps.flatMap((step) => ('stored' in step && step.type !== 'keep-table' ? [step.stored] : [])));
  const kept = stored && { ...stored, tables: stored.tables.filter((table) => !gone.has(table)) };
  const wanted = describeStored(plan, kept);
  const migration = new Migration(session, target, stored);
  let assessed: readonly AssessedStep[] = steps.map((step) => ({ step, check: undefined }));
  const isChanged = JSON.stringify(stored) !== JSON.stringify(wanted) || steps.some(isConflict);
  const schema = schemaKey(plan);
  const known = await readVersion(session, schema);
  const triggers = new ExternalTriggers(session, plan, address, options.externalWrites);
  const hasTriggers = !isChanged && known !== undefined && (await triggers.isCurrent(known));
  const isAlone = await lock.claim(hasTriggers ? 0 : target.maxClaimMs);
  if (isChanged && !isAlone && stored !== undefined) {
    if (known !== undefined) {
      options.onNotice?.('start beside servers with a later schema, and leave the tables as they are');
      return known;
    }
    const conflicts = conflictsWithRunning(stored, plan, steps);
    if (conflicts.length > 0) throw await lock.refusal(conflicts);
    const expanded = await migration.expand(steps, { wanted, schema, triggers, allowed: options.allowDestructive });
    await renewTriggers(session, address, { triggers, options });
    for (const { step, check } of expanded.assessed) await report(session, step, check, options);
    options.onNotice?.('servers with the earlier schema go on beside this one');
    return expanded.version;
  }
  await session.script(
    `BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`,
  );
  try {
    if (isChanged) {
      await removePending(session);
      assessed = await migration.assess(steps);
      const { refusal } = await migration.decide(assessed, options.allowDestructive);
      if (refusal !== undefined) throw new MigrationRefusedError(refusal);
      await migration.run(assessed);
      await saveStored(session, wanted);
    }
    const renewed = isAlone ? await renewWords(session, isChanged ? [] : migration.sources()) : [];
    const isNew = isChanged || known === undefined;
    const version = isNew ? await saveVersion(session, schema, { alone: isChanged }) : known;
    if (isAlone && !(hasTriggers && renewed.length === 0)) await triggers.install(version);
    await session.script('COMMIT');
    if (!isAlone && !hasTriggers) {
      await inTransaction(session, () => triggers.replaceFunctions({ version, kept: keptTables(steps) }));
      await renewTriggers(session, address, { triggers, options });
    }
    for (const { step, check } of assessed) await report(session, step, check, options);
    for (const { name } of renewed) {
      options.onNotice?.(`make the index of the words in ${name} anew, since this version of Node knows other letters`);
    }
    return version;
  } catch (error) {
    await session.script('ROLLBACK').catch(() => {});
    throw error;
  }
}

/** Makes the triggers for writes of other programs again where they are others, beside servers that run: one table after the other. */
async function renewTriggers(
  session: PgSession,
  address: PgAddress,
  { triggers, options }: { readonly triggers: ExternalTriggers; readonly options: PgMigrateOptions },
): Promise<void> {
  try {
    for (const table of await triggers.outdated()) {
      await patiently(session, address, () => inTransaction(session, () => triggers.renew(table)));
    }
  } catch (error) {
    if (!(error instanceof StoreOpenError)) throw error;
    options.onWarning?.(NO_TRIGGERS);
  } finally {
    await session.script('RESET lock_timeout').catch(() => {});
  }
}

function isConflict({ type }: MigrationStep): boolean {
  return type === 'rename-conflict' || type === 'rename-table-conflict';
}

/** Returns the effects of a migration without making it; undefined where nothing is stored. */
async function preview(
  session: PgSession,
  target: MigrationTarget,
  allowed: Allowance,
): Promise<MigrationPreview | undefined> {
  const { rows } = await session.send("SELECT to_regclass('meta') IS NOT NULL AND to_regclass('tables') IS NOT NULL");
  if (rows[0]?.[0] !== 1) return undefined;
  // One state of all tables; DECLARE needs a transaction, too.
  await session.script(
    'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0',
  );
  try {
    const stored = await readStored(session);
    if (stored === undefined) return undefined;
    const steps = planMigration(stored, target.plan, { dropTables: namesOf(allowed) });
    const migration = new Migration(session, target, stored);
    const assessed = await migration.assess(steps);
    const decision = await migration.decide(assessed, allowed);
    const names = steps.flatMap((step) => stepName(step) ?? []);
    const pending = steps.some(
      (step) => step.type !== 'keep-table' && step.type !== 'unused-name' && !isConflict(step),
    );
    return { ...decision, names, steps: previewSteps(assessed), pending };
  } finally {
    await session.script('ROLLBACK');
  }
}

/** Returns the effects of a migration of the store; undefined where there is none. Works while the store is in use. */
export async function previewPostgresMigration(
  target: MigrationTarget,
  allowed: Allowance,
): Promise<MigrationPreview | undefined> {
  let session: PgSession | undefined;
  try {
    session = await PgSession.connect(target.address);
    return await preview(session, target, allowed);
  } catch (error) {
    throw describeOpenError(target.address, error);
  } finally {
    await session?.close();
  }
}

/** Throws StoreOpenError for a name that PostgreSQL would cut off. */
function checkNames({ tables }: Plan): void {
  for (const { name, fields } of tables) {
    const long = fields.find((field) => Buffer.byteLength(field.name) > MAX_NAME_BYTES);
    if (long === undefined) continue;
    throw new StoreOpenError(
      `The name of the field ${name}.${long.name} is longer than the ${MAX_NAME_BYTES} bytes that PostgreSQL allows. Shorten it.`,
    );
  }
}

async function report(
  session: PgSession,
  step: MigrationStep,
  check: MigrationCheck | undefined,
  options: PgMigrateOptions,
): Promise<void> {
  if (step.type === 'keep-table' && (await hasRecords(session, step.stored))) {
    const { name } = step;
    const { database, table } = step.stored;
    const renamed = `if it was renamed, write @table(database: "${database}", table: "${table}") on the new type`;
    const deleted = `to delete the records, start once with --allow-destructive ${name}`;
    options.onWarning?.(
      `the type ${name} has left the schema; its records are kept, but not served: ${renamed}; ${deleted}`,
    );
    return;
  }
  if (isConflict(step)) return;
  const filled = check?.effect === 'fills' ? ` (${check.count})` : '';
  options.onNotice?.(`${step.sentence}${filled}`);
}

type Decision = Pick<MigrationPreview, 'refusal' | 'impossible' | 'losing'>;

class Migration {
  readonly #session: PgSession;
  readonly #target: MigrationTarget;
  readonly #isNew: boolean;
  /** Mappings of the tables that exist already. */
  readonly #sources = new Map<TablePlan, RowMapping>();

  constructor(session: PgSession, target: MigrationTarget, stored: StoredSchema | undefined) {
    this.#session = session;
    this.#target = target;
    this.#isNew = stored === undefined;
    for (const [table, match] of matchSchema(stored, target.plan).tables) {
      this.#sources.set(table, new RowMapping(match, table));
    }
  }

  sources(): readonly RowMapping[] {
    return [...this.#sources.values()];
  }

  /** Checks the effect of each step on the stored records. */
  async assess(steps: readonly MigrationStep[]): Promise<readonly AssessedStep[]> {
    const assessed: AssessedStep[] = [];
    for (const step of steps) assessed.push({ step, check: await this.#check(step) });
    return assessed;
  }

  async decide(assessed: readonly AssessedStep[], allowed: Allowance): Promise<Decision> {
    const { impossible, needed, losing } = judge(assessed, allowed);
    if (!impossible && losing.length === 0) return { refusal: undefined, impossible, losing };
    const parts = [];
    for (const part of assessed) parts.push({ ...part, records: await this.#count(part.step) });
    const file = shownAddress(this.#target.address);
    return { refusal: describeRefusal(parts, { file, impossible, needed }), impossible, losing };
  }

  /** Makes the steps. */
  async run(assessed: readonly AssessedStep[]): Promise<void> {
    const session = this.#session;
    const { plan, clock } = this.#target;
    const newest = await newestPosition(session);
    const position = await this.#nextPosition(newest, clock);
    const filled = new Set(assessed.flatMap(({ step, check }) => (check?.effect === 'fills' ? [step] : [])));
    const steps = assessed.map(({ step }) => step);
    for (const step of steps) if (step.type === 'drop-table') await dropTable(session, step.stored, position);
    for (const source of this.#sources.values()) await renameInHistory(session, source);
    for (const table of plan.tables) {
      const source = this.#sources.get(table);
      const own = steps.filter((step) => 'table' in step && step.table === table);
      if (source === undefined) await createTable(session, table, position);
      else await changeTable(session, source, own);
      const isOther =
        source !== undefined && (changesLayout(source.stored, table, own) || own.some((step) => filled.has(step)));
      if (isOther) await session.send('UPDATE tables SET shape = $2 WHERE name = $1', [tableKey(table), position]);
    }
    if ((await newestPosition(session)) !== position) return;
    await session.send("SELECT setval('log_seq', greatest($1, (SELECT last_value FROM log_seq)))", [position]);
    // The migration jumped to this position: record the skipped range as never issued. A new store has issued none at all.
    if (!this.#isNew) await session.send('INSERT INTO gaps VALUES ($1, $2) ON CONFLICT DO NOTHING', [newest, position]);
  }

  /** Makes steps that only add something, while other servers run. */
  async expand(
    steps: readonly MigrationStep[],
    { allowed, ...schema }: { readonly allowed: Allowance } & Pick<Expansion, 'wanted' | 'schema' | 'triggers'>,
  ): Promise<{ readonly assessed: readonly AssessedStep[]; readonly version: number }> {
    const { address, clock } = this.#target;
    await this.#session.script('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0');
    const assessed = await this.assess(steps).finally(() => this.#session.script('ROLLBACK'));
    const { refusal } = await this.decide(assessed, allowed);
    if (refusal !== undefined) throw new MigrationRefusedError(refusal);
    const version = await expand(this.#session, { address, clock, steps, sources: this.#sources, ...schema });
    return { assessed, version };
  }

  async #nextPosition(newest: number, clock: (() => number) | undefined): Promise<number> {
    const at = clock === undefined ? null : clock() * 1000;
    const now = 'coalesce($2::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)';
    const { rows } = await this.#session.send(
      `SELECT greatest($1::bigint + 1, (SELECT last_value FROM log_seq) + 1, ${now})`,
      [newest, at],
    );
    return Number(rows[0]?.[0]);
  }

  async #check(step: MigrationStep): Promise<MigrationCheck | undefined> {
    if (!('table' in step)) return checkRemovedTable(this.#session, step);
    if (step.type === 'check-reference') return checkDangling(this.#session, step, this.#sources);
    if (step.type === 'rename-table-conflict') return checkTableConflict(this.#session, step);
    const source = this.#sources.get(step.table);
    return source && runCheck(this.#session, step, { source, appId: this.#target.plan.appId });
  }

  async #count(step: MigrationStep): Promise<number | undefined> {
    const source = 'table' in step ? this.#sources.get(step.table) : undefined;
    return source && countRecords(this.#session, source.stored);
  }
}
