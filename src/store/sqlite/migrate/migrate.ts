import type { Database } from 'better-sqlite3';
import {
  describeStored,
  type MigrationStep,
  planMigration,
  type StoredSchema,
} from '../../../schema/migration/diff.ts';
import { keyOf } from '../../../schema/migration/stored.ts';
import type { Plan, TablePlan } from '../../../schema/plan.ts';
import { MigrationRefusedError } from '../../open-errors.ts';
import { isReshaped, markReshaped, newestPosition } from '../log/layout.ts';
import { addGap } from '../log/unissued.ts';
import { createFulltext, staleFulltext } from '../sql/fulltext.ts';
import { changeTable, createTable } from './apply.ts';
import { type Concern, countRecords, readConcern } from './checks.ts';
import { CREATE_META } from './ddl.ts';
import { Functions, TableSource } from './mapping.ts';
import { describeRefusal } from './report.ts';
import { readStored, saveStored } from './saved.ts';

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
export function migrate(db: Database, plan: Plan, options: MigrateOptions): void {
  const stored = readStored(db);
  const wanted = describeStored(plan, stored);
  const steps = planMigration(stored, plan);
  const stale = stored === undefined ? [] : staleFulltext(db, plan);
  if (stale.length > 0 || JSON.stringify(stored) !== JSON.stringify(wanted)) {
    const migration = new Migration(db, plan, stored);
    db.transaction(() => {
      const refusal = migration.refusal(steps, options.allowDestructive);
      if (refusal !== undefined) throw new MigrationRefusedError(refusal);
      migration.run(steps);
      // Asked again: a table that was written anew has new indexes.
      for (const { table, field } of staleFulltext(db, plan)) createFulltext(db, table, field);
      saveStored(db, wanted);
    }).immediate();
  }
  for (const { sentence } of steps) options.onNotice?.(sentence);
  for (const { table, field } of stale) {
    const name = `${table.database}.${table.table}.${field.name}`;
    options.onNotice?.(`make the index of the words in ${name} anew, since this version of Node knows other letters`);
  }
}

/** Why the plan would be refused, for people; undefined when it would not be. Changes nothing. */
export function previewMigration(db: Database, plan: Plan): string | undefined {
  const stored = readStored(db);
  return new Migration(db, plan, stored).refusal(planMigration(stored, plan), false);
}

class Migration {
  readonly #db: Database;
  readonly #plan: Plan;
  readonly #stored: StoredSchema | undefined;
  /** Of the tables that are there already. */
  readonly #sources = new Map<TablePlan, TableSource>();

  constructor(db: Database, plan: Plan, stored: StoredSchema | undefined) {
    this.#db = db;
    this.#plan = plan;
    this.#stored = stored;
    const functions = new Functions(db);
    const before = new Map((stored?.tables ?? []).map((table) => [keyOf(table), table]));
    for (const table of plan.tables) {
      const old = before.get(keyOf(table));
      if (old !== undefined) this.#sources.set(table, new TableSource(old, table, functions));
    }
  }

  refusal(steps: readonly MigrationStep[], allowDestructive: boolean): string | undefined {
    const concerns = new Map(steps.map((step) => [step, this.#read(step)]));
    const found = [...concerns.values()].filter((concern) => concern !== undefined);
    const impossible = found.some(({ obstacle }) => obstacle !== undefined);
    // Where no value is stored there is none to lose.
    const losing = found.some(({ step, count }) => step.destructive && count > 0);
    if (!impossible && (!losing || allowDestructive)) return undefined;
    const parts = steps.map((step) => ({ step, concern: concerns.get(step), records: this.#count(step) }));
    return describeRefusal(parts, { file: this.#db.name, impossible, losing });
  }

  run(steps: readonly MigrationStep[]): void {
    this.#db.exec(CREATE_META);
    const newest = newestPosition(this.#db, this.#stored);
    const position = Math.max(Date.now() * 1000, newest + 1);
    for (const table of this.#plan.tables) {
      const source = this.#sources.get(table);
      const own = steps.filter((step) => 'table' in step && step.table === table);
      if (source === undefined) createTable(this.#db, table, position);
      else changeTable(this.#db, source, own);
      if (source !== undefined && isReshaped(source, own)) markReshaped(this.#db, table, position);
    }
    // Where it has become the newest one, none was given out on the way to it. In a new store none was given out at all.
    const isNewest = newestPosition(this.#db, this.#stored) === position;
    if (isNewest && this.#stored !== undefined) addGap(this.#db, [newest, position]);
  }

  #read(step: MigrationStep): Concern | undefined {
    const source = this.#sourceOf(step);
    return source && readConcern(this.#db, step, source);
  }

  #count(step: MigrationStep): number | undefined {
    const source = this.#sourceOf(step);
    return source && countRecords(this.#db, source);
  }

  #sourceOf(step: MigrationStep): TableSource | undefined {
    return 'table' in step ? this.#sources.get(step.table) : undefined;
  }
}
