import { rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { type AppAuth, openAuth } from '../../src/auth/app-auth.ts';
import type { AuthConfig } from '../../src/config/config.ts';
import { Report } from '../../src/config/files/report.ts';
import type {
  Connector,
  ConnectorContext,
  ConnectorType,
  Delivery,
  FlowEvent,
} from '../../src/connectors/connector.ts';
import { CONNECTOR_LOADERS } from '../../src/connectors/index.ts';
import type { Application } from '../../src/resources/application.ts';
import { createHttpServer } from '../../src/server/http-server.ts';
import { Admission } from '../../src/server/limits/admission.ts';
import { registerNotFound } from '../../src/server/not-found.ts';
import type { Lifecycle } from '../../src/server/operations/health.ts';
import { createLog } from '../../src/server/operations/log.ts';
import { loadAllRoutes } from '../../src/transports/routes/load.ts';
import { Routes } from '../../src/transports/routes/routes.ts';
import { MemoryAccounts } from '../support/accounts.ts';
import { openProject } from '../support/engine.ts';
import { mountedApp } from '../support/mounted-app.ts';

const SCHEMA = 'type Note @table @export { id: ID! @primaryKey }\n';

export type Listener = (event: FlowEvent) => unknown;

export interface HouseOptions {
  /** Content of `connectors:`, such as `ws: {type: websocket}`; the first one is opened. */
  readonly connector: string;
  /** The rest of config.yaml. */
  readonly config?: string;
  /** Functions in place of flows, by operation. */
  readonly on?: Readonly<Record<string, Listener>>;
  /** A module with routes in code. */
  readonly routes?: string;
}

/** A server with one connector, and a test in the place of flows. Use it with `await using`. */
export class RoomHostHarness implements AsyncDisposable {
  readonly connector: Connector;
  readonly admission: Admission;
  readonly auth: AppAuth | undefined;
  readonly accounts: MemoryAccounts;
  /** Errors that were reported. */
  readonly faults: readonly unknown[];
  /** Lines that were logged. */
  readonly logged: readonly object[];
  readonly #server: FastifyInstance;
  readonly #application: Application;
  readonly #lifecycle: Lifecycle;

  static async open({ connector: written, config = '', on = {}, routes }: HouseOptions): Promise<RoomHostHarness> {
    const yaml = `logging: {level: silent}\nconnectors:\n  ${written}\n${config}${routes === undefined ? '' : 'routes: routes.js\n'}`;
    const files = { 'schema.graphql': SCHEMA, 'config.yaml': yaml, 'routes.js': routes ?? '' };
    const project = await openProject(files, { host: '127.0.0.1', port: 0 });
    const { dir, server, config: app, plan, application, faults, onError } = project;
    const [[name, section]] = [...(app.connectors?.members ?? [])] as [[string, never]];
    const { type, settings } = await readConnector({ name, section, app, plan });
    const logged: object[] = [];
    const accounts = new MemoryAccounts();
    const auth = typeof app.auth === 'object' ? await openAuth(app.auth as AuthConfig, { accounts }) : undefined;
    const lifecycle = { ready: true, stopping: false };
    const log = createLog(server);
    log.info = ((line: object) => void logged.push(line)) as typeof log.info;
    const http = await createHttpServer(server, { dataDir: dir, lifecycle, log });
    const admission = new Admission(server.limits);
    const connector = type.create(settings, {
      ...{ name, appId: app.appId, application, auth, server, dataDir: dir, admission, log, onError },
      pathsOf: (path: string) => [`/${app.appId}${path}`, path],
    } as unknown as ConnectorContext);
    const door = new Routes({ config: server, admission, onError, showsDetails: true });
    const byApp = routes === undefined ? undefined : await loadAllRoutes([project], dir);
    for (const [operation, listener] of Object.entries(on)) {
      const source = { flow: operation, operation, settings: {}, section };
      connector.listen(source, async (event) => listener(event));
    }
    const opened = { connector, admission, auth, accounts, faults, logged, server: http, application, lifecycle };
    try {
      await connector.register(http);
      if (byApp !== undefined) {
        const rooms = new Map(connector.rooms === undefined ? [] : [[name, connector.rooms]]);
        await door.register(http, [mountedApp(app, application, { routes: byApp.get(app.appId) ?? [], auth, rooms })]);
      }
      registerNotFound(http, []);
      await http.listen({ host: '127.0.0.1', port: 0 });
      await connector.start();
    } catch (error) {
      await new RoomHostHarness(opened)[Symbol.asyncDispose]();
      rmSync(dirname(dir), { recursive: true, force: true });
      throw error;
    }
    return new RoomHostHarness(opened);
  }

  private constructor(opened: Opened) {
    this.connector = opened.connector;
    this.admission = opened.admission;
    this.auth = opened.auth;
    this.accounts = opened.accounts;
    this.faults = opened.faults;
    this.logged = opened.logged;
    this.#server = opened.server;
    this.#application = opened.application;
    this.#lifecycle = opened.lifecycle;
  }

  /** `http://127.0.0.1:…`, of the server or of the port of the connector itself. */
  get origin(): string {
    const own = this.logged.find((line): line is { url: string } => 'url' in line);
    if (own !== undefined) return new URL(own.url.replace('0.0.0.0', '127.0.0.1')).origin;
    return `http://127.0.0.1:${(this.#server.server.address() as AddressInfo).port}`;
  }

  get port(): number {
    return Number(new URL(this.origin).port);
  }

  ws(path = '/ws'): string {
    return `${this.origin.replace('http', 'ws')}${path}`;
  }

  /** Delivers as a flow would: `target` is the value of its expression. */
  send(operation: string, output: Readonly<Record<string, unknown>>, target?: unknown): Promise<unknown> {
    const use = { flow: 'f', operation, settings: {}, target: undefined, section: undefined as never };
    const delivery = { output, target, key: 'k', flow: 'f', signal: new AbortController().signal };
    return this.connector.target(use)({ ...delivery, identity: { type: 'server' } } as Delivery);
  }

  /** As the server stops. */
  async stop(): Promise<void> {
    this.#lifecycle.stopping = true;
    await this.connector.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connector.abort();
    await this.stop();
    await this.#server.close();
    await this.connector.close();
    this.auth?.close();
    await this.#application.close();
  }
}

interface Opened extends Pick<RoomHostHarness, 'connector' | 'admission' | 'auth' | 'accounts' | 'faults' | 'logged'> {
  readonly server: FastifyInstance;
  readonly application: Application;
  readonly lifecycle: Lifecycle;
}

type Use = Parameters<NonNullable<ConnectorType['check']>>[0];

/** Reads the connector as the loader of flows does. Throws StartError with all errors. */
async function readConnector(use: Pick<Use, 'name' | 'section' | 'app' | 'plan'>) {
  const { type: name } = use.section.value as { type: string };
  const type = await (CONNECTOR_LOADERS[name] as () => Promise<ConnectorType>)();
  const report = new Report();
  const settings = use.section.read(type.keys, report, ['type']);
  if (settings !== undefined) type.check?.({ ...use, settings, sources: [], targets: [] }, report);
  report.throwIfAny();
  return { type, settings: settings as never };
}
