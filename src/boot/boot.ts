import { type Overrides, overrideServer } from '../config/overrides.ts';
import { createHttpServer } from '../server/http-server.ts';
import { Admission } from '../server/limits/admission.ts';
import type { Lifecycle } from '../server/operations/health.ts';
import { createLog, isPretty, type Log } from '../server/operations/log.ts';
import type { Transport, TransportContext } from '../transports/transport.ts';
import { addressesOf, announce, listen } from './listen.ts';
import { loadModules } from './modules.ts';
import { type OpenApp, type OpenAppOptions, openApp } from './open-app.ts';
import { registerOperations } from './operations.ts';
import { prepare } from './prepare.ts';
import { loadProject, type Project } from './project.ts';
import { installAuthentication, registerServiceRoutes } from './service-routes.ts';
import { shutDown } from './shutdown.ts';
import { mountTransports } from './transports.ts';

/** Values of NODE_ENV with which clients receive the messages of errors in handlers. */
const DEVELOPMENT: ReadonlySet<string> = new Set(['development', 'test']);

export interface StartOptions extends Overrides {
  /** Folder of an application, or folder of several applications. */
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
  /** Schema changes that lose data and are allowed: all of them, or the ones with these names. */
  readonly allowDestructive: OpenAppOptions['allowDestructive'];
}

export interface RunningServer {
  /** URL of the server, with the actual port. */
  readonly url: string;
  /** URL of the console; undefined where it is not served. */
  readonly consoleUrl: string | undefined;
  readonly log: Log;
  /** True when the log has lines for a person instead of JSON. */
  readonly isLogPretty: boolean;
  /** Tables for code that runs in the process of the server, by application and export name, with all rights. */
  readonly tables: ReadonlyMap<string, OpenApp['tables']>;
  readonly apps: Project['apps'];
  /** Milliseconds that `close` may take before the process should be terminated. */
  readonly shutdownTimeout: number;
  /** Stops without losing anything: no new requests, streams asked to reconnect, writes finished, store closed. */
  close(): Promise<void>;
}

/**
 * Starts a server for the applications in a folder. The steps run in this order, and `close` runs them backwards.
 *
 * @param options folder, environment variables, and values that replace those of config.yaml
 * @returns the running server, once it listens
 * @throws StartError with every error of the files, before anything is created
 * @example
 * ```ts
 * // server.ts
 * import { startServer } from 'tablecast';
 *
 * const server = await startServer({ dir: './my-app', env: process.env, allowDestructive: false });
 * const tasks = server.tables.get('my-app')?.get('Task');
 * await tasks?.create({ title: 'Write the docs' });
 * console.log(`${await tasks?.find('done==false').then((open) => open.length)} open at ${server.url}`);
 * await server.close();
 * ```
 */
export async function startServer({ dir, env, allowDestructive, ...overrides }: StartOptions): Promise<RunningServer> {
  const { server: written, apps, notices } = loadProject(dir, env);
  const configs = apps.map((app) => app.config);
  const config = overrideServer(written, configs, overrides);
  const modules = await loadModules(apps, dir);
  const log = createLog(config);
  const lifecycle: Lifecycle = { ready: false, stopping: false };
  for (const notice of await prepare(config, apps, allowDestructive)) log.warn(notice);
  const server = await createHttpServer(config, { dataDir: configs[0]?.dataDir ?? dir, lifecycle, log });
  const opened: OpenApp[] = [];
  const transports: Transport[] = [];
  const timeout = config.limits.shutdown;
  const close = async () => shutDown(lifecycle, { log, server, transports, opened, timeout });
  const context: TransportContext = {
    config,
    admission: new Admission(config.limits),
    showsDetails: DEVELOPMENT.has(env.NODE_ENV ?? ''),
    onError: (error) => log.error({ err: error }, 'fault'),
  };
  try {
    const options = { ...context, server: config, modules, allowDestructive, apps: configs, log };
    for (const app of apps) opened.push(await openApp(app, options));
    installAuthentication(server, opened);
    transports.push(...(await mountTransports(server, opened, context)));
    registerOperations(server, { config, lifecycle, opened, transports, admission: context.admission });
    await registerServiceRoutes(server, opened, context);
    await listen(server, { config, opened, log });
    for (const transport of transports) await transport.start?.();
  } catch (error) {
    await close();
    throw error;
  }
  lifecycle.ready = true;
  const { url, consoleUrl } = addressesOf(server, opened, config);
  announce(log, { url, config, opened, notices });
  const tables = new Map(opened.map((app) => [app.config.appId, app.tables]));
  const isLogPretty = isPretty(config.logging);
  return { url, consoleUrl, log, isLogPretty, tables, apps, shutdownTimeout: timeout, close };
}
