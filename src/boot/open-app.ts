import { type AppAuthWithAccounts, openAppAuth } from '../auth/open-app-auth.ts';
import type { AppConfig } from '../config/config.ts';
import { AppHooks } from '../hooks/app-hooks.ts';
import type { HookLists } from '../hooks/exports.ts';
import type { Application } from '../resources/application.ts';
import type { Log } from '../server/operations/log.ts';
import { type OpenOptions, openApplication } from './application.ts';

/** One application at work. */
export interface OpenApp {
  readonly config: AppConfig;
  readonly application: Application;
  /** Undefined where nobody is asked who they are. */
  readonly auth: AppAuthWithAccounts | undefined;
  readonly hooks: AppHooks | undefined;
}

export interface OpenAppOptions extends Pick<OpenOptions, 'app' | 'plan' | 'server' | 'allowDestructive' | 'onError'> {
  readonly log: Log;
  /** Its hooks, if it has any. */
  readonly lists: HookLists | undefined;
}

export async function openApp({ log, lists, ...options }: OpenAppOptions): Promise<OpenApp> {
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
