import { Auth } from './auth/auth.ts';
import { type ConnectOptions, type Environment, makeEnvironment } from './connection/environment.ts';
import type { SseHandlers } from './connection/event-source.ts';
import type { Status } from './connection/link.ts';
import { LiveHub } from './live/live-hub.ts';
import type { Query } from './query.ts';
import { Rooms, type RoomsOptions } from './rooms/rooms.ts';
import type { CallsOf, WsHandlers } from './routes/route-types.ts';
import { loadCalls, openRouteSocket, openRouteStream, routeProxy } from './routes/routes.ts';
import { Table } from './table.ts';
import type { AnyTables } from './table-types.ts';
import {
  sendTransaction,
  type TransactionOptions,
  type TransactionResult,
  type TransactionStep,
} from './transaction.ts';

type TablesOf<App> = App extends { readonly $tables: infer Tables } ? Tables : App;
type RoutesOf<App, Routes> = App extends { readonly $routes: infer Own } ? Own : Routes;
type ConnectorOf<App> = App extends { readonly $rooms: infer Name extends string } ? Name : string;

/**
 * Client of one application. `App` is what `tablecast types` writes, or has records or `TableTypes` by export name; `Routes`
 * has `RouteTypes` by key.
 *
 * @example
 * ```ts
 * // page.ts
 * import { type Client, connect } from 'tablecast/client';
 *
 * interface Tables {
 *   Task: { id: string; title: string; done: boolean };
 * }
 *
 * async function addTask({ tables, $api }: Client<Tables>, title: string): Promise<string> {
 *   const { id } = await tables.Task.create({ title });
 *   await $api.announce?.post({ added: title });
 *   return id;
 * }
 *
 * const client = connect<Tables>('https://example.com/my-app');
 * console.log(`added ${await addTask(client, 'Buy milk')}`);
 * client.close();
 * ```
 */
export interface Client<App = AnyTables, Routes = never> {
  readonly tables: { readonly [Name in keyof TablesOf<App>]: Table<TablesOf<App>[Name]> };
  /** HTTP routes in code: `$api.orders.post({ … })`. */
  readonly $api: CallsOf<RoutesOf<App, Routes>, 'http'>;
  /** Event streams of routes in code: `$sse.ticks({}, { onMessage })`. */
  readonly $sse: CallsOf<RoutesOf<App, Routes>, 'sse'>;
  /** WebSockets of routes in code: `$ws.chat({}, { onOpen, onMessage, onClose, onError })`. */
  readonly $ws: CallsOf<RoutesOf<App, Routes>, 'ws'>;
  /**
   * Opens the rooms of a connector, over the connection of the lists. `connector` is its name or its path; the default is
   * `ws`. The URL of a connector with a port of its own opens a WebSocket to it.
   */
  rooms(connector?: ConnectorOf<App> | `/${string}` | URL, options?: RoomsOptions): Rooms;
  /** Logging in, for applications with users of their own. */
  readonly auth: Auth;
  /** Status of the live connection: `idle` while nothing is subscribed. */
  readonly status: Status | 'idle';
  /** Adds a listener for `status`. Returns a function that removes it. */
  onStatus(listener: (status: Status | 'idle') => void): () => void;
  /**
   * Writes several records of several tables, all or none.
   *
   * @param steps what to write, in order; `{ $ref: name }` is the key of the record that a step before names by `as`
   * @returns the results of the steps, and the position after the transaction
   * @throws TablecastError with the code of the step that is refused; `errors` name it
   */
  transaction(
    steps: readonly TransactionStep<TablesOf<App>>[],
    options?: TransactionOptions,
  ): Promise<TransactionResult>;
  /** Closes every open subscription, list, stream and socket. */
  close(): void;
}

interface Closable {
  close(): void;
  readonly ended?: Promise<void>;
}

/**
 * Creates a client of one application. Nothing is sent before the first request or subscription.
 *
 * @param url address of the application; in a page it may be relative, such as `.`
 * @param options token, timeouts and replacements for WebSocket and fetch
 * @throws TypeError for an invalid URL
 * @example
 * ```ts
 * // page.ts
 * import { connect } from 'tablecast/client';
 *
 * const client = connect('https://example.com/my-app', { token: () => undefined, timeout: 5_000 });
 * await client.tables.Task?.put('docs', { title: 'Write the docs' });
 * console.log(await client.tables.Task?.list({ title: 'Write the docs' }));
 * client.close();
 * ```
 */
export function connect<App = AnyTables, Routes = never>(
  url: string | URL,
  options: ConnectOptions = {},
): Client<App, Routes> {
  const given = makeEnvironment(url, options);
  const auth = new Auth(given, options.storage, () => hub.pool.restart());
  const environment: Environment = options.token === undefined ? withLogin(given, auth) : given;
  const open = new Set<Closable>();
  const track = <C extends Closable>(closable: C): C => {
    open.add(closable);
    const untrack = () => open.delete(closable);
    closable.ended?.then(untrack, untrack);
    return closable;
  };
  const hub = new LiveHub(environment);
  const tables = new Map<string, Table<unknown>>();
  const client = {
    tables: new Proxy({} as Record<string, unknown>, {
      get: (_target, name) => {
        if (typeof name === 'symbol' || name === 'then') return undefined;
        const table = tables.get(name) ?? new Table(environment, name, hub);
        tables.set(name, table);
        return table;
      },
    }),
    $api: routeProxy(async (path, args) => (await loadCalls()).callRoute(environment, path, args)),
    $sse: routeProxy((path, [query, handlers]) =>
      track(openRouteStream({ environment, path, query: query as Query }, handlers as SseHandlers)),
    ),
    $ws: routeProxy((path, [query, handlers = {}]) => {
      const route = { environment, path, query: query as Query };
      const socket = openRouteSocket(route, {
        ...(handlers as WsHandlers),
        onClose: (code, reason) => {
          open.delete(socket);
          (handlers as WsHandlers).onClose?.(code, reason);
        },
      });
      return track(socket);
    }),
    rooms: (connector: string | URL = 'ws', roomsOptions: RoomsOptions = {}) =>
      track(new Rooms(hub.pool, connector, roomsOptions)),
    auth,
    get status() {
      return hub.pool.status;
    },
    onStatus: (listener: (status: Status | 'idle') => void) => hub.pool.onStatus(listener),
    transaction: (steps: readonly object[], writeOptions?: TransactionOptions) =>
      sendTransaction(environment, hub, steps, writeOptions),
    close: () => {
      auth.close();
      hub.close();
      for (const closable of [...open]) closable.close();
    },
  };
  return client as unknown as Client<App, Routes>;
}

/** Uses the tokens of the login. A refused token is replaced as long as a user is logged in. */
function withLogin(environment: Environment, auth: Auth): Environment {
  return {
    ...environment,
    token: (renew) => auth.token(renew),
    get canRenew() {
      return auth.user !== undefined;
    },
  };
}
