import { type AppAuthWithAccounts, openAppAuth } from '../auth/open-app-auth.ts';
import type { AppConfig, ServerConfig } from '../config/config.ts';
import { type HasShortAddress, makeHasShortAddress } from '../config/short-addresses.ts';
import type { AppFlows } from '../connectors/flows/app-flows.ts';
import type { AppError } from '../errors.ts';
import { AppHooks } from '../hooks/app-hooks.ts';
import type { Application } from '../resources/application.ts';
import type { TableHandle } from '../resources/table/handle.ts';
import { makeHandles } from '../resources/table/make-handle.ts';
import type { ProjectApp } from '../schema/project-app.ts';
import type { Admission } from '../server/limits/admission.ts';
import type { Log } from '../server/operations/log.ts';
import type { Allowance } from '../store/store.ts';
import type { Route } from '../transports/routes/route.ts';
import { openApplication } from './application.ts';
import type { Modules } from './modules.ts';
import { isCurrent } from './operations.ts';

/** Milliseconds between two checks that the rights of callers can be known. */
const RIGHTS_CHECK_MS = 500;

/** Running application. */
export interface OpenApp {
  readonly config: AppConfig;
  readonly application: Application;
  /** Undefined where authentication is off. */
  readonly auth: AppAuthWithAccounts | undefined;
  readonly hooks: AppHooks | undefined;
  readonly routes: readonly Route[];
  /** Tables by export name, with all rights. */
  readonly tables: ReadonlyMap<string, TableHandle>;
  /** Undefined where the application has neither connectors nor flows. */
  readonly flows: AppFlows | undefined;
  /** Short addresses of the application. */
  readonly hasShortAddress: HasShortAddress;
  /** Finishes writes and hooks, and closes the store. */
  close(): Promise<void>;
}

export interface OpenAppOptions {
  readonly server: ServerConfig;
  readonly modules: Modules;
  readonly admission: Admission;
  readonly allowDestructive: Allowance;
  /** All applications of the server. */
  readonly apps: readonly AppConfig[];
  readonly log: Log;
  readonly onError: (error: unknown) => void;
}

/** Opens store, hooks, accounts and flows of one application, in this order; what was opened is closed on failure. */
export async function openApp({ config, plan }: ProjectApp, options: OpenAppOptions): Promise<OpenApp> {
  const { server, modules, log, onError, allowDestructive } = options;
  const hasShortAddress = makeHasShortAddress(config, options.apps);
  const { appId } = config;
  const onNotice = (step: string) => log.info({ app: appId, step }, 'schema change');
  const onWarning = (sentence: string) => log.warn({ app: appId }, sentence);
  const onStorage = (failure: AppError | undefined) => logStorage(log, config, failure);
  const onReuse = (user: string) => log.warn({ app: appId, user }, 'refresh token used twice: its login has ended');
  const lists = modules.hooks.get(appId);
  const hooks = lists && new AppHooks(lists, { timeout: config.hookTimeout, onError });
  const writeHooksOf = (table: string) => hooks?.writeHooksOf(table);
  const application = await openApplication({
    app: config,
    plan,
    server,
    allowDestructive,
    onError,
    onNotice,
    onWarning,
    onStorage,
    writeHooksOf,
  });
  hooks?.bind(application);
  const opened: (() => Promise<void> | void)[] = [() => application.close(), () => hooks?.close()];
  const close = async () => {
    for (const one of opened.toReversed()) await one();
  };
  try {
    const auth = await openAppAuth(config, { limits: server.limits, health: application.storage, onError, onReuse });
    opened.push(() => auth?.close());
    if (auth !== undefined) {
      application.streams.follow(auth.connections);
      opened.push(endConnectionsWhileBehind(auth, { application, config }));
    }
    const flows = await openFlows({ config, application, auth, hooks, hasShortAddress }, options);
    opened.push(() => flows?.close());
    const tables = makeHandles(application.resources);
    return {
      config,
      application,
      auth,
      hooks,
      routes: modules.routes.get(appId) ?? [],
      tables,
      flows,
      hasShortAddress,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Ends the connections of authenticated callers while the store cannot be read. Returns a function that ends this. */
function endConnectionsWhileBehind(
  { connections }: Pick<AppAuthWithAccounts, 'connections'>,
  app: Pick<OpenApp, 'application' | 'config'>,
): () => void {
  if (app.application.log.shared === undefined) return () => {};
  const timer = setInterval(() => {
    if (!isCurrent(app)) connections.endAll();
  }, RIGHTS_CHECK_MS).unref();
  return () => clearInterval(timer);
}

async function openFlows(
  { hooks, ...opened }: Pick<OpenApp, 'config' | 'application' | 'auth' | 'hooks' | 'hasShortAddress'>,
  { modules, server, admission, log, onError }: OpenAppOptions,
): Promise<AppFlows | undefined> {
  const plan = modules.flows.get(opened.config.appId);
  if (plan === undefined) return undefined;
  const { openAppFlows } = await import('../connectors/flows/app-flows.ts');
  return openAppFlows(plan, { ...opened, hooks: hooks?.realtime, server, admission, log, onError });
}

/** Logs once when writes to the storage begin to fail, with what the system says, and once when that ends. */
function logStorage(log: Log, { appId, dataDir }: AppConfig, failure: AppError | undefined): void {
  const fields = { app: appId, dir: dataDir };
  if (failure === undefined) {
    log.info(fields, 'storage can be written again');
    return;
  }
  const { code, cause, message } = failure;
  const reason = cause instanceof Error ? cause.message : undefined;
  log.error({ ...fields, code, cause: reason }, `storage cannot be written: ${message}`);
}
