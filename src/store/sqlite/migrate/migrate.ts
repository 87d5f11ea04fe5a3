import type { Database } from 'better-sqlite3';
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
import { MigrationRefusedError } from '../../open-errors.ts';
import type { Allowance } from '../../store.ts';
import { addUnissuedRange } from '../log/issued-positions.ts';
import { changesLayout, markLayoutChange, newestPosition } from '../log/layout.ts';
import { createFulltext, staleFulltext } from '../sql/fulltext.ts';
import { changeTable, createTable, dropTable } from './apply.ts';
import { checkRemovedTable, countRecords, hasRecords, runCheck } from './checks.ts';
import { checkDangling } from './dangling.ts';
import { CREATE_META } from './ddl.ts';
import { ColumnMapping, Functions } from './mapping.ts';
import { renameInHistory } from './rename.ts';
import { readStored, saveStored } from './saved.ts';

export interface MigrateOptions {
  readonly allowDestructive: Allowance;
  /** Receives one sentence for each change that was made. */
  onNotice?(sentence: string): void;
  /** Receives one sentence for each matter to check, such as records of a table that is not in the schema. */
  onWarning?(sentence: string): void;
}

/**
 * Migrates the database to the plan in one transaction, which is made as a whole or not at all. Throws
 * MigrationRefusedError when the plan does not fit what is stored; then nothing was changed.
 */
export function migrate(db: Database, plan: Plan, options: MigrateOptions): void {
  const stored = readStored(db);
  const steps = planMigration(stored, plan, { dropTables: namesOf(options.allowDestructive) });
  const gone = new Set(steps.flatMap((step) => ('stored' in step && step.type !== 'keep-table' ? [step.stored] : [])));
  const kept = stored && { ...stored, tables: stored.tables.filter((table) => !gone.has(table)) };
  const wanted = describeStored(plan, kept);
  const stale = stored === undefined ? [] : staleFulltext(db, plan);
  let assessed: readonly AssessedStep[] = steps.map((step) => ({ step, check: undefined }));
  const isOther = JSON.stringify(stored) !== JSON.stringify(wanted) || steps.some(isConflict);
  if (stale.length > 0 || isOther) {
    const migration = new Migration(db, plan, stored);
    db.transaction(() => {
      assessed = migration.assess(steps);
      const { refusal } = migration.decide(assessed, options.allowDestructive);
      if (refusal !== undefined) throw new MigrationRefusedError(refusal);
      migration.run(assessed, wanted);
      // Queried again: a table that was rebuilt has new indexes already.
      for (const { table, field } of staleFulltext(db, plan)) createFulltext(db, table, field);
      saveStored(db, wanted);
    }).immediate();
  }
  for (const { step, check } of assessed) report(db, step, check, options);
  for (const { table, field } of stale) {
    const name = `${table.database}.${table.table}.${field.name}`;
    options.onNotice?.(`make the index of the words in ${name} anew, since this version of Node knows other letters`);
  }
}

function report(db: Database, step: MigrationStep, check: MigrationCheck | undefined, options: MigrateOptions): void {
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
  if (isConflict(step)) return;
  const filled = check?.effect === 'fills' ? ` (${check.count})` : '';
  options.onNotice?.(`${step.sentence}${filled}`);
}

function isConflict({ type }: MigrationStep): boolean {
  return type === 'rename-conflict' || type === 'rename-table-conflict';
}

/** Returns the effects of a migration without making it. */
export function previewMigration(db: Database, plan: Plan, allowed: Allowance): MigrationPreview {
  const stored = readStored(db);
  const steps = planMigration(stored, plan, { dropTables: namesOf(allowed) });
  const migration = new Migration(db, plan, stored);
  const assessed = migration.assess(steps);
  const decision = migration.decide(assessed, allowed);
  const names = steps.flatMap((step) => stepName(step) ?? []);
  const pending = steps.some((step) => step.type !== 'keep-table' && step.type !== 'unused-name' && !isConflict(step));
  return { ...decision, names, steps: previewSteps(assessed), pending };
}

type MigrationDecision = Pick<MigrationPreview, 'refusal' | 'impossible' | 'losing'>;

class Migration {
  readonly #db: Database;
  readonly #plan: Plan;
  readonly #stored: StoredSchema | undefined;
  /** Mappings of the tables that exist already. */
  readonly #sources = new Map<TablePlan, ColumnMapping>();

  constructor(db: Database, plan: Plan, stored: StoredSchema | undefined) {
    this.#db = db;
    this.#plan = plan;
    this.#stored = stored;
    const functions = new Functions(db);
    for (const [table, match] of matchSchema(stored, plan).tables) {
      this.#sources.set(table, new ColumnMapping(match, table, functions));
    }
  }

  /** Checks the effect of each step on the stored records. */
  assess(steps: readonly MigrationStep[]): readonly AssessedStep[] {
    return steps.map((step) => {
      if (!('table' in step)) return { step, check: checkRemovedTable(this.#db, step) };
      if (step.type === 'check-reference') return { step, check: checkDangling(this.#db, step, this.#sources) };
      const source = this.#sources.get(step.table);
      if (source === undefined) return { step, check: undefined };
      return { step, check: runCheck(this.#db, step, { source, appId: this.#plan.appId }) };
    });
  }

  decide(assessed: readonly AssessedStep[], allowed: Allowance): MigrationDecision {
    const { impossible, needed, losing } = judge(assessed, allowed);
    if (!impossible && losing.length === 0) return { refusal: undefined, impossible, losing };
    const parts = assessed.map((part) => ({ ...part, records: this.#count(part.step) }));
    return { refusal: describeRefusal(parts, { file: this.#db.name, impossible, needed }), impossible, losing };
  }

  /** Makes the steps. `wanted`: the schema that will be stored. */
  run(assessed: readonly AssessedStep[], wanted: StoredSchema): void {
    this.#db.exec(CREATE_META);
    const newest = newestPosition(this.#db, this.#stored);
    const position = Math.max(Date.now() * 1000, newest + 1);
    const filled = new Set(assessed.flatMap(({ step, check }) => (check?.effect === 'fills' ? [step] : [])));
    const steps = assessed.map(({ step }) => step);
    for (const step of steps) if (step.type === 'drop-table') dropTable(this.#db, step.stored, position);
    renameInHistory(this.#db, [...this.#sources.values()]);
    for (const table of this.#plan.tables) {
      const source = this.#sources.get(table);
      const own = steps.filter((step) => 'table' in step && step.table === table);
      if (source === undefined) createTable(this.#db, table, position);
      else changeTable(this.#db, source, own);
      const isOther = source !== undefined && (changesLayout(source, own) || own.some((step) => filled.has(step)));
      if (isOther) markLayoutChange(this.#db, table, position);
    }
    // The migration jumped to this position: record the skipped range as never issued. A new store has issued none at all.
    const isNewest = newestPosition(this.#db, wanted) === position;
    if (isNewest && this.#stored !== undefined) addUnissuedRange(this.#db, [newest, position]);
  }

  #count(step: MigrationStep): number | undefined {
    const source = 'table' in step ? this.#sources.get(step.table) : undefined;
    return source && countRecords(this.#db, source);
  }
}
