import { Access } from '../../src/auth/policy/access.ts';
import { openApplication } from '../../src/boot/application.ts';
import { loadProject, type Project } from '../../src/boot/project.ts';
import type { ServerConfig } from '../../src/config/config.ts';
import { MemoryBus, ring } from '../../src/events/bus.ts';
import { Feed } from '../../src/events/feed.ts';
import type { RelatedLimits } from '../../src/hub/dependencies/related-history.ts';
import type { Encoding } from '../../src/hub/encode.ts';
import { Hub } from '../../src/hub/hub.ts';
import type { Application } from '../../src/resources/application.ts';
import { PageCache } from '../../src/resources/read-caches.ts';
import { TableResource } from '../../src/resources/table/resource.ts';
import type { Plan, TablePlan } from '../../src/schema/plan.ts';
import type { ProjectApp } from '../../src/schema/project-app.ts';
import type { LogReader, RecordReader, RelatedReader, Store, StoreOptions } from '../../src/store/store.ts';
import { WriteQueue } from '../../src/store/write-queue.ts';
import { makeFolder } from '../config/folders.ts';
import { LIMITS } from '../query/tables.ts';

/** Options of a store in `dir`, as tests open it. */
export function storeOptions(dir: string, changed: Partial<StoreOptions> = {}): StoreOptions {
  return {
    dir,
    durability: 'normal',
    events: { retention: 86_400_000, maxCount: 100_000, replayPage: 500 },
    largestScan: 100_000,
    largestCascade: 10_000,
    // Small, so that rows are dropped from the cache.
    recordCache: 65_536,
    idempotency: { retention: 86_400_000, maxCount: 100_000, maxSize: 268_435_456 },
    audit: { retention: 86_400_000, maxCount: 100_000 },
    allowDestructive: false,
    ...changed,
  };
}

export interface EngineOptions {
  readonly store: Store;
  readonly tables: readonly TablePlan[];
  readonly replayPage?: number | undefined;
  readonly clientBuffer?: number | undefined;
  readonly slowClientTimeout?: number | undefined;
  readonly busyTimeout?: number | undefined;
  /** Store of the hub, and of the write queue, where it is another one: one that is slow, or that counts. */
  readonly hubStore?: (RecordReader & RelatedReader & LogReader) | undefined;
  readonly queueStore?: Store | undefined;
  /** Bounds of related records; by default those of config.yaml. */
  readonly relatedLimits?: RelatedLimits;
  /** List for the errors, which may outlast this engine. */
  readonly faults?: unknown[];
}

/**
 * Feed, hub, write queue and resources on a store, wired as an application wires them, without its timers. Tests of the
 * hub, property tests and tests of resources share it.
 */
export class Engine {
  readonly store: Store;
  readonly bus = new MemoryBus();
  readonly feed: Feed;
  readonly hub: Hub;
  readonly commits: WriteQueue;
  /** Errors that feed and hub reported. */
  readonly faults: unknown[];

  constructor(options: EngineOptions) {
    const { store, tables, hubStore = store, queueStore = store, busyTimeout = 2000 } = options;
    const { replayPage = 500, clientBuffer = 262_144, slowClientTimeout = 60_000 } = options;
    const { bus } = this;
    const onError = (error: unknown) => void this.faults.push(error);
    this.store = store;
    this.faults = options.faults ?? [];
    this.feed = new Feed({ log: store, tables, bus, onError });
    const channels = { slowClientTimeout, clientBuffer };
    const { relatedLimits } = options;
    this.hub = new Hub({ store: hubStore, feed: this.feed, channels, replayPage, relatedLimits, onError });
    this.commits = new WriteQueue({ store: queueStore, busyTimeout, onCommitted: (result) => ring(bus, result) });
  }

  /** Makes the resources of a plan that has no authentication, by the names of their tables. */
  resourcesOf(plan: Plan): ReadonlyMap<string, TableResource> {
    const { store, commits, hub } = this;
    const access = new Access(plan, { secured: false });
    const context = { access, store, commits, hub, limits: LIMITS, pages: new PageCache(LIMITS.listCache) };
    return new Map(plan.tables.map((table) => [table.name, new TableResource(table, context)]));
  }
}

export interface OpenedProject extends ProjectApp {
  readonly dir: string;
  readonly server: ServerConfig;
  readonly application: Application;
  /** Errors that the application reported. */
  readonly faults: unknown[];
  onError(error: unknown): void;
}

/** Opens the application of a new folder with these files, without transports: for connectors and flows. */
export async function openProject(
  files: Readonly<Record<string, string>>,
  changed: Partial<ServerConfig> = {},
): Promise<OpenedProject> {
  const dir = makeFolder(files);
  const project: Project = loadProject(dir, {});
  const [first] = project.apps;
  if (first === undefined) throw new Error('there is no application');
  const { config, plan } = first;
  const server = { ...project.server, ...changed };
  const faults: unknown[] = [];
  const onError = (error: unknown) => void faults.push(error);
  const application = await openApplication({ app: config, server, plan, allowDestructive: false, onError });
  return { dir, server, config, plan, application, faults, onError };
}

/** Encoding with one frame per line, as JSON. */
export const LINES: Encoding = {
  key: 'lines',
  frame: (frame) => line({ ...frame, data: JSON.parse(frame.data) as unknown }),
  ready: (seq, total) => line({ type: 'ready', seq, total }),
  reset: (reason, seq) => line({ type: 'reset', reason, seq }),
};

function line(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

/** Lets the event loop run for a number of turns. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
