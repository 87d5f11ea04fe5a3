import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Exports, ModuleLoader } from '../../../hooks/module-loader.ts';
import type { ImportRow } from '../../../resources/transfer/importer.ts';
import type { Plan, TablePlan } from '../../../schema/plan.ts';
import { CommandError } from '../../failure.ts';
import { findTable, inRelationOrder } from '../project-app.ts';

const NAMES = ['seed.ts', 'seed.js', 'seed.mjs'];

export interface SeedTable {
  readonly table: TablePlan;
  readonly rows: AsyncIterable<ImportRow>;
}

/** Returns the path of the module with seed records in an application folder; undefined where there is none. */
export function findSeedModule(dir: string): string | undefined {
  return NAMES.map((name) => join(dir, name)).find((file) => existsSync(file));
}

/**
 * Runs the module, whose default export is an object with records by table, or a function that returns one. Returns the
 * tables in relation order. Throws CommandError and StartError.
 */
export async function runSeedModule(path: string, plan: Plan): Promise<readonly SeedTable[]> {
  const dir = dirname(path);
  const module = await new ModuleLoader({ folder: dir, root: dir }).load(path);
  const byTable = new Map<TablePlan, SeedTable>();
  for (const [name, records] of Object.entries(await recordsOf(module, path))) {
    const table = findTable(plan, name);
    if (!isIterable(records)) throw new CommandError(`${path}: ${name} needs a list of records, [{ id: … }, …].`);
    byTable.set(table, { table, rows: toRows(records) });
  }
  return inRelationOrder(plan.tables).flatMap((table) => byTable.get(table) ?? []);
}

async function recordsOf(module: Exports, path: string): Promise<object> {
  const exported = module.default;
  const records: unknown = typeof exported === 'function' ? await exported() : exported;
  if (typeof records === 'object' && records !== null && !isIterable(records)) return records;
  throw new CommandError(`${path} needs a default export: { Table: [records] }, or a function that returns it.`);
}

function isIterable(value: unknown): value is Iterable<unknown> | AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);
}

async function* toRows(records: Iterable<unknown> | AsyncIterable<unknown>): AsyncGenerator<ImportRow> {
  let row = 0;
  for await (const record of records) yield { row: ++row, json: JSON.stringify(record) ?? 'null' };
}
