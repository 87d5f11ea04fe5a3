import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { Plan } from '../../../schema/plan.ts';
import type { MigrationPreview, PreviewOptions } from '../../engine.ts';
import { databaseFile, describeOpenError } from '../database/open.ts';
import { previewMigration } from './migrate.ts';

/** Returns the effects of a migration of the store in the folder; undefined where there is none. Works while the store is in use. */
export function previewSqliteMigration(plan: Plan, { dir, allowed }: PreviewOptions): MigrationPreview | undefined {
  const file = databaseFile(dir);
  if (!existsSync(file)) return undefined;
  const db = new Database(file, { readonly: true });
  try {
    return previewMigration(db, plan, allowed);
  } catch (error) {
    throw describeOpenError(file, error);
  } finally {
    db.close();
  }
}
