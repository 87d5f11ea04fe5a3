import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { Plan } from '../../../schema/plan.ts';
import { databaseFile, describeOpenError } from '../database/open.ts';
import { previewMigration } from './migrate.ts';

/** Why a store in the folder would refuse the plan; undefined when it would not. May be asked while it is in use. */
export function previewSqliteMigration(plan: Plan, dir: string): string | undefined {
  const file = databaseFile(dir);
  if (!existsSync(file)) return undefined;
  const db = new Database(file, { readonly: true });
  try {
    return previewMigration(db, plan);
  } catch (error) {
    throw describeOpenError(file, error);
  } finally {
    db.close();
  }
}
