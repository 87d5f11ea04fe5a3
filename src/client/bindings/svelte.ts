import type { Client } from '../client.ts';
import type { LiveSnapshot } from '../live/live-query.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { QueryOf, Table } from '../table.ts';
import type { RecordOf, Select, Selected } from '../table-types.ts';
import type { Sent } from '../wire/writes.ts';
import { joinRoom, NOT_JOINED, type RoomOptions, type RoomState } from './room.ts';

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

/**
 * Makes a store of a room: `$room.members`. The room is joined while the store has subscribers. `send` resolves with what
 * flows return, or with undefined while nothing is subscribed.
 */
export function roomStore(
  client: object,
  room: string,
  options: RoomOptions = {},
): Readable<RoomState> & { send(data: unknown): Promise<Sent> | undefined } {
  const runs = new Set<(state: RoomState) => void>();
  let state = NOT_JOINED;
  let rooms: Rooms | undefined;
  const set = (next: RoomState) => {
    state = next;
    for (const run of runs) run(state);
  };
  return {
    subscribe(run) {
      // Each subscriber is one more, also with a function that another has.
      const own = (value: RoomState) => run(value);
      own(state);
      runs.add(own);
      rooms ??= joinRoom(client as Client, room, options, set);
      return () => {
        runs.delete(own);
        if (runs.size > 0) return;
        rooms?.close();
        rooms = undefined;
        state = NOT_JOINED;
      };
    },
    send: (data) => rooms?.send(data),
  };
}
