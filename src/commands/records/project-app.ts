import { loadProject } from '../../boot/project.ts';
import type { ServerConfig } from '../../config/config.ts';
import { withoutSecrets } from '../../config/files/interpolate.ts';
import { suggest } from '../../config/files/suggest.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { ProjectApp } from '../../schema/project-app.ts';
import type { Invocation } from '../commands.ts';
import { CommandError } from '../failure.ts';

export interface ChosenApp {
  readonly app: ProjectApp;
  readonly server: ServerConfig;
}

/** Reads the application in the folder. Throws CommandError for a folder of several, StartError for errors in its files. */
export function loadOnlyApp(dir: string, env: Invocation['env']): ChosenApp {
  const { apps, server } = loadProject(dir, withoutSecrets(env));
  const [app, another] = apps;
  if (app !== undefined && another === undefined) return { app, server };
  const names = apps.map(({ config }) => config.dir).join(', ');
  throw new CommandError(`${dir} has several applications; name the folder of one: ${names}`);
}

/** Finds a table by the name of its type, or the name that it is exported by. Throws CommandError. */
export function findTable({ tables }: { readonly tables: readonly TablePlan[] }, name: string): TablePlan {
  const found = tables.find((table) => table.name === name) ?? tables.find(({ exportName }) => exportName === name);
  if (found !== undefined) return found;
  const names = tables.map((table) => table.name);
  throw new CommandError(
    `there is no table "${name}"; ${suggest(name, names) ?? `the tables are ${names.join(', ')}`}`,
  );
}

/** Returns the tables so that a record comes after those whose keys it has. */
export function inRelationOrder(tables: readonly TablePlan[]): readonly TablePlan[] {
  const ordered = new Set<TablePlan>();
  const open = new Set<TablePlan>();
  const visit = (table: TablePlan): void => {
    if (ordered.has(table) || open.has(table)) return;
    open.add(table);
    for (const { from, target } of table.relations) if (from !== undefined) visit(target);
    ordered.add(table);
  };
  for (const table of tables) visit(table);
  return [...ordered].filter((table) => tables.includes(table));
}
