import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { ServerConfig } from '../config/config.ts';
import { isPrivate } from '../config/loopback.ts';
import { findConsoleFolder } from '../server/web/console-files.ts';
import { CONSOLE_PATH, type ConsoleApp, registerConsole } from '../server/web/console-routes.ts';
import type { OpenApp } from './open-app.ts';

/** Answer where nothing asks callers who they are. */
const REFUSAL =
  'The console is not served here: authentication is off, and other machines can connect. Configure `auth`.';

/**
 * Registers the console. Returns the applications that it shows; none where it is off or not built. Runs after everything
 * that could take `/{app_id}/console`.
 */
export function registerConsoleOf(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  config: ServerConfig,
  folder = findConsoleFolder(),
): readonly ConsoleApp[] {
  const { console: settings, compression } = config;
  if (!settings.enabled) return [];
  const apps = opened.filter((app) => isShown(app, config)).map((app) => toConsoleApp(server, app, config));
  const refusal = apps.length > 0 ? undefined : REFUSAL;
  registerConsole(server, { apps, refusal, folder, config: settings, compression });
  return isBuilt(folder) ? apps : [];
}

/** True where callers are asked for credentials, or where only this machine can connect. */
function isShown({ auth }: Pick<OpenApp, 'auth'>, config: ServerConfig): boolean {
  return auth !== undefined || isPrivate(config);
}

/** Returns the sentence for the log about applications that the console does not show; undefined when it shows all. */
export function describeOmitted(opened: readonly OpenApp[], config: ServerConfig): string | undefined {
  const { console: settings } = config;
  const omitted = opened.filter((app) => settings.enabled && !isShown(app, config));
  if (omitted.length === 0) return undefined;
  const ids = omitted.map(({ config: { appId } }) => appId).join(', ');
  const why = config.trustProxy ? 'a proxy forwards requests of other machines' : 'other machines can connect';
  return `the console does not show ${ids}: authentication is off, and ${why}`;
}

/** Returns the address of the console for the banner; undefined where it is not served or not built. */
export function consoleUrlOf(
  url: string,
  apps: readonly Pick<OpenApp, 'auth'>[],
  config: ServerConfig,
): string | undefined {
  const { console: settings } = config;
  const isServed = settings.enabled && isBuilt(findConsoleFolder()) && apps.some((app) => isShown(app, config));
  return isServed ? `${url}${CONSOLE_PATH}/` : undefined;
}

function isBuilt(folder: string | undefined): boolean {
  return folder !== undefined && existsSync(join(folder, 'index.html'));
}

function toConsoleApp(server: FastifyInstance, { config: app, application, auth }: OpenApp, config: ServerConfig) {
  const { appId, docs, web } = app;
  const isTaken =
    application.resources.has('console') ||
    (web !== undefined && existsSync(join(web, 'console'))) ||
    server.hasRoute({ method: 'GET', url: `/${appId}/console` });
  return {
    appId,
    auth: auth === undefined ? 'none' : auth.config.users ? 'users' : 'token',
    signup: auth?.config.signup === true,
    adminRole: auth?.config.adminRole,
    page: web !== undefined,
    docs,
    isListed: docs || isPrivate(config),
    hasAlias: !isTaken,
  } as const;
}
