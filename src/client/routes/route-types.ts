import type { SseHandle, SseHandlers } from '../connection/event-source.ts';
import type { RequestOptions } from '../connection/http.ts';
import type { TablecastError } from '../error.ts';
import type { Query } from '../query.ts';

/** Types of an HTTP route. Properties that are left out are `unknown`. */
export interface HttpRoute {
  readonly kind: 'http';
  readonly query?: unknown;
  readonly body?: unknown;
  readonly result?: unknown;
}

/** Types of an event stream route. */
export interface SseRoute {
  readonly kind: 'sse';
  readonly query?: unknown;
  readonly event?: unknown;
}

/** Types of a WebSocket route. */
export interface WsRoute {
  readonly kind: 'ws';
  readonly query?: unknown;
  /** Message that the client sends. */
  readonly message?: unknown;
  /** Message that the server sends. */
  readonly answer?: unknown;
}

/** Routes by key. A key with slashes is nested or whole: `'rooms/list'` is `{ rooms: { list } }` or `{ 'rooms/list': … }`. */
export interface RouteTypes {
  readonly [name: string]: HttpRoute | SseRoute | WsRoute | RouteTypes;
}

export interface WsHandlers<Answer = unknown> {
  onOpen?(): void;
  /** Called with parsed JSON, other text as it is, or bytes as an ArrayBuffer. */
  onMessage?(message: Answer): void;
  onClose?(code: number, reason: string): void;
  onError?(error: TablecastError): void;
}

export interface WsHandle<Message = unknown> {
  /** Sends text and bytes as they are, any other value as JSON. Queued until the connection is open. Throws `CLOSED`. */
  send(message: Message): void;
  close(code?: number, reason?: string): void;
}

type QueryOf<T> = T extends { readonly query: infer Q } ? Q : Query;
type MemberOf<T, Name extends string> = T extends { readonly [N in Name]: infer V } ? V : unknown;

/** Calls of an HTTP route; the function itself is `get`. Parameters of the key (`:room`) come from the query. */
export interface HttpCall<T> {
  (query?: QueryOf<T>, options?: RequestOptions): Promise<MemberOf<T, 'result'>>;
  get(query?: QueryOf<T>, options?: RequestOptions): Promise<MemberOf<T, 'result'>>;
  delete(query?: QueryOf<T>, options?: RequestOptions): Promise<MemberOf<T, 'result'>>;
  post(body?: MemberOf<T, 'body'>, query?: QueryOf<T>, options?: RequestOptions): Promise<MemberOf<T, 'result'>>;
  put(body?: MemberOf<T, 'body'>, query?: QueryOf<T>, options?: RequestOptions): Promise<MemberOf<T, 'result'>>;
  patch(body?: MemberOf<T, 'body'>, query?: QueryOf<T>, options?: RequestOptions): Promise<MemberOf<T, 'result'>>;
}

export type SseCall<T> = (query: QueryOf<T>, handlers: SseHandlers<MemberOf<T, 'event'>>) => SseHandle;
export type WsCall<T> = (
  query: QueryOf<T>,
  handlers: WsHandlers<MemberOf<T, 'answer'>>,
) => WsHandle<MemberOf<T, 'message'>>;

type Call<T, Kind> = Kind extends 'http' ? HttpCall<T> : Kind extends 'sse' ? SseCall<T> : WsCall<T>;

/** Routes of one kind, by their names. */
export type Calls<Routes, Kind extends 'http' | 'sse' | 'ws'> = {
  readonly [Name in keyof Routes as Routes[Name] extends { readonly kind: infer K extends string }
    ? K extends Kind
      ? Name
      : never
    : Name]: Routes[Name] extends { readonly kind: string } ? Call<Routes[Name], Kind> : Calls<Routes[Name], Kind>;
};

/** Untyped HTTP routes: any name, nested in any way. */
export interface AnyHttpCalls {
  readonly [name: string]: HttpCall<unknown> & AnyHttpCalls;
}

/** Untyped streams and sockets: any name. A nested key is written whole, `$ws['rooms/chat']`. */
export interface AnyCalls<Kind extends 'sse' | 'ws'> {
  readonly [name: string]: Call<unknown, Kind>;
}

export type CallsOf<Routes, Kind extends 'http' | 'sse' | 'ws'> = [Routes] extends [never]
  ? Kind extends 'sse' | 'ws'
    ? AnyCalls<Kind>
    : AnyHttpCalls
  : Calls<Routes, Kind>;
