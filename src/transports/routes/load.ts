import { relative, resolve, sep } from 'node:path';
import type { AppConfig } from '../../config/config.ts';
import type { Diagnostic } from '../../config/files/diagnostic.ts';
import { collectAsync, Report } from '../../config/files/report.ts';
import { diagnoseFile } from '../../config/files/source.ts';
import { isReservedInApp } from '../../config/reserved-paths.ts';
import { ModuleLoader } from '../../hooks/module-loader.ts';
import { AUDIT_NAME } from '../../schema/names.ts';
import type { Plan } from '../../schema/plan.ts';
import type { RouteHooks } from './define.ts';
import { checkHooks, parseRoute } from './parse.ts';
import type { Route } from './route.ts';

export interface RouteSource {
  readonly config: AppConfig;
  readonly plan: Plan;
}

/** Loads the routes of several applications, by `app_id`. Throws StartError with the errors of all. */
export async function loadAllRoutes(
  sources: readonly RouteSource[],
  dir: string,
): Promise<ReadonlyMap<string, readonly Route[]>> {
  const report = new Report();
  const routes = new Map<string, readonly Route[]>();
  for (const source of sources) {
    routes.set(source.config.appId, (await collectAsync(report, () => loadRoutes(source, dir))) ?? []);
  }
  report.throwIfAny();
  return routes;
}

/**
 * Loads the routes of an application, in the order of its modules. Paths in messages are relative to `dir`. Throws
 * StartError with every error: a module that cannot be loaded, an invalid route, a path that is taken.
 */
export async function loadRoutes({ config, plan }: RouteSource, dir: string): Promise<readonly Route[]> {
  if (config.routes.length === 0) return [];
  const report = new Report();
  const root = resolve(dir);
  const loader = new ModuleLoader({ folder: config.dir, root });
  const routes: Route[] = [];
  for (const path of config.routes) {
    const module = relative(root, path).split(sep).join('/');
    const exports = await collectAsync(report, () => loader.load(path));
    if (exports === undefined) continue;
    const diagnose = (text: RegExp, message: string, hint?: string) =>
      report.add(loader.diagnoseAt(path, text, hint === undefined ? { message } : { message, hint }));
    routes.push(...readModule(exports, { module, diagnose, known: routes, config }));
  }
  for (const diagnostic of checkPrefix(config, plan)) report.add(diagnostic);
  report.throwIfAny();
  return routes;
}

interface ModuleOptions {
  readonly module: string;
  readonly diagnose: (text: RegExp, message: string, hint?: string) => void;
  /** Routes of earlier modules. */
  readonly known: readonly Route[];
  readonly config: AppConfig;
}

function readModule(
  exports: Readonly<Record<string, unknown>>,
  { module, diagnose, known, config }: ModuleOptions,
): Route[] {
  const { routes, hooks } = exports;
  if (typeof routes !== 'object' || routes === null || Array.isArray(routes)) {
    diagnose(/\broutes\b/, 'exports no routes', 'export const routes = { name: defineRoute({ … }) }');
    return [];
  }
  const wrongHooks = checkHooks(hooks);
  for (const { message, hint } of wrongHooks) diagnose(/\bhooks\b/, `the module ${message}`, hint);
  const shared = wrongHooks.length === 0 ? (hooks as RouteHooks | undefined) : undefined;
  const found: Route[] = [];
  for (const [key, value] of Object.entries(routes)) {
    const text = new RegExp(`(?<![\\w$])${quote(key)}(?![\\w$])`);
    const wrong = ({ message, hint }: { message: string; hint?: string }) => diagnose(text, message, hint);
    const same = [...known, ...found].find((other) => shapeOf(other.key) === shapeOf(key));
    if (same !== undefined) wrong({ message: `route "${key}" is also in ${same.module} ("${same.key}")` });
    const route = parseRoute(value, { key, module, hooks: shared, wrong });
    if (route === undefined) continue;
    if (route.access !== undefined && typeof config.auth !== 'object') {
      const hint = 'configure `auth` in config.yaml, or remove `access`';
      wrong({ message: `route "${key}" has access rules, but authentication is off`, hint });
    }
    found.push(route);
  }
  return found;
}

/** Address of a key: equal for keys that differ only in the names of their parameters. */
function shapeOf(key: string): string {
  return key.replace(/:[^/]+/g, ':');
}

/** Checks the first segment of the prefix, which must not be the name of a table. */
function checkPrefix({ routesPrefix }: AppConfig, { tables }: Plan): Diagnostic[] {
  const [, first = ''] = routesPrefix.split('/');
  const table = tables.find(({ exportName }) => exportName === first);
  const hint = 'use another routes_prefix in config.yaml';
  if (table !== undefined) {
    const message = `routes are at ${routesPrefix}, where the table ${table.name} is`;
    return [diagnoseFile(table.at.file, message, `${hint}, or another name: @export(name: "…")`)];
  }
  const isAudit = first === AUDIT_NAME && tables.some(({ audited }) => audited);
  if (!isReservedInApp(first) && !isAudit) return [];
  return [diagnoseFile('config.yaml', `routes_prefix "${routesPrefix}" is used by the server itself`, hint)];
}

function quote(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
