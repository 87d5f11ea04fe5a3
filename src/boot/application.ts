import { createHash } from 'node:crypto';
import { Access, type AccessOptions } from '../auth/policy/access.ts';
import { RoomAccess, type RoomAccessOptions } from '../auth/rooms/access.ts';
import { readRoomRules } from '../auth/rooms/read.ts';
import { RoomRules } from '../auth/rooms/rules.ts';
import type { AppConfig, ServerConfig } from '../config/config.ts';
import { Report } from '../config/files/report.ts';
import { isPrivate } from '../config/loopback.ts';
import type { AppError } from '../errors.ts';
import { type Bus, MemoryBus, ring } from '../events/bus.ts';
import { Feed } from '../events/feed.ts';
import { NatsMessages } from '../events/nats/messages.ts';
import { Hub } from '../hub/hub.ts';
import type { Application } from '../resources/application.ts';
import { AuditTrail, type TrailContext } from '../resources/audit/trail.ts';
import { PageCache } from '../resources/read-caches.ts';
import { Retention } from '../resources/retention.ts';
import { HookedTable } from '../resources/table/hooked.ts';
import { TableResource } from '../resources/table/resource.ts';
import { TableStreams } from '../resources/table/streams.ts';
import { Transactions } from '../resources/transactions/transactions.ts';
import type { WriteHooks } from '../resources/write-hooks.ts';
import type { Plan } from '../schema/plan.ts';
import { loadEngine } from '../store/index.ts';
import type { ServerMessages } from '../store/server-messages.ts';
import type { SharedStore } from '../store/shared-store.ts';
import { StorageHealth } from '../store/storage-health.ts';
import type { Allowance, IdempotencyKey, Store, StoreOptions } from '../store/store.ts';
import { WriteQueue } from '../store/write-queue.ts';

export interface OpenOptions {
  readonly app: AppConfig;
  readonly server: ServerConfig;
  readonly plan: Plan;
  readonly allowDestructive: Allowance;
  /** Called with internal errors that belong to no request. */
  onError(error: unknown): void;
  /** Returns the write hooks of the table with this export name; undefined when it has none. */
  writeHooksOf?(table: string): WriteHooks | undefined;
  /** Called with a sentence for each change that a migration made in the store. */
  onNotice?(sentence: string): void;
  /** Called with a sentence for each problem of the store that needs an operator. */
  onWarning?(sentence: string): void;
  /** Called once when writes to the storage begin to fail, and once with undefined when they succeed again. */
  onStorage?(failure: AppError | undefined): void;
}

/** A transaction of another program may change this many times the records of one request by filter. */
const EXTERNAL_FACTOR = 10;
const REWOUND =
  'the database has lost the end of its log, as a copy of it has that was behind: subscribers get the state again';

/** Opens the store of an application and builds feed, hub and resources on it. Throws StoreOpenError. */
export async function openApplication(options: OpenOptions): Promise<Application> {
  const { onStorage = () => {} } = options;
  const { dataDir: dir } = options.app;
  const storage = new StorageHealth({ dir, onFailing: onStorage, onWritable: () => onStorage(undefined) });
  try {
    return composeApplication(options, { store: await openStore(options, storage), storage, bus: new MemoryBus() });
  } catch (error) {
    storage.close();
    throw error;
  }
}

async function openStore(
  { app, server, plan, allowDestructive, onNotice = () => {}, onWarning = () => {} }: OpenOptions,
  health: StorageHealth,
): Promise<Store> {
  const settings = storeOptions(app, server);
  return (await loadEngine(app)).openRecords(plan, { ...settings, allowDestructive, health, onNotice, onWarning });
}

/** Returns what the configuration says about the store of an application. */
export function storeOptions(
  { dataDir: dir, durability, events, idempotency, audit, externalWrites: mode }: AppConfig,
  { limits }: Pick<ServerConfig, 'limits'>,
): Omit<StoreOptions, 'allowDestructive'> {
  const { scan: largestScan, cascade: largestCascade, recordCache } = limits;
  const externalWrites = { mode, maxRecords: limits.bulk * EXTERNAL_FACTOR, maxKeyLength: limits.id };
  return { dir, durability, events, idempotency, audit, externalWrites, largestScan, largestCascade, recordCache };
}

/** Parts that applications on one store share. */
export interface SharedParts {
  readonly store: Store;
  readonly storage: StorageHealth;
  readonly bus: Bus;
}

/** Builds feed, hub and resources on a store. Applications that share a store share its bus. */
export function composeApplication(
  { app, server, plan, onError, writeHooksOf = () => undefined, onWarning = () => {} }: OpenOptions,
  { store, storage, bus }: SharedParts,
): Application {
  const { events, busyTimeout } = app;
  const feed = new Feed({ log: store, tables: plan.tables, bus, onError });
  if (store.shared !== undefined) followOthers(store.shared, { bus, feed, onWarning });
  const messages = openMessages(app, store.shared, onWarning);
  const { limits } = server;
  const maxHeldGroups = limits.heldGroups;
  const hub = new Hub({
    store,
    feed,
    channels: server.channels,
    replayPage: events.replayPage,
    maxHeldGroups,
    relatedLimits: limits,
    onError,
  });
  const commits = new WriteQueue({ store, busyTimeout, onCommitted: (result) => ring(bus, result) });
  const housekeeping = new Retention({ plan, store, commits, onError });
  const access = new Access(plan, accessOptions(app));
  const roomAccess = openRoomAccess(app, { plan, access, store, feed, relatedLimits: limits, onError });
  const streams = new TableStreams();
  const context = { access, store, commits, hub, limits, pages: new PageCache(limits.listCache), streams };
  const resources = new Map<string, TableResource>();
  const isKept = (once: IdempotencyKey) => store.isStored(once);
  const transactions = new Transactions({ commits, maxSteps: limits.transaction, isStored: isKept });
  for (const table of plan.tables) {
    if (table.exportName === undefined) continue;
    const hooks = writeHooksOf(table.exportName);
    const resource =
      hooks === undefined ? new TableResource(table, context) : new HookedTable(table, { ...context, hooks, isKept });
    resources.set(table.exportName, resource);
  }
  const close = async () => {
    streams.stop();
    roomAccess?.close();
    await housekeeping.stop();
    await commits.drain();
    await feed.close();
    hub.close();
    storage.close();
    if (messages instanceof NatsMessages) messages.close();
    await store.close();
  };
  const trail = openTrail({ plan, store, access, limits: server.limits }, app, server);
  const planTag = hashPlan(plan);
  return {
    plan,
    resources,
    transactions,
    planTag,
    storage,
    access,
    roomAccess,
    hub,
    commits,
    streams,
    feed,
    log: store,
    records: store,
    messages: app.cluster.rooms === 'shared' ? messages : undefined,
    nats: messages instanceof NatsMessages ? messages : undefined,
    audit: trail,
    close,
  };
}

/** Brings what other servers write to the feed, and what the database has lost. */
function followOthers(
  shared: SharedStore,
  { bus, feed, onWarning }: { readonly bus: Bus; readonly feed: Feed; readonly onWarning: (text: string) => void },
): void {
  shared.onGrown((growth) => bus.ring(growth));
  shared.onRewound(() => {
    onWarning(REWOUND);
    feed.rewound();
  });
}

/** Opens the connection of an application to its other servers; undefined where it has none. */
function openMessages(
  { appId, cluster: { nats: url } }: AppConfig,
  shared: SharedStore | undefined,
  onNotice: (sentence: string) => void,
): ServerMessages | undefined {
  if (shared === undefined || url === undefined) return shared?.messages;
  return new NatsMessages({ url, appId, shared, onNotice });
}

type TrailParts = Pick<TrailContext, 'plan' | 'access' | 'limits'> & { readonly store: Pick<Store, 'audit'> };

function openTrail(
  { store: { audit: log }, ...parts }: TrailParts,
  { auth }: AppConfig,
  server: ServerConfig,
): AuditTrail | undefined {
  if (log === undefined || !parts.plan.tables.some(({ audited }) => audited)) return undefined;
  const readers = typeof auth === 'object' ? 'admins' : isPrivate(server) ? 'anyone' : 'none';
  return new AuditTrail({ ...parts, log, readers });
}

function openRoomAccess(
  { rooms }: AppConfig,
  { plan, ...parts }: Omit<RoomAccessOptions, 'rules'> & Pick<OpenOptions, 'plan'>,
): RoomAccess | undefined {
  const report = new Report();
  const rules = readRoomRules(rooms, plan.tables, report);
  report.throwIfAny();
  return rules && new RoomAccess({ ...parts, rules: new RoomRules(rules, parts.access) });
}

/** Returns the options of access: with authentication or without. */
export function accessOptions({ auth }: Pick<AppConfig, 'auth'>): AccessOptions {
  return typeof auth === 'object' ? { secured: true, adminRole: auth.adminRole } : { secured: false };
}

function hashPlan(plan: Plan): string {
  const fields = plan.tables.map(({ name, fields }) => [name, fields.map((field) => [field.name, field.type])]);
  return createHash('sha256').update(JSON.stringify(fields)).digest('base64url').slice(0, 8);
}
