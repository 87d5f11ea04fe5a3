import { computed, onScopeDispose, type Ref, type ShallowRef, shallowRef, watchEffect } from 'vue';
import type { Client } from '../client.ts';
import { IDLE, type LiveSnapshot } from '../live/live-query.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { QueryOf, Table } from '../table.ts';
import type { RecordOf, Select, Selected } from '../table-types.ts';
import { joinRoom, NOT_JOINED, type RoomOptions, type RoomState } from './room.ts';

type Id = string | number;

/**
 * Follows a live list in a component or an effect scope, and ends with it. `query` may be a function, which is followed: its
 * value 'skip' asks for nothing.
 */
export function useLive<T, const S extends Select<T> = string>(
  table: Table<T>,
  query?: QueryOf<T, S> | (() => QueryOf<T, S> | 'skip'),
  options: { readonly id?: Id } = {},
): Readonly<ShallowRef<LiveSnapshot<Selected<T, S>>>> {
  const snapshot = shallowRef<LiveSnapshot<Selected<T, S>>>(IDLE);
  let stop = () => {};
  watchEffect(() => {
    const wanted = typeof query === 'function' ? (query as () => QueryOf<T, S> | 'skip')() : query;
    stop();
    stop =
      wanted === 'skip'
        ? () => {}
        : table.live<S>(wanted, { ...options, lazy: true }).subscribe((next) => {
            // The data of the query before stays until that of the new one is there.
            const isKept = next.status === 'loading' && snapshot.value.data.length > 0;
            snapshot.value = isKept ? { ...next, data: snapshot.value.data } : next;
          });
  });
  onScopeDispose(() => stop());
  return snapshot;
}

/** Follows one record; undefined while it is loading and when there is none. */
export function useRecord<T>(table: Table<T>, id: Id): Readonly<Ref<RecordOf<T> | undefined>> {
  const snapshot = useLive(table, undefined, { id });
  return computed(() => snapshot.value.data[0] as RecordOf<T> | undefined);
}

/**
 * Joins a room in a component or an effect scope, and leaves it with its end. `room` may be a function, which is followed: its
 * value undefined joins none. `send` resolves with what flows return, or with undefined while there is no room.
 */
export function useRoom(client: object, room: string | (() => string | undefined), options: RoomOptions = {}) {
  const state = shallowRef<RoomState>(NOT_JOINED);
  let rooms: Rooms | undefined;
  watchEffect(() => {
    const name = typeof room === 'function' ? room() : room;
    rooms?.close();
    state.value = NOT_JOINED;
    rooms = name === undefined ? undefined : joinRoom(client as Client, name, options, (next) => (state.value = next));
  });
  onScopeDispose(() => rooms?.close());
  return { state: state as Readonly<ShallowRef<RoomState>>, send: (data: unknown) => rooms?.send(data) };
}
