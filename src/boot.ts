import { mkdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { checkRules } from './auth/access.ts';
import { type AppAuthWithAccounts, openAppAuth } from './auth/open-app-auth.ts';
import { describeAuth } from './config/auth.ts';
import type { AppConfig, ServerConfig } from './config/config.ts';
import { describeSurprises } from './config/notices.ts';
import { type Overrides, overrideServer } from './config/overrides.ts';
import { AppHooks, loadHooks } from './hooks/app-hooks.ts';
import type { HookLists } from './hooks/exports.ts';
import { type Application, type OpenOptions, openApplication } from './resources/application.ts';
import { makeHandles, type TableHandle } from './resources/table-handle.ts';
import type { TransportName } from './schema/plan.ts';
import { loadProject, type ProjectApp } from './schema/project.ts';
import { Admission } from './server/admission.ts';
import { registerAccounts } from './server/auth-routes.ts';
import { registerAuthentication } from './server/authentication.ts';
import { CAPABILITIES } from './server/contract/capabilities.ts';
import { registerContract } from './server/contract/contract.ts';
import { type Lifecycle, registerHealth } from './server/health.ts';
import { createHttpServer } from './server/http-server.ts';
import { createLog, type Log } from './server/log.ts';
import { metricsAccess, registerMetrics } from './server/metrics.ts';
import { registerNotFound } from './server/not-found.ts';
import { closeAllSockets, closeIdleSockets } from './server/open-sockets.ts';
import { registerWeb } from './server/web.ts';
import { describeMetrics } from './start-metrics.ts';
import { TRANSPORT_LOADERS } from './transports/index.ts';
import type { Route } from './transports/routes/route.ts';
import type { Door, Endpoint, Transport, TransportContext } from './transports/transport.ts';

/** Milliseconds between looks for connections that have nothing to do any more, while the server stops. */
const IDLE_CHECK = 50;

/** First segments of URLs of the server itself. */
const SERVER_NAMES = ['auth', 'health', 'metrics', 'socket.io'];

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

interface OpenApp {
  readonly config: AppConfig;
  readonly application: Application;
  /** Undefined where nobody is asked who they are. */
  readonly auth: AppAuthWithAccounts | undefined;
  readonly hooks: AppHooks | undefined;
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
  const log = createLog(config);
  const lifecycle: Lifecycle = { ready: false, stopping: false };
  for (const { config: app } of apps) mkdirSync(app.dataDir, { recursive: true });
  const server = await createHttpServer(config, { dataDir: apps[0]?.config.dataDir ?? dir, lifecycle, log });
  const onError = (error: unknown) => log.error({ err: error }, 'fault');
  const opened: OpenApp[] = [];
  const transports: Door[] = [];
  const close = async () => stop(lifecycle, { log, server, transports, opened, timeout: config.limits.shutdown });
  try {
    for (const { config: app, plan } of apps) {
      const lists = hooks.get(app.appId);
      opened.push(await openApp({ app, plan, server: config, allowDestructive, log, onError, lists }));
    }
    guard(server, opened);
    const admission = new Admission(config.limits);
    const context: TransportContext = { config, admission, onError };
    transports.push(...(await registerTransports(server, opened, context)));
    transports.push(...(await registerGateway(server, opened, context)));
    const showsDetails = SHOWING.has(env.NODE_ENV ?? '');
    transports.push(...(await registerRoutes(server, opened, { ...context, routes, showsDetails })));
    registerHealth(server, lifecycle);
    registerMetrics(
      server,
      describeMetrics({ transports, applications: opened.map(({ application }) => application) }),
      metricsAccess(config),
    );
    registerContracts(server, opened, config);
    for (const { config: app } of opened) {
      if (app.web === undefined) continue;
      const folder = { path: `/${app.appId}`, dir: app.web, policy: app.webPolicy };
      await registerWeb(server, folder, config.compression);
    }
    registerNotFound(server, knownPaths(opened), ambiguousPaths(opened));
    await listen(server, config);
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

interface OpenAppOptions extends Pick<OpenOptions, 'app' | 'plan' | 'server' | 'allowDestructive' | 'onError'> {
  readonly log: Log;
  /** Its hooks, if it has any. */
  readonly lists: HookLists | undefined;
}

async function openApp({ log, lists, ...options }: OpenAppOptions): Promise<OpenApp> {
  const { app, server, onError } = options;
  const { appId } = app;
  const onNotice = (step: string) => log.info({ app: appId, step }, 'schema change');
  const onReuse = (user: string) => log.warn({ app: appId, user }, 'refresh token used twice: its login has ended');
  const hooks = lists && new AppHooks(lists, { timeout: app.hookTimeout, onError });
  const writeHooksOf = (table: string) => hooks?.writeHooksOf(table);
  const application = await openApplication({ ...options, onNotice, writeHooksOf });
  hooks?.bind(application);
  try {
    const auth = await openAppAuth(app, { limits: server.limits, onError, onReuse });
    if (auth !== undefined) application.streams.follow(auth.connections);
    return { config: app, application, auth, hooks };
  } catch (error) {
    await application.close();
    throw error;
  }
}

/** Has the doors of every application with `auth` ask who comes; before there are any. */
function guard(server: FastifyInstance, opened: readonly OpenApp[]): void {
  const tables = opened.flatMap(({ config, application, auth }) => {
    if (auth === undefined) return [];
    registerAccounts(server, [`/${config.appId}/auth`, ...(opened.length === 1 ? ['/auth'] : [])], auth);
    return [...application.resources].map(([name, { table }]) => ({ path: `/${config.appId}/${name}`, table, auth }));
  });
  if (tables.length > 0) registerAuthentication(server, tables);
}

async function registerTransports(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  context: TransportContext,
): Promise<Transport[]> {
  const transports: Transport[] = [];
  for (const name of Object.keys(TRANSPORT_LOADERS) as TransportName[]) {
    const endpoints = opened.flatMap((app) => endpointsOf(app, name));
    if (endpoints.length === 0) continue;
    const create = await TRANSPORT_LOADERS[name]();
    const transport = create(context);
    await transport.register(server, endpoints);
    transports.push(transport);
  }
  return transports;
}

/** The multiplexed protocol. With one application it is found without the application's name, too. */
async function registerGateway(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  context: TransportContext,
): Promise<Door[]> {
  const served = opened.filter(({ config: app }) => app.realtime.enabled);
  if (served.length === 0) return [];
  const { Gateway } = await import('./transports/gateway/gateway.ts');
  const gateway = new Gateway(context);
  const applications = served.map(({ config: { appId, realtime }, application: { resources }, auth, hooks }) => {
    const path = `/${appId}${realtime.path}`;
    return { paths: opened.length === 1 ? [path, realtime.path] : [path], resources, auth, hooks: hooks?.realtime };
  });
  await gateway.register(server, applications);
  return [gateway];
}

type RoutesByApp = ReadonlyMap<string, readonly Route[]>;

/** Nothing of it is loaded where no application has routes. */
async function loadRoutes(apps: readonly ProjectApp[], dir: string): Promise<RoutesByApp> {
  if (apps.every(({ config: { routes } }) => routes.length === 0)) return new Map();
  const { loadAllRoutes } = await import('./transports/routes/load.ts');
  return loadAllRoutes(apps, dir);
}

interface RoutesContext extends TransportContext {
  readonly routes: RoutesByApp;
  readonly showsDetails: boolean;
}

/** Routes in code. With one application they are found without the application's name, too. */
async function registerRoutes(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  { routes: byApp, ...context }: RoutesContext,
): Promise<Door[]> {
  if (byApp.size === 0) return [];
  const { Routes } = await import('./transports/routes/routes.ts');
  const door = new Routes(context);
  const applications = opened.map(({ config: { appId, routesPrefix }, application: { resources }, auth }) => {
    const isFree = opened.length === 1 && ![appId, ...SERVER_NAMES].includes(routesPrefix.split('/')[1] as string);
    const prefixes = [`/${appId}${routesPrefix}`, ...(isFree ? [routesPrefix] : [])];
    return { prefixes, routes: byApp.get(appId) ?? [], resources, auth };
  });
  await door.register(server, applications);
  return [door];
}

function registerContracts(server: FastifyInstance, opened: readonly OpenApp[], config: ServerConfig): void {
  const { limits, host, port, tls, compression } = config;
  for (const { config: app, application, auth } of opened) {
    if (!app.docs) continue;
    const source = {
      plan: application.plan,
      version: application.planTag,
      limits,
      host: `${formatHost(host)}:${port}`,
      secure: tls !== undefined,
      capabilities: CAPABILITIES,
      auth: auth !== undefined,
    };
    registerContract(server, source, compression);
  }
}

function endpointsOf({ config, application, auth, hooks }: OpenApp, transport: TransportName): Endpoint[] {
  const { resources, planTag } = application;
  return [...resources]
    .filter(([, { table }]) => table.transports.has(transport))
    .map(([name, resource]) => ({
      path: `/${config.appId}/${name}`,
      resource,
      planTag,
      auth,
      hooks: hooks?.realtime,
    }));
}

function knownPaths(opened: readonly OpenApp[]): { path: string; rest: boolean }[] {
  return opened.flatMap(({ config, application }) =>
    [...application.resources].map(([name, { table }]) => ({
      path: `/${config.appId}/${name}`,
      rest: table.transports.has('rest'),
    })),
  );
}

/** Where the multiplexed protocol is, for those who leave out the application although there are several. */
function ambiguousPaths(opened: readonly OpenApp[]): ReadonlyMap<string, readonly string[]> {
  const places = new Map<string, string[]>();
  if (opened.length === 1) return places;
  for (const { config: app } of opened) {
    if (!app.realtime.enabled) continue;
    for (const end of ['ws', 'subscribe']) {
      const path = `${app.realtime.path}/${end}`;
      places.set(path, [...(places.get(path) ?? []), `/${app.appId}${path}`]);
    }
  }
  return places;
}

async function listen(server: FastifyInstance, { host, port }: ServerConfig): Promise<void> {
  await server.listen({ host, port });
}

function urlOf(server: FastifyInstance, { host, tls }: ServerConfig): string {
  const { port } = server.server.address() as AddressInfo;
  return `${tls === undefined ? 'http' : 'https'}://${formatHost(host)}:${port}`;
}

/** An IPv6 address stands in brackets in a URL. */
function formatHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

interface Announcement {
  readonly url: string;
  readonly config: ServerConfig;
  readonly opened: readonly OpenApp[];
  readonly notices: readonly string[];
}

function announce(log: Log, { url, config, opened, notices }: Announcement): void {
  for (const notice of notices) log.warn(notice);
  for (const { config: app, application } of opened) {
    for (const { name, switchedOff } of application.plan.tables) {
      for (const { transport, by } of switchedOff) {
        log.info({ app: app.appId, table: name, transport, by }, 'transport is off');
      }
    }
  }
  const open = opened.filter(({ auth }) => auth === undefined).map(({ config: app }) => app.appId);
  for (const { config: app, auth } of opened) {
    if (auth !== undefined) log.info({ app: app.appId, auth: describeAuth(auth.config) }, 'callers say who they are');
  }
  if (open.length > 0) {
    const message = 'there is no authentication: whoever reaches this address may use what is public';
    log.warn({ host: config.host, apps: open }, message);
  }
  log.info({ url, apps: opened.map(({ config: app }) => app.appId) }, 'listening');
}

interface Running {
  readonly log: Log;
  readonly server: FastifyInstance;
  readonly transports: readonly Door[];
  readonly opened: readonly OpenApp[];
  readonly timeout: number;
}

async function stop(lifecycle: Lifecycle, { log, server, transports, opened, timeout }: Running): Promise<void> {
  if (lifecycle.stopping) return;
  lifecycle.stopping = true;
  const { ready } = lifecycle;
  if (ready) log.info('stopping');
  for (const transport of transports) transport.stop();
  for (const { application } of opened) application.streams.stop();
  const deadline = setTimeout(() => {
    for (const transport of transports) transport.abort();
    closeAllSockets(server);
  }, timeout);
  // A connection that was answering a request becomes idle only now, and its client may keep it for long.
  const idle = setInterval(() => closeIdleSockets(server), IDLE_CHECK);
  await server.close();
  clearInterval(idle);
  await Promise.all(transports.map((transport) => transport.settled?.()));
  clearTimeout(deadline);
  for (const { application, auth, hooks } of opened.toReversed()) {
    auth?.close();
    await hooks?.close();
    await application.close();
  }
  if (ready) log.info('stopped');
}
