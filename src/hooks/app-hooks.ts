import { resolve } from 'node:path';
import { HOOK } from '../auth/identity.ts';
import type { AppConfig } from '../config/config.ts';
import type { Feed } from '../events/feed.ts';
import { type CodeTables, makeCodeTables, type TransactionScope } from '../resources/transactions/code.ts';
import type { WriteHooks } from '../resources/write-hooks.ts';
import type { Plan } from '../schema/plan.ts';
import type { ProjectApp } from '../schema/project-app.ts';
import type { LogReader } from '../store/store.ts';
import type { CallOptions } from './call.ts';
import { ChangeHooks } from './change-hooks.ts';
import { type HookLists, readHooks } from './exports.ts';
import { ModuleLoader } from './module-loader.ts';
import { RealtimeHooks } from './realtime-hooks.ts';
import { makeWriteHooks } from './table-hooks.ts';

/**
 * Loads the hooks of the applications that have any, by app id. Paths in messages are relative to `root`. Throws
 * StartError.
 */
export async function loadHooks(apps: readonly ProjectApp[], root: string): Promise<ReadonlyMap<string, HookLists>> {
  const lists = new Map<string, HookLists>();
  for (const { config, plan } of apps) {
    if (config.hooks.length === 0) continue;
    const loader = new ModuleLoader({ folder: config.dir, root: resolve(root) });
    lists.set(config.appId, await loadHooksOf(config, plan, loader));
  }
  return lists;
}

async function loadHooksOf(app: AppConfig, plan: Plan, loader: ModuleLoader): Promise<HookLists> {
  const names = plan.tables.flatMap(({ exportName }) => (exportName === undefined ? [] : [exportName]));
  return readHooks({ loader, paths: app.hooks, tables: new Set(names) });
}

export interface Bound extends TransactionScope {
  readonly log: LogReader;
  readonly feed: Pick<Feed, 'listen'>;
}

/** Hooks of one running application. */
export class AppHooks {
  /** Undefined when no hook is about connections. */
  readonly realtime: RealtimeHooks | undefined;
  readonly #lists: HookLists;
  readonly #options: CallOptions;
  /** Filled by `bind`. */
  readonly #tables = {} as CodeTables;
  readonly #changes: ChangeHooks[] = [];

  constructor(lists: HookLists, options: CallOptions) {
    this.#lists = lists;
    this.#options = options;
    const { realtime: hooks } = lists;
    this.realtime = hooks.size === 0 ? undefined : new RealtimeHooks({ ...options, hooks, context: this.#context });
  }

  /** Returns the before-hooks of the table with this export name; undefined when it has none. */
  writeHooksOf(table: string): WriteHooks | undefined {
    const hooks = this.#lists.tables.get(table);
    return hooks && makeWriteHooks({ ...this.#options, table, hooks, context: this.#context });
  }

  /** Gives the hooks the tables of the open application; `afterChange` hooks receive every write from now on. */
  bind({ resources, transactions, log, feed }: Bound): void {
    Object.assign(this.#tables, makeCodeTables({ resources, transactions }, HOOK));
    for (const [name, lists] of this.#lists.tables) {
      const hooks = lists.get('afterChange');
      const table = resources.get(name)?.table;
      if (hooks === undefined || table === undefined) continue;
      this.#changes.push(new ChangeHooks({ ...this.#options, table, hooks, context: this.#context, log }));
    }
    if (this.#changes.length > 0) feed.listen({ changes: () => this.#wake() });
  }

  /** Resolves when no hook runs any more. */
  async close(): Promise<void> {
    await this.realtime?.close();
    await Promise.all(this.#changes.map((changes) => changes.stop()));
  }

  get #context() {
    return { tables: this.#tables, system: { tables: this.#tables } };
  }

  #wake(): void {
    for (const changes of this.#changes) changes.wake();
  }
}
