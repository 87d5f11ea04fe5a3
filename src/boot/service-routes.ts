import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { registerAdmin } from '../admin/admin.ts';
import { AdminStreams } from '../admin/streams.ts';
import { describeRoomRules } from '../auth/rooms/explain.ts';
import type { ServerConfig } from '../config/config.ts';
import { formatHost, isSecure, localHostOf } from '../config/loopback.ts';
import { ownPath } from '../config/reserved-paths.ts';
import type { HasShortAddress } from '../config/short-addresses.ts';
import { CAPABILITIES } from '../openapi/capabilities.ts';
import { registerContract } from '../openapi/contract.ts';
import type { Described } from '../openapi/contract-operation.ts';
import { AUDIT_NAME } from '../schema/names.ts';
import { registerAuthentication } from '../server/auth/authentication.ts';
import { registerAccounts } from '../server/auth/routes.ts';
import { registerNotFound } from '../server/not-found.ts';
import { registerAudit } from '../server/operations/audit.ts';
import { metricsAccess } from '../server/operations/metrics.ts';
import { registerClientModules, type ServedModule } from '../server/web/client-module.ts';
import { registerWeb } from '../server/web/files.ts';
import { FallbackPages, type ListedApp } from '../server/web/start-page.ts';
import { tablesOf } from '../transports/endpoint.ts';
import type { NamedPart, TransportContext } from '../transports/transport.ts';
import { registerConsoleOf } from './console-page.ts';
import type { OpenApp } from './open-app.ts';

const CLIENT_MODULE = 'client.js';
const CONNECTOR_MODULE = 'client-connector.js';

/** Installs authentication for every application with `auth`. Must run before any transport takes its addresses. */
export function installAuthentication(server: FastifyInstance, opened: readonly OpenApp[]): void {
  const tables = opened.flatMap(({ config: { appId }, application, auth, hasShortAddress }) => {
    if (auth === undefined) return [];
    registerAccounts(server, addressesOf(appId, 'auth', hasShortAddress), auth);
    return [...application.resources].map(([name, { table }]) => ({ path: `/${appId}/${name}`, table, auth }));
  });
  if (tables.length > 0) registerAuthentication(server, tables);
}

/**
 * Registers the routes of applications that belong to no table: audit log, API documents, files; and 404 for the rest. Returns
 * the streams among them.
 */
export async function registerServiceRoutes(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  context: Pick<TransportContext, 'config' | 'admission'>,
): Promise<NamedPart> {
  const { config, admission } = context;
  const streams = new AdminStreams(context);
  const { console: settings } = config;
  for (const app of opened) {
    if (settings.enabled) await registerAdmin(server, { ...app, server: config, admission }, streams);
    registerAuditLog(server, app, config);
    registerDocuments(server, app, config);
  }
  await registerFiles(server, opened, config);
  const inConsole = registerConsoleOf(server, opened, config);
  const pages = new FallbackPages(listApps(opened, new Set(inConsole.map(({ appId }) => appId))));
  registerNotFound(server, knownPaths(opened), ambiguousPaths(opened), { pages });
  return streams;
}

/** Returns the addresses of an endpoint: below `_`, the alias beside the tables, and for the default application the short one. */
function addressesOf(appId: string, name: string, hasShortAddress: HasShortAddress): string[] {
  return [ownPath(appId, name), `/${appId}/${name}`, ...(hasShortAddress(name) ? [`/${name}`] : [])];
}

/** Registers the audit log. */
function registerAuditLog(
  server: FastifyInstance,
  { config: { appId }, application, auth, hasShortAddress }: OpenApp,
  { compression }: ServerConfig,
): void {
  if (application.audit === undefined) return;
  const paths = addressesOf(appId, AUDIT_NAME, hasShortAddress);
  registerAudit(server, { paths, trail: application.audit, auth, compression });
}

/** Registers the API page and its documents. */
function registerDocuments(server: FastifyInstance, app: OpenApp, config: ServerConfig): void {
  if (!app.config.docs) return;
  const { limits, host, port, tls, compression } = config;
  const { application, auth } = app;
  const source = {
    plan: application.plan,
    version: application.planTag,
    limits,
    host: `${formatHost(localHostOf(host))}:${port}`,
    secure: isSecure({ tls }),
    capabilities: CAPABILITIES,
    auth: auth !== undefined,
    live: app.config.realtime.enabled,
    rooms: describeRoomRules(application.roomAccess?.rules.rules),
  };
  const describe = () => describeOperations(app, config);
  const page = { hasOwnPage: app.config.web !== undefined, hasUsers: auth?.config.users === true };
  registerContract(server, { source, describe, page, compression });
}

/** Registers the client for pages and the static files of the applications. */
async function registerFiles(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  { compression }: ServerConfig,
): Promise<void> {
  registerClientModules(server, clientModules(opened), compression);
  for (const { config: app } of opened) {
    if (app.web === undefined) continue;
    await registerWeb(server, { path: `/${app.appId}`, dir: app.web, policy: app.webPolicy }, compression);
  }
}

/** Returns the paths of the client for pages. A file of that name in an application's own folder replaces the alias. */
function clientModules(opened: readonly OpenApp[]): ServedModule[] {
  return opened.flatMap(({ config: { appId, web } }) => {
    const isReplaced = web !== undefined && existsSync(join(web, CLIENT_MODULE));
    const paths = [ownPath(appId, CLIENT_MODULE), ...(isReplaced ? [] : [`/${appId}/${CLIENT_MODULE}`])];
    return [
      ...paths.map((path): ServedModule => ({ path, file: 'client-page.js' })),
      // Loaded by the client for a connector with a port of its own.
      { path: ownPath(appId, CONNECTOR_MODULE), file: 'client-connector.js' },
    ];
  });
}

/** Returns what the start page lists: applications whose API is documented for anonymous callers. */
function listApps(opened: readonly OpenApp[], inConsole: ReadonlySet<string>): ListedApp[] {
  return opened
    .filter(({ config }) => config.docs)
    .map(({ config: { appId, web }, application: { resources } }) => ({
      appId,
      hasPage: web !== undefined,
      hasConsole: inConsole.has(appId),
      tables: [...resources.keys()],
    }));
}

/** Returns the paths of tables, for the response to a wrong method. */
function knownPaths(opened: readonly OpenApp[]): { path: string; rest: boolean }[] {
  return opened.flatMap(({ config, application }) =>
    [...application.resources].map(([name, { table }]) => ({
      path: `/${config.appId}/${name}`,
      rest: table.transports.has('rest'),
    })),
  );
}

/** Returns paths of the multiplexed protocol without an app id, with the paths that a client may have meant. */
function ambiguousPaths(opened: readonly OpenApp[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  if (opened.length === 1) return found;
  for (const { config: app } of opened) {
    if (!app.realtime.enabled) continue;
    for (const end of ['ws', 'subscribe']) {
      const path = `${app.realtime.path}/${end}`;
      found.set(path, [...(found.get(path) ?? []), `/${app.appId}${path}`]);
    }
  }
  return found;
}

/** Collects the descriptions of an application's operations that belong to no table, for its API documents. */
export async function describeOperations(
  { config: app, application, auth, routes, flows }: OpenApp,
  server: ServerConfig,
): Promise<readonly Described[]> {
  const described: Described[] = [];
  if (routes.length > 0) {
    const { describeRouteOperations } = await import('../transports/routes/contract.ts');
    described.push(describeRouteOperations(routes, app.routesPrefix));
  }
  if (flows !== undefined) {
    const { describeFlowOperations } = await import('../connectors/flows/contract.ts');
    described.push(describeFlowOperations(flows));
  }
  const tables = [...tablesOf(application, 'rest').keys()];
  if (tables.length > 0) {
    const { describeTransactions } = await import('../transports/transactions/contract.ts');
    described.push(describeTransactions(tables, server.limits));
  }
  if (app.realtime.enabled) {
    const { describeGateway } = await import('../transports/multiplex/contract.ts');
    described.push(describeGateway(app.realtime.path));
    const { describeLive } = await import('../transports/live/contract.ts');
    described.push(describeLive());
  }
  if (auth !== undefined) {
    const { describeAuthRoutes } = await import('../openapi/operations/auth.ts');
    described.push(describeAuthRoutes(auth.config));
  }
  const { describeServer } = await import('../openapi/operations/server.ts');
  return [...described, describeServer(metricsAccess(server))];
}
