import type { IncomingHttpHeaders } from 'node:http';
import type { Identity } from '../../auth/identity.ts';
import type { RoomsHandle } from '../../hub/rooms/rooms.ts';
import type { NamedTables } from '../../resources/tables.ts';
import type { OutputOf, StandardSchema } from './standard-schema.ts';

export type RouteKind = 'http' | 'sse' | 'ws';
export type RouteMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** The connections of the application's connectors that have rooms, by the name of the connector in config.yaml. */
export type RouteRooms = Readonly<Record<string, RoomsHandle>>;

/** A query string without a schema: a name that stands several times has a list. */
export type RawQuery = Readonly<Record<string, string | readonly string[]>>;

/** Passed from `before` hooks to the handler and on to `cleanup`: one object for each request or connection. */
export type SharedContext = Record<string, unknown>;

/** What a handler knows of the request, or of the one that opened its stream or socket. */
export interface RouteContext<Query = unknown> {
  readonly method: string;
  /** Without the query string. */
  readonly path: string;
  /** The `:name` segments of the route's key, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** As its schema gives it. */
  readonly query: Query;
  readonly headers: IncomingHttpHeaders;
  readonly ip: string;
  /** Who asks, with the rights of now; anonymous where the application has no `auth`. */
  readonly identity: Identity;
  readonly context: SharedContext;
  /** The tables with all rights: what the caller may do is for the handler to decide. */
  readonly tables: NamedTables;
  /** The tables with somebody's rights: `as(identity)` may what the caller may. */
  as(identity: Identity): NamedTables;
  /** Tells clients of connectors something: all of them, the members of a room, or the connections of a user. */
  readonly rooms: RouteRooms;
  /** Aborted when the client has gone, and when the server stops. */
  readonly signal: AbortSignal;
}

export interface HttpContext<Query = unknown, Body = unknown> extends RouteContext<Query> {
  /** As its schema gives it; without one parsed JSON, text, or a Buffer, by its content type. */
  readonly body: Body;
}

/** One WebSocket, as long as it is open. */
export interface RouteConnection<Query = unknown> extends RouteContext<Query> {
  /** A UUID. */
  readonly id: string;
  /** Bytes that were sent and that the client has not taken yet. */
  readonly buffered: number;
  /**
   * Sends text as it is, bytes as a binary frame, and anything else as JSON text. False when much is buffered: then wait
   * for `drained`. A client that leaves more than 1 MiB unread is cut off. Nothing happens when the socket is closed.
   */
  send(message: unknown): boolean;
  /** Resolves when nothing is buffered any more, or the socket has closed. */
  drained(): Promise<void>;
  /** 1000, 1001, 1008, 1011, or 3000 to 4999; the reason has at most 123 bytes. Throws what `ws` throws for others. */
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

/** Refuses a request before it is handled. */
export interface Refusal {
  /** 400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 429 or 503. */
  readonly status: number;
  readonly error: string;
}

type OneOrMany<T> = T | readonly T[];
// Returning nothing is what most hooks do.
// biome-ignore lint/suspicious/noConfusingVoidType: a function without a return statement has this type.
type MaybeRefusal = Refusal | undefined | void;

/** Functions around the handler of one route, or of all routes of a module. */
export interface RouteHooks {
  /** In their order, before the handler, the stream or the 101; whoever returns a refusal, or throws one, ends it. */
  readonly before?: OneOrMany<(request: RouteContext) => MaybeRefusal | Promise<MaybeRefusal>>;
  /** After an http handler has returned; never for streams and sockets. */
  readonly after?: OneOrMany<(request: RouteContext, result: unknown) => unknown>;
  /** Once at the end, whatever the end was, if `before` was reached. */
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
  /** `http` unless it is said. */
  readonly kind?: Kind;
  /** Of http routes; without it GET, or POST where there is a schema for the body. */
  readonly method?: OneOrMany<RouteMethod>;
  /** Schema of the query string. */
  readonly query?: Query;
  /** Schema of each message of a socket. */
  readonly message?: Input;
  /** Schema of the body of an http request. */
  readonly body?: Input;
  /** Short for `message` or `body`, and for `query` of an sse route. */
  readonly input?: Input;
  /** Who may: whoever has shown who he is, or who has one of these roles. Without it everybody. */
  readonly access?: 'authenticated' | readonly string[];
  /**
   * Of ws routes of an application with `auth`: `{"type":"auth","token"}` renews the connection and does not come to the
   * handler, unless this is false.
   */
  readonly renew?: boolean;
  readonly hooks?: RouteHooks;
  readonly handler: Handlers<Query, Input>[Kind];
}

/** A route, to be exported in `routes` of a module that `routes:` of config.yaml names. Gives back what it is given. */
export function defineRoute<
  Kind extends RouteKind = 'http',
  Query extends MaybeSchema = undefined,
  Input extends MaybeSchema = undefined,
>(route: RouteOptions<Kind, Query, Input>): RouteOptions<Kind, Query, Input> {
  return route;
}
