import type { FlowsPlan } from '../connectors/flows/flow.ts';
import { loadHooks } from '../hooks/app-hooks.ts';
import type { HookLists } from '../hooks/exports.ts';
import type { ProjectApp } from '../schema/project-app.ts';
import type { Route } from '../transports/routes/route.ts';

/** Code and flows of the applications, by app id. */
export interface Modules {
  readonly hooks: ReadonlyMap<string, HookLists>;
  readonly routes: ReadonlyMap<string, readonly Route[]>;
  readonly flows: ReadonlyMap<string, FlowsPlan>;
}

/**
 * Loads hooks, routes and flows, each only when an application has some. Paths in messages are relative to `dir`. Throws
 * StartError.
 */
export async function loadModules(apps: readonly ProjectApp[], dir: string): Promise<Modules> {
  const hooks = await loadHooks(apps, dir);
  const routes = await loadRoutes(apps, dir);
  const flows = await loadFlows(apps);
  return { hooks, routes, flows };
}

async function loadRoutes(apps: readonly ProjectApp[], dir: string): Promise<Modules['routes']> {
  if (apps.every(({ config: { routes } }) => routes.length === 0)) return new Map();
  const { loadAllRoutes } = await import('../transports/routes/load.ts');
  return loadAllRoutes(apps, dir);
}

async function loadFlows(apps: readonly ProjectApp[]): Promise<Modules['flows']> {
  if (apps.every(({ config: { connectors, flows } }) => connectors === undefined && flows === undefined)) {
    return new Map();
  }
  const module = await import('../connectors/flows/load.ts');
  return module.loadFlows(apps);
}
