import { createHash } from 'node:crypto';
import { Access, type AccessOptions } from '../auth/policy/access.ts';
import type { AppConfig, ServerConfig } from '../config/config.ts';
import { isPrivate } from '../config/loopback.ts';
import type { AppError } from '../errors.ts';
import { type Bus, MemoryBus, ring } from '../events/bus.ts';
import { Feed } from '../events/feed.ts';
import { Hub } from '../hub/hub.ts';
import type { Application } from '../resources/application.ts';
import { AuditTrail, type TrailContext } from '../resources/audit/trail.ts';
import { PageCache } from '../resources/cache/page-cache.ts';
import { Retention } from '../resources/retention.ts';
import { HookedTable } from '../resources/table/hooked.ts';
import { TableResource } from '../resources/table/resource.ts';
import { TableStreams } from '../resources/table/streams.ts';
import type { WriteHooks } from '../resources/write-hooks.ts';
import type { Plan } from '../schema/plan.ts';
import { loadEngine } from '../store/index.ts';
import { StorageHealth } from '../store/storage-health.ts';
import type { Allowance, IdempotencyKey, Store } from '../store/store.ts';
import { WriteQueue } from '../store/write-queue.ts';

export interface OpenOptions {
  readonly app: AppConfig;
  readonly server: ServerConfig;
  readonly plan: Plan;
  readonly allowDestructive: Allowance;
  /** Faults of ours that have no request to be told to. */
  onError(error: unknown): void;
  /** What code of the application says about writes to the table of this export name. */
  writeHooksOf?(table: string): WriteHooks | undefined;
  /** What was changed in the store for the schema, in sentences. */
  onNotice?(sentence: string): void;
  /** What in the store is to be looked after, in sentences. */
  onWarning?(sentence: string): void;
  /** Called once when writes to the storage begin to fail, and once when they do not any more. */
  onStorage?(failure: AppError | undefined): void;
}

/** Opens the store of an application and puts feed, hub and resources on it. */
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
  const { dataDir: dir, durability, events, idempotency, audit } = app;
  const { scan: largestScan, recordCache } = server.limits;
  const kept = { durability, events, idempotency, audit, largestScan, recordCache };
  return (await loadEngine()).openRecords(plan, { dir, ...kept, allowDestructive, health, onNotice, onWarning });
}

/** What applications on one store share. */
export interface SharedParts {
  readonly store: Store;
  readonly storage: StorageHealth;
  readonly bus: Bus;
}

/** Puts feed, hub and resources on a store. Applications that share a store share its bus. */
export function composeApplication(
  { app, server, plan, onError, writeHooksOf = () => undefined }: OpenOptions,
  { store, storage, bus }: SharedParts,
): Application {
  const { events, busyTimeout } = app;
  const feed = new Feed({ log: store, tables: plan.tables, bus, onError });
  const hub = new Hub({ store, feed, channels: server.channels, replayPage: events.replayPage, onError });
  const commits = new WriteQueue({ store, busyTimeout, onCommitted: (result) => ring(bus, result) });
  const housekeeping = new Retention({ plan, store, commits, onError });
  const access = new Access(plan, accessOptions(app));
  const streams = new TableStreams();
  const { limits } = server;
  const context = { access, store, commits, hub, limits, pages: new PageCache(limits.listCache), streams };
  const resources = new Map<string, TableResource>();
  for (const table of plan.tables) {
    if (table.exportName === undefined) continue;
    const hooks = writeHooksOf(table.exportName);
    const isKept = (once: IdempotencyKey) => store.isStored(once);
    const resource =
      hooks === undefined ? new TableResource(table, context) : new HookedTable(table, { ...context, hooks, isKept });
    resources.set(table.exportName, resource);
  }
  const close = async () => {
    streams.stop();
    await housekeeping.stop();
    await commits.drain();
    await feed.close();
    hub.close();
    storage.close();
    await store.close();
  };
  const trail = openTrail({ plan, store, access, limits: server.limits }, app, server);
  const planTag = hashPlan(plan);
  return {
    plan,
    resources,
    planTag,
    storage,
    access,
    hub,
    commits,
    streams,
    feed,
    log: store,
    audit: trail,
    close,
  };
}

type TrailParts = Pick<TrailContext, 'plan' | 'access' | 'limits'> & { readonly store: Pick<Store, 'audit'> };

function openTrail(
  { store: { audit: log }, ...parts }: TrailParts,
  { auth }: AppConfig,
  server: ServerConfig,
): AuditTrail | undefined {
  if (log === undefined || !parts.plan.tables.some(({ audited }) => audited)) return undefined;
  const readers = typeof auth === 'object' ? 'admins' : isPrivate(server) ? 'everybody' : 'nobody';
  return new AuditTrail({ ...parts, log, readers });
}

/** How far callers can show who they are. */
function accessOptions({ auth }: AppConfig): AccessOptions {
  return typeof auth === 'object' ? { secured: true, adminRole: auth.adminRole } : { secured: false };
}

function hashPlan(plan: Plan): string {
  const fields = plan.tables.map(({ name, fields }) => [name, fields.map((field) => [field.name, field.type])]);
  return createHash('sha256').update(JSON.stringify(fields)).digest('base64url').slice(0, 8);
}
