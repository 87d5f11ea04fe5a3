import { type ConnectOptions, makeEnvironment } from './connection/environment.ts';
import type { SseHandlers } from './connection/event-source.ts';
import type { Query } from './query.ts';
import { Rooms, type RoomsOptions } from './rooms.ts';
import type { CallsOf, WsHandlers } from './routes/route-types.ts';
import { callRoute, openRouteSocket, openRouteStream, routeProxy } from './routes/routes.ts';
import { Table } from './table.ts';

/** What is known of a table beside its records, for the compiler: what `create` and `put` take, and `patch`. */
export interface TableTypes {
  readonly $record: unknown;
  readonly $create?: unknown;
  readonly $patch?: unknown;
}

type RecordOf<T> = T extends { readonly $record: infer R } ? R : T;
type CreateOf<T> = T extends { readonly $create: infer C } ? C : Partial<RecordOf<T>>;
type PatchOf<T> = T extends { readonly $patch: infer P } ? P : Partial<RecordOf<T>>;

export type AnyRecord = Record<string, unknown>;
export type AnyTables = Record<string, AnyRecord>;

/** `Tables`: records, or `TableTypes`, by export name. `Routes`: `RouteTypes` by key, or nothing. */
export interface Client<Tables = AnyTables, Routes = never> {
  readonly tables: {
    readonly [Name in keyof Tables]: Table<RecordOf<Tables[Name]>, CreateOf<Tables[Name]>, PatchOf<Tables[Name]>>;
  };
  /** HTTP routes in code: `$api.orders.post({ … })`. */
  readonly $api: CallsOf<Routes, 'http'>;
  /** Event streams of routes in code: `$sse.ticks({}, { onMessage })`. */
  readonly $sse: CallsOf<Routes, 'sse'>;
  /** WebSockets of routes in code: `$ws.chat({}, { onOpen, onMessage, onClose, onError })`. */
  readonly $ws: CallsOf<Routes, 'ws'>;
  /** Rooms of a WebSocket connector, by its path or URL; `/ws`. */
  rooms(path?: string, options?: RoomsOptions): Rooms;
  /** Ends everything that is open. */
  close(): void;
}

interface Closable {
  close(): void;
  readonly ended?: Promise<void>;
}

/**
 * A client of one application: `connect('https://example.com/my-app')`; in a page, `connect('.')` is what the page lies
 * beside. Nothing is sent before something is asked for.
 */
export function connect<Tables = AnyTables, Routes = never>(
  url: string | URL,
  options: ConnectOptions = {},
): Client<Tables, Routes> {
  const environment = makeEnvironment(url, options);
  const open = new Set<Closable>();
  const keep = <C extends Closable>(closable: C): C => {
    open.add(closable);
    const forget = () => open.delete(closable);
    closable.ended?.then(forget, forget);
    return closable;
  };
  const tables = new Map<string, Table<unknown>>();
  const client = {
    tables: new Proxy({} as Record<string, unknown>, {
      get: (_target, name) => {
        if (typeof name === 'symbol' || name === 'then') return undefined;
        const table = tables.get(name) ?? new Table(environment, name, keep);
        tables.set(name, table);
        return table;
      },
    }),
    $api: routeProxy((path, args) => callRoute(environment, path, args)),
    $sse: routeProxy((path, [query, handlers]) =>
      keep(openRouteStream(environment, path, query as Query, handlers as SseHandlers)),
    ),
    $ws: routeProxy((path, [query, handlers = {}]) => {
      const socket = openRouteSocket(environment, path, query as Query, {
        ...(handlers as WsHandlers),
        onClose: (code, reason) => {
          open.delete(socket);
          (handlers as WsHandlers).onClose?.(code, reason);
        },
      });
      return keep(socket);
    }),
    rooms: (path = '/ws', roomsOptions: RoomsOptions = {}) => keep(new Rooms(environment, path, roomsOptions)),
    close: () => {
      for (const closable of [...open]) closable.close();
    },
  };
  return client as unknown as Client<Tables, Routes>;
}
