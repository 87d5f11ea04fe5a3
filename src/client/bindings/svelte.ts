import type { LiveSnapshot } from '../live/live-query.ts';
import type { QueryOf, Table } from '../table.ts';
import type { RecordOf, Select, Selected } from '../table-types.ts';

/** Store of Svelte: `$store` in a component is its value. */
export interface Readable<V> {
  subscribe(run: (value: V) => void): () => void;
}

/**
 * Makes a store of a live list: `$messages.data`. It opens with its first subscriber; stores of the same query share one
 * subscription, which closes some seconds after the last subscriber.
 *
 * @param query as of `live`
 */
export function liveStore<T, const S extends Select<T> = string>(
  table: Table<T>,
  query?: QueryOf<T, S>,
): Readable<LiveSnapshot<Selected<T, S>>> & { loadMore(count?: number): Promise<void> } {
  return table.live<S>(query, { lazy: true });
}

/** Makes a store of one record; its value is undefined while it is loading and when there is none. */
export function recordStore<T>(table: Table<T>, id: string | number): Readable<RecordOf<T> | undefined> {
  const list = table.live(undefined, { id, lazy: true });
  return { subscribe: (run) => list.subscribe(({ data }) => run(data[0] as RecordOf<T> | undefined)) };
}
