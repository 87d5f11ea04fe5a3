import type { SseHandle, SseHandlers } from '../connection/event-source.ts';
import type { RequestOptions } from '../connection/http.ts';
import type { TablecastError } from '../error.ts';
import type { Query } from '../query.ts';

/** What a route takes and gives, for the compiler. Everything that is not named is `unknown`. */
export interface HttpRoute {
  readonly kind: 'http';
  readonly query?: unknown;
  readonly body?: unknown;
  readonly result?: unknown;
}

export interface SseRoute {
  readonly kind: 'sse';
  readonly query?: unknown;
  readonly event?: unknown;
}

export interface WsRoute {
  readonly kind: 'ws';
  readonly query?: unknown;
  /** What the client sends. */
  readonly message?: unknown;
  /** What the server sends. */
  readonly answer?: unknown;
}

/** Routes by key. A key with slashes stands in nested objects: `'rooms/list'` is `{ rooms: { list } }`, or as it is. */
export interface RouteTypes {
  readonly [name: string]: HttpRoute | SseRoute | WsRoute | RouteTypes;
}

export interface WsHandlers<Answer = unknown> {
  onOpen?(): void;
  /** Text that is JSON comes parsed, bytes as an ArrayBuffer. */
  onMessage?(message: Answer): void;
  onClose?(code: number, reason: string): void;
  onError?(error: TablecastError): void;
}

export interface WsHandle<Message = unknown> {
  /** Text and bytes as they are, anything else as JSON; what comes before the connection is open waits for it. */
  send(message: Message): void;
  close(code?: number, reason?: string): void;
}

type QueryOf<T> = T extends { readonly query: infer Q } ? Q : Query;
type Member<T, Name extends string> = T extends { readonly [N in Name]: infer V } ? V : unknown;

/** Called, it is `get`. Parameters of the key (`:room`) are taken from the query. */
export interface HttpCall<T> {
  (query?: QueryOf<T>, options?: RequestOptions): Promise<Member<T, 'result'>>;
  get(query?: QueryOf<T>, options?: RequestOptions): Promise<Member<T, 'result'>>;
  delete(query?: QueryOf<T>, options?: RequestOptions): Promise<Member<T, 'result'>>;
  post(body?: Member<T, 'body'>, query?: QueryOf<T>, options?: RequestOptions): Promise<Member<T, 'result'>>;
  put(body?: Member<T, 'body'>, query?: QueryOf<T>, options?: RequestOptions): Promise<Member<T, 'result'>>;
  patch(body?: Member<T, 'body'>, query?: QueryOf<T>, options?: RequestOptions): Promise<Member<T, 'result'>>;
}

export type SseCall<T> = (query: QueryOf<T>, handlers: SseHandlers<Member<T, 'event'>>) => SseHandle;
export type WsCall<T> = (
  query: QueryOf<T>,
  handlers: WsHandlers<Member<T, 'answer'>>,
) => WsHandle<Member<T, 'message'>>;

type Call<T, Kind> = Kind extends 'http' ? HttpCall<T> : Kind extends 'sse' ? SseCall<T> : WsCall<T>;

/** The routes of one kind, by their names. */
export type Calls<Routes, Kind extends 'http' | 'sse' | 'ws'> = {
  readonly [Name in keyof Routes as Routes[Name] extends { readonly kind: infer K extends string }
    ? K extends Kind
      ? Name
      : never
    : Name]: Routes[Name] extends { readonly kind: string } ? Call<Routes[Name], Kind> : Calls<Routes[Name], Kind>;
};

/** Any name, nested in any way. */
export interface AnyHttpCalls {
  readonly [name: string]: HttpCall<unknown> & AnyHttpCalls;
}

/** Any name; one in another is reached through its whole key, `$ws['rooms/chat']`. */
export interface AnyCalls<Kind extends 'sse' | 'ws'> {
  readonly [name: string]: Call<unknown, Kind>;
}

export type CallsOf<Routes, Kind extends 'http' | 'sse' | 'ws'> = [Routes] extends [never]
  ? Kind extends 'sse' | 'ws'
    ? AnyCalls<Kind>
    : AnyHttpCalls
  : Calls<Routes, Kind>;
