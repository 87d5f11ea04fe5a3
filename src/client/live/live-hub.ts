import type { Environment } from '../connection/environment.ts';
import { PARAMETERS, type Query, tableSearch, takeOut, withSearch } from '../query.ts';
import { ConnectionPool } from '../wire/pool.ts';
import { LiveList, type LiveOptions } from './live-list.ts';
import { isTotals, LiveQuery } from './live-query.ts';
import type { Overlay } from './overlay.ts';
import { type ChannelOptions, type SubscribeOptions, Subscription } from './subscription.ts';

/** Everything live of one client: its connections, subscriptions and shared queries. */
export class LiveHub {
  readonly pool: ConnectionPool;
  /** Shows writes before they are confirmed. */
  readonly overlay: Overlay | undefined;
  readonly #queries = new Map<string, LiveQuery<unknown>>();
  readonly #subscriptions = new Set<Subscription<unknown>>();
  readonly #linger: number;

  constructor(environment: Environment) {
    this.pool = new ConnectionPool(environment);
    this.overlay = environment.optimistic?.();
    this.#linger = environment.linger;
  }

  subscribe<R>(table: string, query: Query | undefined, options: ChannelOptions<R>): Subscription<R> {
    const subscription = new Subscription<R>(this.pool, table, query, options);
    const all = this.#subscriptions as Set<unknown>;
    all.add(subscription);
    const forget = () => all.delete(subscription);
    subscription.ended.then(forget, forget);
    return subscription;
  }

  live<R>(table: string, query: Query | undefined, options: LiveOptions<R>): LiveList<R> {
    const { rest, taken } = takeOut(tableSearch(query), 'limit', 'client');
    const limit = Number(taken.limit);
    const { id, client = taken.client, fallback = true } = options;
    return new LiveList((more) => {
      const search = taken.limit === undefined ? rest : withSearch('', rest, `limit=${limit + more}`).slice(1);
      const own = { ...(id !== undefined && { id }), ...(client !== undefined && { client }) };
      return this.#query(table, search, own, fallback);
    }, options);
  }

  close(): void {
    for (const subscription of [...this.#subscriptions]) subscription.close();
    this.pool.close();
  }

  /** Finds or opens the query that all lists with the same address share. */
  #query<R>(table: string, search: string, own: SubscribeOptions<R>, fallback: boolean): LiveQuery<R> {
    const key = JSON.stringify([table, search, own.id, own.client, fallback]);
    const known = this.#queries.get(key);
    if (known !== undefined) return known as LiveQuery<R>;
    const made: LiveQuery<R> = new LiveQuery<R>(
      search,
      (text, options) => this.subscribe<R>(table, text, { ...options, ...own, isList: true }),
      {
        linger: this.#linger,
        fallback,
        onEnd: () => void (this.#queries.get(key) === made && this.#queries.delete(key)),
        ...(this.overlay !== undefined &&
          !isTotals(search) && {
            overlay: (query) =>
              (this.overlay as Overlay).attach<R>(query, {
                table,
                id: own.id,
                search,
                ...takeOut(search, ...PARAMETERS),
              }),
          }),
      },
    );
    this.#queries.set(key, made as LiveQuery<unknown>);
    return made;
  }
}
