import type { Database } from 'better-sqlite3';
import {
  describeStored,
  type MigrationStep,
  planMigration,
  type StoredSchema,
  type StoredTable,
} from '../schema/migration.ts';
import type { Plan, TablePlan } from '../schema/plan.ts';
import { keyOf } from '../schema/stored.ts';
import { MigrationRefusedError } from './open-errors.ts';
import { type Concern, readConcern } from './sqlite-concern.ts';
import { rebuild } from './sqlite-rebuild.ts';
import { CREATE_META, columnOf, createIndex, createIndexes, createLog, createRecords, floorKey, indexName } from './sqlite-schema.ts';
import { Functions, literal, TableSource } from './sqlite-source.ts';
import { readStored, saveStored } from './sqlite-stored.ts';
import { recordsName } from './sqlite-table.ts';

export interface MigrateOptions {
  /** Steps that lose data are made instead of refused. */
  readonly allowDestructive: boolean;
  /** One sentence for each thing that was done, and for each table that is kept without being in the schema. */
  onNotice?(sentence: string): void;
}

/**
 * Brings the database to the plan in one transaction: it is either as before or as the plan wants it, whatever
 * happens meanwhile. Throws MigrationRefusedError when the plan does not fit what is stored; then nothing was changed.
 */
export function migrate(db: Database, plan: Plan, { allowDestructive, onNotice }: MigrateOptions): void {
  const stored = readStored(db);
  const wanted = describeStored(plan, stored);
  const steps = planMigration(stored, plan);
  if (JSON.stringify(stored) !== JSON.stringify(wanted)) {
    db.transaction(() => {
      const migration = new Migration(db, plan, stored);
      migration.refuseUnlessPossible(steps, allowDestructive);
      migration.run(steps);
      saveStored(db, wanted);
    }).immediate();
  }
  for (const { sentence } of steps) onNotice?.(sentence);
}

/** What would stand in the way of the plan, for people; undefined when nothing does. Changes nothing. */
export function previewMigration(db: Database, plan: Plan): string | undefined {
  const stored = readStored(db);
  const refusal = new Migration(db, plan, stored).refusal(planMigration(stored, plan), false);
  return refusal?.message;
}

class Migration {
  readonly #db: Database;
  readonly #sources = new Map<TablePlan, TableSource>();

  constructor(db: Database, plan: Plan, stored: StoredSchema | undefined) {
    this.#db = db;
    const functions = new Functions(db);
    const before = new Map<string, StoredTable>((stored?.tables ?? []).map((table) => [keyOf(table), table]));
    for (const table of plan.tables) {
      const old = before.get(keyOf(table));
      if (old !== undefined) this.#sources.set(table, new TableSource(old, table, functions));
    }
  }

  refuseUnlessPossible(steps: readonly MigrationStep[], allowDestructive: boolean): void {
    const refusal = this.refusal(steps, allowDestructive);
    if (refusal !== undefined) throw refusal;
  }

  refusal(steps: readonly MigrationStep[], allowDestructive: boolean): MigrationRefusedError | undefined {
    const concerns = new Map(steps.map((step) => [step, this.#read(step)]));
    const found = [...concerns.values()].filter((concern) => concern !== undefined);
    const impossible = found.some(({ obstacle }) => obstacle !== undefined);
    // Where no value is stored there is none to lose.
    const losing = found.some(({ step, count }) => step.destructive && count > 0);
    if (!impossible && (!losing || allowDestructive)) return undefined;
    return new MigrationRefusedError(describeRefusal(this.#db.name, concerns, impossible));
  }

  run(steps: readonly MigrationStep[]): void {
    this.#db.exec(CREATE_META);
    const byTable = Map.groupBy
  }

  #read(step: MigrationStep): Concern | undefined {
    return readConcern(this.#db, step, 'table' in step ? this.#sources.get(step.table) : undefined);
  }
}
