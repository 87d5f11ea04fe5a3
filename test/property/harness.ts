import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Feed } from '../../src/events/feed.ts';
import type { RelatedLimits } from '../../src/hub/dependencies/related-history.ts';
import type { Hub } from '../../src/hub/hub.ts';
import type { TableResource } from '../../src/resources/table/resource.ts';
import type { Plan, TablePlan } from '../../src/schema/plan.ts';
import { databaseFile } from '../../src/store/sqlite/database/open.ts';
import { DurableStore, WalFlush } from '../../src/store/sqlite/durable-store.ts';
import { openSqliteStore, type SqliteStore } from '../../src/store/sqlite/store.ts';
import type { Change, CommitResult, Store, WriteGroup } from '../../src/store/store.ts';
import type { WriteQueue } from '../../src/store/write-queue.ts';
import { planOf } from '../schema/mistakes.ts';
import { Engine, storeOptions, turns } from '../support/engine.ts';
import { MemoryDatabase } from '../support/memory-engine/database.ts';
import { LaterStore } from '../support/memory-engine/later-store.ts';
import { MemoryStore } from '../support/memory-engine/store.ts';

export interface PropertyHarnessOptions {
  readonly sdl: string;
  readonly maxCount?: number;
  readonly replayPage?: number;
  readonly clientBuffer?: number;
  readonly slowClientTimeout?: number;
  readonly busyTimeout?: number;
  /** Turns of the event loop by which the store delays a commit, as a remote one would. */
  readonly commitTurns?: number;
  /** True to flush commits to the disk on another thread. */
  readonly flushed?: boolean;
  /** A store in memory instead, of which every answer takes turns, as over a network. */
  readonly later?: boolean;
  /** Bounds of related records; by default those of config.yaml. */
  readonly relatedLimits?: RelatedLimits;
}

interface Running {
  /** What hub and resources work with: the store, or one around it. */
  readonly outerStore: Store;
  readonly store: SqliteStore | MemoryStore;
  readonly feed: Feed;
  readonly hub: Hub;
  readonly commits: WriteQueue;
  readonly resources: ReadonlyMap<string, TableResource>;
}

/** Store, group commit, feed, hub and resources wired as an application is, without its timers. */
export class PropertyHarness implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'tablecast-rig-'));
  readonly plan: Plan;
  /** Committed changes, in the order in which the store returned them. */
  readonly history: Change[] = [];
  /** Changes that were delivered to the hub. */
  readonly delivered: Change[] = [];
  /** Errors that feed and hub reported, over restarts. */
  readonly faults: unknown[] = [];
  readonly #options: PropertyHarnessOptions;
  /** What a store in memory has over restarts. */
  readonly #memory = new MemoryDatabase();
  #running: Running;

  constructor(options: PropertyHarnessOptions) {
    this.#options = options;
    this.plan = planOf(options.sdl);
    this.#running = this.#open();
  }

  /** Answers at once, also where hub and resources have to wait. */
  get store(): SqliteStore | MemoryStore {
    return this.#running.store;
  }

  get feed(): Feed {
    return this.#running.feed;
  }

  get hub(): Hub {
    return this.#running.hub;
  }

  get commits(): WriteQueue {
    return this.#running.commits;
  }

  table(name: string): TablePlan {
    return this.resource(name).table;
  }

  resource(name: string): TableResource {
    const resource = this.#running.resources.get(name);
    if (resource === undefined) throw new Error(`there is no table ${name}`);
    return resource;
  }

  /** Store of the hub and the resources. */
  get outerStore(): Store {
    return this.#running.outerStore;
  }

  /** Closes the store and opens it again, as a restart does. Subscriptions are gone. */
  async restart(): Promise<void> {
    await this.commits.drain();
    this.hub.close();
    await this.outerStore.close();
    this.#running = this.#open();
  }

  [Symbol.dispose](): void {
    this.hub.close();
    void this.outerStore.close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  #open(): Running {
    const { commitTurns = 0, flushed = false, later = false, ...options } = this.#options;
    const { store, outerStore } = this.#openStore();
    const queueStore = this.#observe(outerStore, flushed || later ? 0 : commitTurns);
    const { faults } = this;
    const engine = new Engine({ ...options, store: outerStore, queueStore, tables: this.plan.tables, faults });
    const { feed, hub, commits } = engine;
    feed.listen({ changes: (changes) => this.delivered.push(...changes) });
    return { outerStore, store, feed, hub, commits, resources: engine.resourcesOf(this.plan) };
  }

  #openStore(): Pick<Running, 'store' | 'outerStore'> {
    const { maxCount = 100_000, replayPage = 500, flushed = false, later = false } = this.#options;
    const options = storeOptions(this.dir, { events: { retention: 86_400_000, maxCount, replayPage } });
    if (later) {
      this.#memory.open(this.plan, options);
      const store = new MemoryStore(this.#memory, this.plan, options);
      return { store, outerStore: new LaterStore(store) };
    }
    const store = openSqliteStore(this.plan, options);
    return { store, outerStore: flushed ? new DurableStore(store, new WalFlush(databaseFile(this.dir), 0)) : store };
  }

  /** Wraps the store to record its commits. */
  #observe(store: Store, commitTurns: number): Store {
    const seen = (result: CommitResult) => {
      this.history.push(...result.changes);
      return result;
    };
    const commit = (groups: readonly WriteGroup[]) => {
      const result = store.commit(groups);
      if (result instanceof Promise) return result.then(seen);
      seen(result);
      return commitTurns === 0 ? result : turns(commitTurns).then(() => result);
    };
    return new Proxy(store, {
      get: (target, name) => {
        if (name === 'commit') return commit;
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      },
    });
  }
}
