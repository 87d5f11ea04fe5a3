import type { Database } from 'better-sqlite3';
import {
  describeStored,
  type MigrationStep,
  planMigration,
  type StoredSchema,
  stepName,
} from '../../../schema/migration/diff.ts';
import { keyOf } from '../../../schema/migration/stored.ts';
import type { Plan, TablePlan } from '../../../schema/plan.ts';
import type { MigrationPreview } from '../../engine.ts';
import { MigrationRefusedError } from '../../open-errors.ts';
import type { Allowance } from '../../store.ts';
import { changesLayout, markLayoutChange, newestPosition } from '../log/layout.ts';
import { addUnissuedRange } from '../log/unissued-ranges.ts';
import { createFulltext, staleFulltext } from '../sql/fulltext.ts';
import { changeTable, createTable, dropTable } from './apply.ts';
import { countRecords, hasRecords, type MigrationCheck, readLeft, runCheck } from './checks.ts';
import { CREATE_META } from './ddl.ts';
import { ColumnMapping, Functions } from './mapping.ts';
import { type AssessedStep, describeRefusal } from './report.ts';
import { readStored, saveStored } from './saved.ts';

export interface MigrateOptions {
  readonly allowDestructive: Allowance;
  /** One sentence for each thing that was done. */
  onNotice?(sentence: string): void;
  /** One sentence for each thing to be looked after: records of a table that is not in the schema. */
  onWarning?(sentence: string): void;
}

/**
 * Brings the database to the plan in one transaction: it is either as before or as the plan wants it, whatever
 * happens meanwhile. Throws MigrationRefusedError when the plan does not fit what is stored; then nothing was changed.
 */
export function migrate(db: Database, plan: Plan, options: MigrateOptions): void {
  const stored = readStored(db);
  const steps = planMigration(stored, plan, { dropTables: namesOf(options.allowDestructive) });
  const dropped = new Set(steps.flatMap((step) => (step.type === 'drop-table' ? [step.stored] : [])));
  const kept = stored && { ...stored, tables: stored.tables.filter((table) => !dropped.has(table)) };
  const wanted = describeStored(plan, kept);
  const stale = stored === undefined ? [] : staleFulltext(db, plan);
  let assessed: readonly AssessedStep[] = steps.map((step) => ({ step, concern: undefined }));
  if (stale.length > 0 || JSON.stringify(stored) !== JSON.stringify(wanted)) {
    const migration = new Migration(db, plan, stored);
    db.transaction(() => {
      assessed = migration.assess(steps);
      const { refusal } = migration.judge(assessed, options.allowDestructive);
      if (refusal !== undefined) throw new MigrationRefusedError(refusal);
      migration.run(assessed, wanted);
      // Asked again: a table that was written anew has new indexes.
      for (const { table, field } of staleFulltext(db, plan)) createFulltext(db, table, field);
      saveStored(db, wanted);
    }).immediate();
  }
  for (const { step, concern } of assessed) report(db, step, concern, options);
  for (const { table, field } of stale) {
    const name = `${table.database}.${table.table}.${field.name}`;
    options.onNotice?.(`make the index of the words in ${name} anew, since this version of Node knows other letters`);
  }
}

function report(db: Database, step: MigrationStep, concern: MigrationCheck | undefined, options: MigrateOptions): void {
  if (step.type === 'keep-table' && hasRecords(db, step.stored)) {
    const { name } = step;
    const { database, table } = step.stored;
    const renamed = `if it was renamed, write @table(database: "${database}", table: "${table}") on the new type`;
    const deleted = `to delete the records, start once with --allow-destructive ${name}`;
    options.onWarning?.(
      `the type ${name} has left the schema; its records are kept, but not served: ${renamed}; ${deleted}`,
    );
    return;
  }
  const filled = concern?.effect === 'fills' ? ` (${concern.count})` : '';
  options.onNotice?.(`${step.sentence}${filled}`);
}

/** Changes nothing. */
export function previewMigration(db: Database, plan: Plan, allowed: Allowance): MigrationPreview {
  const stored = readStored(db);
  const steps = planMigration(stored, plan, { dropTables: namesOf(allowed) });
  const migration = new Migration(db, plan, stored);
  const judgement = migration.judge(migration.assess(steps), allowed);
  const names = steps.flatMap((step) => stepName(step) ?? []);
  const pending = steps.some(({ type }) => type !== 'keep-table');
  return { ...judgement, names, pending };
}

function namesOf(allowed: Allowance): readonly string[] {
  return typeof allowed === 'boolean' ? [] : allowed;
}

type Judgement = Pick<MigrationPreview, 'refusal' | 'impossible' | 'losing'>;

function isAllowed(allowed: Allowance, name: string): boolean {
  return typeof allowed === 'boolean' ? allowed : allowed.includes(name);
}

class Migration {
  readonly #db: Database;
  readonly #plan: Plan;
  readonly #stored: StoredSchema | undefined;
  /** Of the tables that are there already. */
  readonly #sources = new Map<TablePlan, ColumnMapping>();

  constructor(db: Database, plan: Plan, stored: StoredSchema | undefined) {
    this.#db = db;
    this.#plan = plan;
    this.#stored = stored;
    const functions = new Functions(db);
    const before = new Map((stored?.tables ?? []).map((table) => [keyOf(table), table]));
    for (const table of plan.tables) {
      const old = before.get(keyOf(table));
      if (old !== undefined) this.#sources.set(table, new ColumnMapping(old, table, functions));
    }
  }

  /** Reads what each step means for the records that are there. */
  assess(steps: readonly MigrationStep[]): readonly AssessedStep[] {
    return steps.map((step) => {
      if (!('table' in step)) return { step, concern: readLeft(this.#db, step) };
      const source = this.#sources.get(step.table);
      if (source === undefined) return { step, concern: undefined };
      return { step, concern: runCheck(this.#db, step, { source, appId: this.#plan.appId }) };
    });
  }

  judge(assessed: readonly AssessedStep[], allowed: Allowance): Judgement {
    const impossible = assessed.some(({ concern }) => concern?.obstacle !== undefined);
    const needed = assessed.flatMap(({ step, concern }) => (isLoss(concern) ? (stepName(step) ?? []) : []));
    const losing = needed.filter((name) => !isAllowed(allowed, name));
    if (!impossible && losing.length === 0) return { refusal: undefined, impossible, losing };
    const parts = assessed.map((part) => ({ ...part, records: this.#count(part.step) }));
    return { refusal: describeRefusal(parts, { file: this.#db.name, impossible, needed }), impossible, losing };
  }

  /** `wanted`: what will be stored. */
  run(assessed: readonly AssessedStep[], wanted: StoredSchema): void {
    this.#db.exec(CREATE_META);
    const newest = newestPosition(this.#db, this.#stored);
    const position = Math.max(Date.now() * 1000, newest + 1);
    const filled = new Set(assessed.flatMap(({ step, concern }) => (concern?.effect === 'fills' ? [step] : [])));
    const steps = assessed.map(({ step }) => step);
    for (const step of steps) if (step.type === 'drop-table') dropTable(this.#db, step.stored, position);
    for (const table of this.#plan.tables) {
      const source = this.#sources.get(table);
      const own = steps.filter((step) => 'table' in step && step.table === table);
      if (source === undefined) createTable(this.#db, table, position);
      else changeTable(this.#db, source, own);
      const isOther = source !== undefined && (changesLayout(source, own) || own.some((step) => filled.has(step)));
      if (isOther) markLayoutChange(this.#db, table, position);
    }
    // Where it has become the newest one, none was given out on the way to it. In a new store none was given out at all.
    const isNewest = newestPosition(this.#db, wanted) === position;
    if (isNewest && this.#stored !== undefined) addUnissuedRange(this.#db, [newest, position]);
  }
  #count(step: MigrationStep): number | undefined {
    const source = 'table' in step ? this.#sources.get(step.table) : undefined;
    return source && countRecords(this.#db, source);
  }
}

/** Where no value is stored there is none to lose. */
function isLoss(concern: MigrationCheck | undefined): boolean {
  if (concern?.effect === undefined || concern.obstacle !== undefined) return false;
  return concern.effect !== 'fills' && concern.count > 0;
}
