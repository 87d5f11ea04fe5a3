import type { AppAuth } from '../auth/app-auth.ts';
import type { RealtimeHooks } from '../hooks/realtime-hooks.ts';
import type { TableResource } from '../resources/table/resource.ts';
import type { TransportName } from '../schema/plan.ts';
import type { MountedApp } from './transport.ts';

/** A table as a transport sees it. */
export interface Endpoint {
  readonly appId: string;
  /** `/{app_id}/{Export}`, without a slash at the end. */
  readonly path: string;
  readonly resource: TableResource;
  /** Short hash of the plan. */
  readonly planTag: string;
  /** Undefined where authentication is off. */
  readonly auth: AppAuth | undefined;
  /** Undefined where the application has no hooks for connections. */
  readonly hooks?: RealtimeHooks | undefined;
  /** Application of the table. */
  readonly app: Pick<MountedApp, 'resources' | 'transactions'>;
}

/** The tables of the applications that have the transport switched on. */
export function endpointsOf(apps: readonly MountedApp[], transport: TransportName): Endpoint[] {
  return apps.flatMap((app) => {
    const { config, planTag, auth, hooks } = app;
    return [...tablesOf(app, transport)].map(([name, resource]) => {
      return { appId: config.appId, path: `/${config.appId}/${name}`, resource, planTag, auth, hooks, app };
    });
  });
}

/** Tables of an application that have the transport switched on, by export name. */
export function tablesOf(
  { resources }: Pick<MountedApp, 'resources'>,
  transport: TransportName,
): ReadonlyMap<string, TableResource> {
  return new Map([...resources].filter(([, { table }]) => table.transports.has(transport)));
}

export function hasTable({ resources }: MountedApp, transport: TransportName): boolean {
  return [...resources.values()].some(({ table }) => table.transports.has(transport));
}

/** Addresses of a table: some clients end them with a slash. The address of a record has none. */
export function tableUrls({ path }: Pick<Endpoint, 'path'>): readonly [string, string] {
  return [path, `${path}/`];
}
