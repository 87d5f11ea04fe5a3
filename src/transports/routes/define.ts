import type { IncomingHttpHeaders } from 'node:http';
import type { Identity } from '../../auth/identity.ts';
import type { RoomsHandle } from '../../hub/rooms/rooms.ts';
import type { CodeTables } from '../../resources/transactions/code.ts';
import type { OutputOf, StandardSchema } from './standard-schema.ts';

export type RouteKind = 'http' | 'sse' | 'ws';
export type RouteMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Rooms of one connector with the rights of a caller, by the rules of rooms in config.yaml; all rights without rules. */
export interface CallerRooms {
  /** Resolves with the number of connections that it reaches. Rejects with FORBIDDEN for a room without the right `send`. */
  sendToRoom(room: string, data: unknown): Promise<number>;
  /** Resolves with the users in a room. Rejects with FORBIDDEN for a room without the right `presence`. */
  members(room: string): Promise<readonly string[]>;
  /** No rule of a room is about these: they are as with `system.rooms`. */
  broadcast(data: unknown): Promise<number>;
  sendToUser(user: string, data: unknown): Promise<number>;
}

/** Rooms of the application's connectors, by the name of the connector in config.yaml. */
export type RouteRooms = Readonly<Record<string, CallerRooms>>;

/** Tables and rooms with all rights, for every caller alike. */
export interface SystemAccess {
  readonly tables: CodeTables;
  /** Rooms by the name of their connector; absent ones are undefined. */
  readonly rooms: Readonly<Record<string, RoomsHandle>>;
}

/** Parameters of a query string without a schema; a repeated name has an array. */
export type RawQuery = Readonly<Record<string, string | readonly string[]>>;

/** Object that `before` hooks pass to the handler and to `cleanup`: one for each request or connection. */
export type SharedContext = Record<string, unknown>;

/** The request that a handler serves, or that opened its stream or socket. */
export interface RouteContext<Query = unknown> {
  readonly method: string;
  /** Path without the query string. */
  readonly path: string;
  /** The `:name` segments of the route's key, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** Output of its schema, or raw parameters without one. */
  readonly query: Query;
  readonly headers: IncomingHttpHeaders;
  readonly ip: string;
  /** The caller with its current rights; anonymous where the application has no `auth`. */
  readonly identity: Identity;
  readonly context: SharedContext;
  /** Tables with the rights of the caller. */
  readonly tables: CodeTables;
  /** Tables with the rights of any identity. */
  as(identity: Identity): CodeTables;
  /** Sends messages to clients of connectors, with the rights of the caller. */
  readonly rooms: RouteRooms;
  /** The same with all rights: the handler decides what the caller may do. */
  readonly system: SystemAccess;
  /** Aborted when the client disconnects, and when the server stops. */
  readonly signal: AbortSignal;
}

/**
 * Request of an HTTP route.
 *
 * @example
 * ```ts
 * // my-app/routes/whoami.ts
 * import { defineRoute, type HttpContext } from 'tablecast';
 *
 * function whoami({ identity, method }: HttpContext): object {
 *   return { method, caller: identity.type === 'principal' ? identity.sub : identity.type };
 * }
 *
 * export const routes = { whoami: defineRoute({ handler: whoami }) };
 * ```
 */
export interface HttpContext<Query = unknown, Body = unknown> extends RouteContext<Query> {
  /** Output of its schema; without one parsed JSON, a string or a Buffer, by the content type. */
  readonly body: Body;
}

/**
 * WebSocket of a route, as long as it is open.
 *
 * @example
 * ```ts
 * // my-app/routes/echo.ts
 * import { defineRoute, type RouteConnection } from 'tablecast';
 *
 * async function echo(message: unknown, connection: RouteConnection): Promise<void> {
 *   if (!connection.send({ echo: message })) await connection.drained();
 * }
 *
 * export const routes = { echo: defineRoute({ kind: 'ws', handler: { onMessage: echo } }) };
 * ```
 */
export interface RouteConnection<Query = unknown> extends RouteContext<Query> {
  /** A UUID. */
  readonly id: string;
  /** Bytes that were sent and that the client has not read yet. */
  readonly buffered: number;
  /**
   * Sends a string as it is, bytes as a binary frame, and anything else as JSON text. Returns false when much is buffered:
   * then wait for `drained`. A client that leaves more than 1 MiB unread is disconnected. Does nothing on a closed socket.
   */
  send(message: unknown): boolean;
  /** Resolves when nothing is buffered, or the socket has closed. */
  drained(): Promise<void>;
  /**
   * Closes the socket with a code of 1000, 1001, 1008, 1011, or 3000 to 4999, and a reason of at most 123 bytes. Throws the
   * error of `ws` for others.
   */
  close(code?: number, reason?: string): void;
}

export type HttpHandler<Query = unknown, Body = unknown> = (request: HttpContext<Query, Body>) => unknown;

export type SseHandler<Query = unknown> = (request: RouteContext<Query>) => AsyncIterable<unknown>;

export interface WsHandler<Query = unknown, Message = unknown> {
  onOpen?(connection: RouteConnection<Query>): unknown;
  onMessage(message: Message, connection: RouteConnection<Query>): unknown;
  onClose?(connection: RouteConnection<Query>, code: number, reason: string): unknown;
  onError?(connection: RouteConnection<Query>, error: unknown): unknown;
}

/** Result of a `before` hook that refuses the request. */
export interface Refusal {
  /** Status of the answer: 400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 429 or 503. */
  readonly status: number;
  readonly error: string;
}

type OneOrMany<T> = T | readonly T[];
// Most hooks return nothing.
// biome-ignore lint/suspicious/noConfusingVoidType: a function without a return statement has this type.
type MaybeRefusal = Refusal | undefined | void;

/** Functions around the handler of one route, or of all routes of a module. */
export interface RouteHooks {
  /**
   * Called in their order before the handler, the stream or the 101. A hook that returns a refusal, or throws, refuses the
   * request.
   */
  readonly before?: OneOrMany<(request: RouteContext) => MaybeRefusal | Promise<MaybeRefusal>>;
  /** Called after an http handler has returned; never for streams and sockets. */
  readonly after?: OneOrMany<(request: RouteContext, result: unknown) => unknown>;
  /** Called once at the end, also after an error, if `before` was reached. */
  readonly cleanup?: OneOrMany<(request: RouteContext) => unknown>;
}

type MaybeSchema = StandardSchema | undefined;

/** The handler of each kind of route; `Input` is the schema of a body or message. */
export interface Handlers<Query extends MaybeSchema, Input extends MaybeSchema> {
  readonly http: HttpHandler<OutputOf<Query, RawQuery>, OutputOf<Input, unknown>>;
  readonly sse: SseHandler<OutputOf<Query, OutputOf<Input, RawQuery>>>;
  readonly ws: WsHandler<OutputOf<Query, RawQuery>, OutputOf<Input, unknown>>;
}

export interface RouteOptions<Kind extends RouteKind, Query extends MaybeSchema, Input extends MaybeSchema> {
  /** Kind of the route; `http` by default. */
  readonly kind?: Kind;
  /** Methods of an http route; by default GET, or POST with a schema for the body. */
  readonly method?: OneOrMany<RouteMethod>;
  /** Schema of the query string. */
  readonly query?: Query;
  /** Schema of each message of a socket. */
  readonly message?: Input;
  /** Schema of the body of an http request. */
  readonly body?: Input;
  /** Stands for `message` or `body`, and for `query` of an sse route. */
  readonly input?: Input;
  /** Restricts access to authenticated callers, or to callers with one of these roles. Public by default. */
  readonly access?: 'authenticated' | readonly string[];
  /**
   * For ws routes of an application with `auth`: `{"type":"auth","token"}` renews the connection and does not reach the
   * handler, unless this is false.
   */
  readonly renew?: boolean;
  readonly hooks?: RouteHooks;
  readonly handler: Handlers<Query, Input>[Kind];
}

/**
 * Defines a route with its types. Export it in `routes` of a module that `routes:` of config.yaml names.
 *
 * @param route kind, schemas, access and handler; its key in `routes` is its path
 * @returns `route` itself
 * @example
 * ```ts
 * // my-app/routes/hello.ts
 * import { defineRoute } from 'tablecast';
 *
 * export const routes = {
 *   hello: defineRoute({ handler: ({ query }) => ({ hello: query.name ?? 'world' }) }),
 * };
 * ```
 */
export function defineRoute<
  Kind extends RouteKind = 'http',
  Query extends MaybeSchema = undefined,
  Input extends MaybeSchema = undefined,
>(route: RouteOptions<Kind, Query, Input>): RouteOptions<Kind, Query, Input> {
  return route;
}
