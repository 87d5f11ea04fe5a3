import { overrideServer } from '../config/overrides.ts';
import { createHttpServer } from '../server/http-server.ts';
import { Admission } from '../server/limits/admission.ts';
import { createLog, isPretty } from '../server/operations/log.ts';
import type { NamedPart, TransportContext } from '../transports/transport.ts';
import { addressesOf, announce, listen } from './lifecycle/listen.ts';
import { describeRunning, type RunningServer, type StartOptions } from './lifecycle/running-server.ts';
import { shutDown } from './lifecycle/shutdown.ts';
import { loadModules } from './modules.ts';
import { type OpenApp, openApp } from './open-app.ts';
import { registerOperations } from './operations.ts';
import { prepare } from './prepare.ts';
import { loadProject } from './project.ts';
import { installAuthentication, registerServiceRoutes } from './service-routes.ts';
import { mountTransports } from './transports.ts';

/** Values of NODE_ENV with which clients receive the messages of errors in handlers. */
const DEVELOPMENT: ReadonlySet<string> = new Set(['development', 'test']);

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
  const lifecycle = { ready: false, stopping: false };
  for (const notice of await prepare(config, apps, allowDestructive)) log.warn(notice);
  const server = await createHttpServer(config, { dataDir: configs[0]?.dataDir ?? dir, lifecycle, log });
  const opened: OpenApp[] = [];
  const transports: NamedPart[] = [];
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
    transports.push(await registerServiceRoutes(server, opened, context));
    await listen(server, { config, opened, log });
    for (const transport of transports) await transport.start?.();
  } catch (error) {
    await close();
    throw error;
  }
  lifecycle.ready = true;
  const { url, networkUrls, consoleUrl } = addressesOf(server, opened, config);
  announce(log, { url, config, opened, notices });
  const tables = new Map(opened.map((app) => [app.config.appId, app.tables]));
  const isLogPretty = isPretty(config.logging);
  return {
    url,
    networkUrls,
    consoleUrl,
    log,
    isLogPretty,
    tables,
    apps: apps.map(describeRunning),
    shutdownTimeout: timeout,
    close,
  };
}
