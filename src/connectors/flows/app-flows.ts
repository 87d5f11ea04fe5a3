import { setMaxListeners } from 'node:events';
import type { FastifyInstance } from 'fastify';
import type { AppAuth } from '../../auth/app-auth.ts';
import type { AppConfig, ServerConfig } from '../../config/config.ts';
import { firstSegmentOf, type HasShortAddress } from '../../config/short-addresses.ts';
import type { RealtimeHooks } from '../../hooks/realtime-hooks.ts';
import type { Application } from '../../resources/application.ts';
import type { Admission } from '../../server/limits/admission.ts';
import type { Log } from '../../server/operations/log.ts';
import type { FlowStore } from '../../store/flows.ts';
import { loadEngine } from '../../store/index.ts';
import type { Fence } from '../../store/shared-store.ts';
import type { MountedConnectors, MountedParts, TransportStatus } from '../../transports/transport.ts';
import {
  type Connector,
  type ConnectorContext,
  type Deliver,
  type FlowEvent,
  MissedEvents,
  type SourceUse,
} from '../connector.ts';
import type { Flow, FlowsPlan } from './flow.ts';
import { registerFlowRoutes } from './flow-routes.ts';
import { DeadLetters, type NewDeadLetter } from './run/dead-letters.ts';
import { fanOut } from './run/fan-out.ts';
import { FlowRunner } from './run/flow-runner.ts';
import { StoredRequestKeys } from './run/request-keys.ts';

/** Time for flows after all connections were cut off, whose `disconnect` events they still handle. */
const MAX_ABORT_MS = 1000;

export interface AppFlowsOptions {
  readonly config: AppConfig;
  readonly server: ServerConfig;
  readonly application: Application;
  readonly auth: AppAuth | undefined;
  readonly admission: Admission;
  readonly log: Log;
  readonly onError: (error: unknown) => void;
  /** Addresses of the application that are served without its id, too. */
  readonly hasShortAddress: HasShortAddress;
  readonly hooks?: RealtimeHooks | undefined;
}

/** Opens the store of the flows, creates connectors and connects them to flows. No events occur before `start`. */
export async function openAppFlows(plan: FlowsPlan, options: AppFlowsOptions): Promise<AppFlows> {
  const { dataDir: dir, busyTimeout } = options.config;
  const store = await (await loadEngine(options.config)).openFlows({
    dir,
    busyTimeout,
    health: options.application.storage,
  });
  try {
    const flows = new AppFlows(plan, store, options);
    await flows.deadLetters.open();
    return flows;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Running connectors and flows of one application. */
export class AppFlows implements MountedConnectors {
  readonly appId: string;
  readonly connectors: readonly Connector[];
  readonly runners: readonly FlowRunner[];
  readonly deadLetters: DeadLetters;
  readonly #options: AppFlowsOptions;
  readonly #store: FlowStore;
  readonly #requestKeys: StoredRequestKeys;
  readonly #stopping = new AbortController();
  readonly #cut = new AbortController();
  #stopped: Promise<unknown> = Promise.resolve();

  constructor(plan: FlowsPlan, store: FlowStore, options: AppFlowsOptions) {
    // Each running event adds a listener.
    setMaxListeners(0, this.#stopping.signal, this.#cut.signal);
    const { config, onError } = options;
    this.#options = options;
    this.#store = store;
    this.#requestKeys = new StoredRequestKeys(store, config.idempotency);
    this.appId = config.appId;
    this.deadLetters = new DeadLetters(store, config.deadLetters, onError);
    const connectors = new Map(
      plan.connectors.map(({ name, type, settings }) => [name, type.create(settings as never, this.#contextOf(name))]),
    );
    this.connectors = [...connectors.values()];
    this.runners = plan.flows.map((flow) => this.#makeRunner(flow, connectors));
    for (const { connector, use, runners } of groupBySource(this.runners)) {
      const [{ flow }] = runners;
      connectors.get(connector)?.listen(use, fanOut(runners, flow.source.type, onError));
    }
  }

  status(): TransportStatus {
    return { connections: this.parts().reduce((sum, [, { connections }]) => sum + connections, 0) };
  }

  /** Labels connectors with the application: names are only unique within it, and may equal a transport's. */
  parts(): MountedParts {
    return this.connectors.map((connector) => [`${this.appId}/${connector.name}`, connector.status()] as const);
  }

  /** Registers the addresses of connectors and flows on the server. */
  async register(server: FastifyInstance): Promise<void> {
    for (const connector of this.connectors) await connector.register(server);
    const { auth, server: config, application } = this.#options;
    registerFlowRoutes(server, { flows: this, access: application.access, auth, config });
  }

  /** Starts the sources. */
  async start(): Promise<void> {
    for (const connector of this.connectors) await connector.start();
  }

  stop(): void {
    this.#stopping.abort();
    this.#stopped = Promise.all(
      this.connectors.map(async (connector) => {
        try {
          await connector.stop();
        } catch (error) {
          this.#options.onError(error);
        }
      }),
    );
  }

  abort(): void {
    for (const connector of this.connectors) connector.abort();
    setTimeout(() => this.#cut.abort(), MAX_ABORT_MS).unref();
  }

  /** Resolves when no event is running. */
  async settled(): Promise<void> {
    await this.#stopped;
    await Promise.all(this.connectors.map((connector) => connector.settled?.()));
    while (this.runners.some(({ inFlight }) => inFlight > 0)) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  async close(): Promise<void> {
    for (const connector of this.connectors) await connector.close();
    this.deadLetters.close();
    await this.#store.close();
  }

  #makeRunner(flow: Flow, connectors: ReadonlyMap<string, Connector>): FlowRunner {
    const { log } = this.#options;
    const deliver = flow.targets.map(({ connector, use }) => connectors.get(connector)?.target(use) as Deliver);
    const keep = (letter: NewDeadLetter) => this.deadLetters.add(letter);
    const onDeadLetter = ({ flow: name, key, error, attempts }: NewDeadLetter) =>
      log.warn({ app: this.appId, flow: name, event: key, error, attempts }, 'an event became a dead letter');
    const onUnusedBody = ({ key, notes }: FlowEvent) => {
      const about = { app: this.appId, flow: flow.name, event: key, sent: notes?.whole };
      log.warn(about, 'the flow uses nothing of what was sent: no expression reads input.body');
    };
    const signals = { stopping: this.#stopping.signal, cut: this.#cut.signal };
    const tables = flow.targets.filter(({ isAtomic }) => isAtomic);
    const owner = flow.atomic ? connectors.get(tables[0]?.connector ?? '') : undefined;
    const together = owner?.together?.(tables.map(({ use }) => use));
    return new FlowRunner(flow, { deliver, together, keep, onUnusedBody, onDeadLetter, ...signals });
  }

  #contextOf(name: string): ConnectorContext {
    const { config, application, auth, hooks, server, admission, log, hasShortAddress } = this.#options;
    const { dataDir } = config;
    const appId = this.appId;
    const pathsOf = (path: string) => [`/${appId}${path}`, ...(hasShortAddress(firstSegmentOf(path)) ? [path] : [])];
    const store = this.#store;
    const positions = {
      get: (position: string) => store.position(position),
      set: (position: string, value: number, fence?: Fence) => store.setPosition(position, value, fence),
    };
    const onError = (error: unknown) => {
      if (error instanceof MissedEvents) this.runners.find(({ flow }) => flow.name === error.flow)?.counts.countGap();
      this.#options.onError(error);
    };
    const kept = { positions, requestKeys: this.#requestKeys };
    return { name, appId, application, auth, hooks, server, dataDir, admission, ...kept, pathsOf, log, onError };
  }
}

interface SourceGroup {
  readonly connector: string;
  readonly use: SourceUse;
  readonly runners: [FlowRunner, ...FlowRunner[]];
}

/** Groups flows with the same source, in the order of the file. */
function groupBySource(runners: readonly FlowRunner[]): Iterable<SourceGroup> {
  const groups = new Map<string, SourceGroup>();
  for (const runner of runners) {
    const { connector, type, use } = runner.flow.source;
    const own = type.isPerFlow === true ? use.flow : '';
    const key = JSON.stringify([connector, use.operation, use.settings, own]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { connector, use, runners: [runner] });
    else group.runners.push(runner);
  }
  return groups.values();
}
