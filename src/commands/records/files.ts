import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, parse } from 'node:path';
import type { Plan, TablePlan } from '../../schema/plan.ts';
import { CommandError } from '../failure.ts';
import { findTable, inRelationOrder } from './project-app.ts';
import { FILE_FORMATS, type FileFormat, formatOf } from './rows.ts';

/** File with records of one table. */
export interface TableFile {
  readonly file: string;
  readonly format: FileFormat;
  readonly table: TablePlan;
}

/** Returns the file for one table: `--table`, or the table that the file is called by. Throws CommandError. */
export function fileOf(plan: Plan, file: string, table: string | undefined, format: string | undefined): TableFile {
  const chosen = (format as FileFormat | undefined) ?? formatOf(file);
  if (chosen === undefined) throw new CommandError(`${file}: say what it is with --format ${FILE_FORMATS.join('|')}`);
  return { file, format: chosen, table: findTable(plan, table ?? parse(file).name) };
}

/** Returns the files `<Table>.ndjson`, `.csv` and `.json` of a folder in relation order. Throws CommandError. */
export function filesIn(plan: Plan, folder: string): readonly TableFile[] {
  const names = readdirSync(folder).filter((name) => formatOf(name) !== undefined);
  const files = names.sort().map((name) => fileOf(plan, join(folder, name), undefined, undefined));
  const order = inRelationOrder(plan.tables);
  return files.toSorted((a, b) => order.indexOf(a.table) - order.indexOf(b.table));
}

export function isFolder(path: string): boolean {
  if (!existsSync(path)) throw new CommandError(`${path} does not exist.`);
  return statSync(path).isDirectory();
}
