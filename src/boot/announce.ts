import { describeAuth } from '../config/auth.ts';
import type { ServerConfig } from '../config/config.ts';
import type { Log } from '../server/operations/log.ts';
import type { OpenApp } from './open-app.ts';

export interface Announcement {
  readonly url: string;
  readonly config: ServerConfig;
  readonly opened: readonly OpenApp[];
  readonly notices: readonly string[];
}

/** What whoever runs the server should know, in its log. */
export function announce(log: Log, { url, config, opened, notices }: Announcement): void {
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
