import type { AppConfig } from '../../src/config/config.ts';
import type { Application } from '../../src/resources/application.ts';
import type { MountedApp } from '../../src/transports/transport.ts';

/** The only application of a server, as transports see it, without hooks, routes and connectors unless they are given. */
export function mountedApp(
  config: AppConfig,
  { resources, transactions, planTag }: Pick<Application, 'resources' | 'transactions' | 'planTag'>,
  given: Partial<MountedApp> = {},
): MountedApp {
  const nothing = {
    auth: undefined,
    hooks: undefined,
    routes: [],
    rooms: new Map(),
    roomServices: new Map(),
    roomAccess: undefined,
    connectors: undefined,
  };
  return { config, resources, transactions, planTag, ...nothing, hasShortAddress: () => true, ...given };
}
