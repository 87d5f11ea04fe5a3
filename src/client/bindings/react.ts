import {
  createContext,
  createElement,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import type { User } from '../auth/auth.ts';
import type { Client } from '../client.ts';
import type { Status } from '../connection/link.ts';
import type { TablecastError } from '../error.ts';
import { IDLE, type LiveSnapshot } from '../live/live-query.ts';
import type { Position } from '../live/subscription.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { QueryOf, Table, WriteOptions } from '../table.ts';
import type { AnyTables, CreateOf, PatchOf, PutOf, RecordOf, Select, Selected } from '../table-types.ts';
import { joinRoom, NOT_JOINED, type RoomOptions, type RoomState } from './room.ts';

type Id = string | number;

const Context = createContext<Client | undefined>(undefined);

/** Gives the client to all components below. */
export function TablecastProvider(props: { readonly client: object; readonly children?: ReactNode }) {
  return createElement(Context.Provider, { value: props.client as Client }, props.children);
}

/** Returns the client of the next `TablecastProvider` above. */
export function useTablecast<App = AnyTables, Routes = never>(): Client<App, Routes> {
  const client = useContext(Context);
  if (client === undefined) throw new Error('There is no <TablecastProvider> above this component.');
  return client as unknown as Client<App, Routes>;
}

/** Snapshot of a list; `isStale` while the data is that of the query before, or of before a lost connection. */
export interface LiveResult<R> extends LiveSnapshot<R> {
  readonly isStale: boolean;
  readonly loadMore: () => Promise<void>;
  /** Returns the position of the last change of a record, for `ifSeq` of a write. */
  readonly seq: (id: Id) => Position | undefined;
}

const NOTHING = () => {};

/**
 * Shows a live list. Components with the same query share one subscription, which closes some seconds after the last one.
 * Errors are in the result, and changed arguments keep the data until that of the new ones is there.
 *
 * @param query as of `live`, or 'skip' to ask for nothing yet
 */
export function useLive<T, const S extends Select<T> = string>(
  table: Table<T>,
  query: QueryOf<T, S> | 'skip',
  options: { readonly id?: Id } = {},
): LiveResult<Selected<T, S>> {
  const key = JSON.stringify([query, options.id]);
  // Not by the query itself: an equal query is another object with each rendering.
  const list = useMemo(
    () => (query === 'skip' ? undefined : table.live<S>(query, { ...options, lazy: true })),
    [table, key],
  );
  const subscribe = useCallback((run: () => void) => list?.listen(run) ?? NOTHING, [list]);
  const read = () => list?.getSnapshot() ?? IDLE;
  const snapshot: LiveSnapshot<Selected<T, S>> = useSyncExternalStore(subscribe, read, () => IDLE);
  const last = useRef(snapshot);
  const isKept = snapshot.status === 'loading' && list !== undefined && last.current.data.length > 0;
  if (!isKept) last.current = snapshot;
  const { data } = isKept ? last.current : snapshot;
  return useMemo(
    () => ({
      ...snapshot,
      data,
      isStale: isKept || snapshot.status === 'stale',
      loadMore: () => list?.loadMore() ?? Promise.resolve(),
      seq: (id: Id) => list?.seq(id),
    }),
    [snapshot, data, isKept, list],
  );
}

/** Shows one record: `data` is undefined when there is none, `seq` the position of its last change. */
export function useRecord<T>(table: Table<T>, id: Id | 'skip') {
  const { data, seq, ...others } = useLive(table, (id === 'skip' ? 'skip' : '') as QueryOf<T, string>, { id });
  return { ...others, data: data[0] as RecordOf<T> | undefined, seq: seq(id) };
}

/** Conflict of a write with `ifSeq`: the record that it was made from, the record as it is, and the fields. */
export interface Conflict<R> {
  readonly base: R | undefined;
  readonly theirs: R | undefined;
  readonly mine: unknown;
}

interface WriteState<R> {
  /** Number of writes without an answer. */
  readonly pending: number;
  readonly error: TablecastError | undefined;
  readonly conflict: Conflict<R> | undefined;
}

/** Options of a write; with `base`, the record that was edited, it is part of a conflict. */
export type FormOptions<R> = WriteOptions & { readonly base?: R };

/**
 * Writes to a table, and shows how that goes: `pending`, `error`, and `conflict` where `ifSeq` was not met. The functions
 * resolve with the record, or with undefined after an error.
 */
export function useWrite<T>(table: Table<T>) {
  type R = RecordOf<T>;
  const [state, setState] = useState<WriteState<R>>({ pending: 0, error: undefined, conflict: undefined });
  const writes = useMemo(() => {
    const run = async <V>(write: () => Promise<V>, about?: { id: Id; mine: unknown; base: R | undefined }) => {
      setState(({ pending }) => ({ pending: pending + 1, error: undefined, conflict: undefined }));
      let next: Omit<WriteState<R>, 'pending'> = { error: undefined, conflict: undefined };
      try {
        return await write();
      } catch (thrown) {
        const error = thrown as TablecastError;
        next = { ...next, error };
        if (error.code === 'PRECONDITION_FAILED' && about !== undefined) {
          const theirs = (await table.get(about.id).catch(() => undefined)) as R | undefined;
          next = { error, conflict: { base: about.base, theirs, mine: about.mine } };
        }
        return undefined;
      } finally {
        setState(({ pending }) => ({ ...next, pending: pending - 1 }));
      }
    };
    return {
      create: (record: CreateOf<T>) => run(() => table.create(record)),
      put: (id: Id, record: PutOf<T>, { base, ...options }: FormOptions<R> = {}) =>
        run(() => table.put(id, record, options), { id, mine: record, base }),
      patch: (id: Id, fields: PatchOf<T>, { base, ...options }: FormOptions<R> = {}) =>
        run(() => table.patch(id, fields, options), { id, mine: fields, base }),
      remove: (id: Id, { base, ...options }: FormOptions<R> = {}) =>
        run(() => table.delete(id, options), { id, mine: undefined, base }),
      reset: () => setState(({ pending }) => ({ pending, error: undefined, conflict: undefined })),
    };
  }, [table]);
  return useMemo(() => ({ ...writes, ...state }), [writes, state]);
}

/** Joins a room while the component is there. `members` needs `presence` of the connector. */
export function useRoom(room: string, options: RoomOptions & { readonly path?: string } = {}) {
  const client = useTablecast();
  const connector = options.connector ?? options.path;
  const latest = useRef(options);
  latest.current = options;
  const [state, setState] = useState<RoomState>(NOT_JOINED);
  const rooms = useRef<Rooms>(undefined);
  useEffect(() => {
    rooms.current = joinRoom(
      client,
      room,
      { connector, onMessage: (data) => latest.current.onMessage?.(data) },
      setState,
    );
    return () => rooms.current?.close();
  }, [client, connector, room]);
  const send = useCallback((data: unknown) => rooms.current?.send(data), []);
  return { ...state, send };
}

/** Status of the live connection: `idle` while nothing is subscribed. */
export function useStatus(): Status | 'idle' {
  const client = useTablecast();
  return useSyncExternalStore(
    client.onStatus,
    () => client.status,
    () => 'idle',
  );
}

/** User that is logged in, with the functions to log in and out. */
export function useAuth() {
  const { auth } = useTablecast();
  const subscribe = useCallback((run: () => void) => auth.onChange(run), [auth]);
  const user: User | undefined = useSyncExternalStore(
    subscribe,
    () => auth.user,
    () => undefined,
  );
  return { user, auth };
}
