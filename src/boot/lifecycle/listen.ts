import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { describeAuth } from '../../config/auth.ts';
import type { ServerConfig } from '../../config/config.ts';
import { formatHost, isSecure } from '../../config/loopback.ts';
import { describeSurprises } from '../../config/notices.ts';
import type { Log } from '../../server/operations/log.ts';
import { consoleUrlOf, describeOmitted } from '../console-page.ts';
import { ControlServer } from '../control/server.ts';
import type { OpenApp } from '../open-app.ts';

interface Listening {
  readonly config: ServerConfig;
  readonly opened: readonly OpenApp[];
  readonly log: Log;
}

/** Listens for clients, and for the commands of this machine. */
export async function listen(server: FastifyInstance, { config, opened, log }: Listening): Promise<void> {
  try {
    const control = await ControlServer.open(opened, config);
    server.addHook('onClose', () => control.close());
  } catch (error) {
    log.warn({ err: error }, 'import and seed cannot reach this server');
  }
  await server.listen({ host: config.host, port: config.port });
}

/** Returns the URLs of a listening server and of its console, with the actual port. */
export function addressesOf(
  server: FastifyInstance,
  opened: readonly OpenApp[],
  config: ServerConfig,
): { readonly url: string; readonly consoleUrl: string | undefined } {
  const { port } = server.server.address() as AddressInfo;
  const url = `${isSecure(config) ? 'https' : 'http'}://${formatHost(config.host)}:${port}`;
  return { url, consoleUrl: consoleUrlOf(url, opened, config) };
}

export interface Announcement {
  readonly url: string;
  readonly config: ServerConfig;
  readonly opened: readonly OpenApp[];
  readonly notices: readonly string[];
}

/** Writes to the log what an operator should know: where the server listens, what is off, and what is open. */
export function announce(log: Log, { url, config, opened, notices }: Announcement): void {
  for (const notice of [...notices, ...describeSurprises(config)]) log.warn(notice);
  const omitted = describeOmitted(opened, config);
  if (omitted !== undefined) log.warn(omitted);
  for (const { config: app, application } of opened) {
    for (const { name, switchedOff } of application.plan.tables) {
      for (const { transport, by } of switchedOff) {
        log.info({ app: app.appId, table: name, transport, by }, 'transport is off');
      }
    }
  }
  const open = opened.filter(({ auth }) => auth === undefined).map(({ config: app }) => app.appId);
  for (const { config: app, auth } of opened) {
    if (auth !== undefined) log.info({ app: app.appId, auth: describeAuth(auth.config) }, 'authentication is on');
  }
  if (open.length > 0) {
    const message = 'authentication is off: anyone who can reach this address can use the public API';
    log.warn({ host: config.host, apps: open }, message);
  }
  log.info({ url, apps: opened.map(({ config: app }) => app.appId) }, 'listening');
}
