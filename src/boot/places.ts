import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { ServerConfig } from '../config/config.ts';
import { CAPABILITIES } from '../openapi/capabilities.ts';
import { registerContract } from '../openapi/contract.ts';
import { AUDIT_NAME } from '../schema/names.ts';
import { registerAuthentication } from '../server/auth/authentication.ts';
import { registerAccounts } from '../server/auth/routes.ts';
import { registerAudit } from '../server/operations/audit.ts';
import { registerClientModule } from '../server/web/client-module.ts';
import { registerWeb } from '../server/web/files.ts';
import type { OpenApp } from './open-app.ts';
import { formatHost } from './url.ts';

/** Has the doors of every application with `auth` ask who comes; before there are any. */
export function guard(server: FastifyInstance, opened: readonly OpenApp[]): void {
  const tables = opened.flatMap(({ config, application, auth }) => {
    if (auth === undefined) return [];
    registerAccounts(server, [`/${config.appId}/auth`, ...(opened.length === 1 ? ['/auth'] : [])], auth);
    return [...application.resources].map(([name, { table }]) => ({ path: `/${config.appId}/${name}`, table, auth }));
  });
  if (tables.length > 0) registerAuthentication(server, tables);
}

/** The audit logs. With one application its log is found without the application's name, too, unless that is the name. */
export function registerAudits(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  { compression }: ServerConfig,
): void {
  for (const { config, application, auth } of opened) {
    if (application.audit === undefined) continue;
    const isFree = opened.length === 1 && config.appId !== AUDIT_NAME;
    const paths = [`/${config.appId}/${AUDIT_NAME}`, ...(isFree ? [`/${AUDIT_NAME}`] : [])];
    registerAudit(server, { paths, trail: application.audit, auth, compression });
  }
}

/** The API page and its documents. */
export function registerContracts(server: FastifyInstance, opened: readonly OpenApp[], config: ServerConfig): void {
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

const CLIENT_MODULE = 'client.js';

/** Where the client for pages is; a file of that name in an application's own folder goes before it. */
function clientPaths(opened: readonly OpenApp[]): string[] {
  return opened
    .filter(({ config: { web } }) => web === undefined || !existsSync(join(web, CLIENT_MODULE)))
    .map(({ config: { appId } }) => `/${appId}/${CLIENT_MODULE}`);
}

/** The client for pages, and the static files of the applications. */
export async function registerFiles(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  { compression }: ServerConfig,
): Promise<void> {
  registerClientModule(server, clientPaths(opened), compression);
  for (const { config: app } of opened) {
    if (app.web === undefined) continue;
    await registerWeb(server, { path: `/${app.appId}`, dir: app.web, policy: app.webPolicy }, compression);
  }
}

/** Where tables are, for those who ask there for what is not. */
export function knownPaths(opened: readonly OpenApp[]): { path: string; rest: boolean }[] {
  return opened.flatMap(({ config, application }) =>
    [...application.resources].map(([name, { table }]) => ({
      path: `/${config.appId}/${name}`,
      rest: table.transports.has('rest'),
    })),
  );
}

/** Where the multiplexed protocol is, for those who leave out the application although there are several. */
export function ambiguousPaths(opened: readonly OpenApp[]): ReadonlyMap<string, readonly string[]> {
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
