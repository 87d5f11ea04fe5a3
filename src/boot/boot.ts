import { mkdirSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { checkRules } from '../auth/policy/access.ts';
import type { ServerConfig } from '../config/config.ts';
import { describeSurprises } from '../config/notices.ts';
import { type Overrides, overrideServer } from '../config/overrides.ts';
import type { AppFlows } from '../connectors/flows/app-flows.ts';
import { loadHooks } from '../hooks/app-hooks.ts';
import { makeHandles, type TableHandle } from '../resources/table/handle.ts';
import type { ProjectApp } from '../schema/project-app.ts';
import { createHttpServer } from '../server/http-server.ts';
import { Admission } from '../server/limits/admission.ts';
import { trimAfterBursts } from '../server/node/memory-trim.ts';
import { registerNotFound } from '../server/not-found.ts';
import { type Lifecycle, registerHealth } from '../server/operations/health.ts';
import { createLog, type Log } from '../server/operations/log.ts';
import { metricsAccess, registerMetrics } from '../server/operations/metrics.ts';
import type { Door } from '../transports/transport.ts';
import { announce } from './announce.ts';
import { loadRoutes, registerDoors } from './doors.ts';
import { loadFlowsIfAny, openFlows } from './flows.ts';
import { describeMetrics } from './metrics.ts';
import { type OpenApp, openApp } from './open-app.ts';
import { ambiguousPaths, guard, knownPaths, registerAudits, registerContracts, registerFiles } from './places.ts';
import { loadProject } from './project.ts';
import { stop } from './shutdown.ts';
import { urlOf } from './url.ts';

/** Values of NODE_ENV with which clients are told what went wrong in a handler. */
const SHOWING: ReadonlySet<string> = new Set(['development', 'test']);

export interface StartOptions extends Overrides {
  /** An application folder, or a folder of them. */
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
  /** Schema changes that lose data are made instead of refused. */
  readonly allowDestructive: boolean;
}

export interface RunningServer {
  /** Where it listens, with the port that was taken. */
  readonly url: string;
  readonly log: Log;
  /** Tables for code that runs beside the server, by application and export name; it may do everything. */
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, TableHandle>>;
  /** What it serves. */
  readonly apps: readonly ProjectApp[];
  /** How long `close` may take, in milliseconds, before the process had better be ended. */
  readonly shutdownTimeout: number;
  /** Stops without losing anything: no new requests, streams told to come back, writes finished, store closed. */
  close(): Promise<void>;
}

/** Starts everything, in this order; `close` runs it backwards. Throws StartError before anything is created. */
export async function startServer({ dir, env, allowDestructive, ...overrides }: StartOptions): Promise<RunningServer> {
  const { server: written, apps, notices } = loadProject(dir, env, checkRules);
  const config = overrideServer(
    written,
    apps.map((app) => app.config),
    overrides,
  );
  const hooks = await loadHooks(apps, dir);
  const routes = await loadRoutes(apps, dir);
  const flowPlans = await loadFlowsIfAny(apps);
  const log = createLog(config);
  const lifecycle: Lifecycle = { ready: false, stopping: false };
  for (const { config: app } of apps) mkdirSync(app.dataDir, { recursive: true });
  const server = await createHttpServer(config, { dataDir: apps[0]?.config.dataDir ?? dir, lifecycle, log });
  const onError = (error: unknown) => log.error({ err: error }, 'fault');
  const opened: OpenApp[] = [];
  const doors: Door[] = [];
  const flows: AppFlows[] = [];
  const close = async () => stop(lifecycle, { log, server, doors, opened, flows, timeout: config.limits.shutdown });
  try {
    for (const { config: app, plan } of apps) {
      const lists = hooks.get(app.appId);
      opened.push(await openApp({ app, plan, server: config, allowDestructive, log, onError, lists }));
    }
    guard(server, opened);
    const context = { config, admission: new Admission(config.limits), onError };
    trimAfterBursts(server, context.admission);
    const showsDetails = SHOWING.has(env.NODE_ENV ?? '');
    flows.push(...(await openFlows(opened, flowPlans, { ...context, log })));
    doors.push(...(await registerDoors(server, opened, { ...context, routes, flows, showsDetails })));
    for (const one of flows) await one.register(server);
    registerHealth(server, lifecycle);
    const applications = opened.map(({ application }) => application);
    registerMetrics(server, describeMetrics({ doors, applications, flows }), metricsAccess(config));
    registerAudits(server, opened, config);
    registerContracts(server, opened, config);
    await registerFiles(server, opened, config);
    registerNotFound(server, knownPaths(opened), ambiguousPaths(opened));
    await listen(server, config);
    for (const one of flows) await one.start();
  } catch (error) {
    await close();
    throw error;
  }
  lifecycle.ready = true;
  const url = urlOf(server, config);
  announce(log, { url, config, opened, notices: [...notices, ...describeSurprises(config)] });
  const tables = new Map(opened.map(({ config: app, application }) => [app.appId, makeHandles(application.resources)]));
  return { url, log, tables, apps, shutdownTimeout: config.limits.shutdown, close };
}

async function listen(server: FastifyInstance, { host, port }: ServerConfig): Promise<void> {
  await server.listen({ host, port });
}
