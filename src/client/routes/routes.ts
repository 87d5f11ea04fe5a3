import { type Environment, listenForEnd, parseMessage, printMessage, socketUrl } from '../connection/environment.ts';
import type { SseHandle, SseHandlers } from '../connection/event-source.ts';
import { type RequestOptions, request } from '../connection/http.ts';
import { asError, TablecastError } from '../error.ts';
import { plainSearch, type Query, withSearch } from '../query.ts';
import type { WsHandle, WsHandlers } from './route-types.ts';

type Caller = (path: readonly string[], args: readonly unknown[]) => unknown;

const METHODS = new Set(['get', 'delete', 'post', 'put', 'patch']);
const WITH_BODY = new Set(['post', 'put', 'patch']);

/** Makes a proxy on which `routes.a.b(…)` calls `call(['a', 'b'], […])`. */
export function routeProxy(call: Caller, path: readonly string[] = []): unknown {
  return new Proxy(() => {}, {
    // A promise that resolves to the proxy must not treat it as a thenable.
    get: (_target, name) =>
      typeof name === 'symbol' || name === 'then' ? undefined : routeProxy(call, [...path, name]),
    apply: (_target, _self, args) => call(path, args),
  });
}

/** Calls an HTTP route. Returns parsed JSON, text, bytes, or undefined for 204. */
export async function callRoute(
  environment: Environment,
  path: readonly string[],
  args: readonly unknown[],
): Promise<unknown> {
  const last = path.at(-1) ?? '';
  const method = path.length > 1 && METHODS.has(last) ? last : undefined;
  const [body, query, options] = WITH_BODY.has(method ?? '') ? args : [undefined, ...args];
  const url = routeUrl(environment, method === undefined ? path : path.slice(0, -1), query as Query);
  const response = await request(environment, url, {
    repeatable: method === undefined || method === 'get',
    ...(options as RequestOptions | undefined),
    method: (method ?? 'get').toUpperCase(),
    ...(body !== undefined && { body }),
  });
  const type = response.headers.get('content-type') ?? '';
  if (response.status === 204) return undefined;
  if (/[/+]json\b/.test(type)) return response.json();
  return type.startsWith('text/') ? response.text() : response.arrayBuffer();
}

/** Opens the event stream of a route, with code that is loaded when the first one is opened. */
export function openRouteStream<E>(
  environment: Environment,
  path: readonly string[],
  query: Query | undefined,
  handlers: SseHandlers<E>,
): SseHandle {
  const url = routeUrl(environment, path, query);
  const closed = new AbortController();
  const ended = import('../connection/event-source.ts').then(({ readEventSource }) =>
    readEventSource(environment, url, handlers, closed),
  );
  if (handlers.onError !== undefined) ended.catch(() => {});
  return { ended, close: () => closed.abort() };
}

/** Opens the WebSocket of a route. It does not reconnect: the state of the conversation is known only to its two sides. */
export function openRouteSocket(
  environment: Environment,
  path: readonly string[],
  query: Query | undefined,
  handlers: WsHandlers,
): WsHandle {
  const socket = new RouteSocket(handlers);
  void socket.open(environment, socketUrl(routeUrl(environment, path, query)));
  return { send: (message) => socket.send(message), close: (code, reason) => socket.close(code, reason) };
}

class RouteSocket {
  readonly #handlers: WsHandlers;
  #socket: InstanceType<Awaited<ReturnType<Environment['socketClass']>>> | undefined;
  #waiting: (string | Uint8Array)[] | undefined = [];
  #isClosed = false;

  constructor(handlers: WsHandlers) {
    this.#handlers = handlers;
  }

  async open(environment: Environment, url: string): Promise<void> {
    try {
      const Socket = await environment.socketClass();
      const token = await environment.token(false);
      if (this.#isClosed) return;
      const socket = token === undefined ? new Socket(url) : new Socket(url, [`bearer.${token}`]);
      this.#socket = socket;
      socket.binaryType = 'arraybuffer';
      socket.onopen = () => this.#opened();
      socket.onmessage = ({ data }) => this.#handlers.onMessage?.(parseMessage(data));
      listenForEnd(socket, {
        end: (code, reason) => this.#closed(code, reason),
        error: () => this.#handlers.onError?.(new TablecastError('NETWORK', 'The connection has failed.')),
      });
    } catch (thrown) {
      this.#handlers.onError?.(asError(thrown));
      this.#closed(1006, '');
    }
  }

  send(message: unknown): void {
    if (this.#isClosed) throw new TablecastError('CLOSED', 'The connection is closed.');
    const data = printMessage(message);
    if (this.#waiting === undefined) this.#socket?.send(data);
    else this.#waiting.push(data);
  }

  close(code = 1000, reason = ''): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#socket === undefined) this.#handlers.onClose?.(code, reason);
    else this.#socket.close(code, reason);
  }

  #opened(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    this.#handlers.onOpen?.();
    for (const data of waiting) this.#socket?.send(data);
  }

  #closed(code: number, reason: string): void {
    this.#isClosed = true;
    this.#handlers.onClose?.(code, reason);
  }
}

/** Returns the address of a route. `:name` in its key is replaced by the parameter of the query. */
function routeUrl({ base, routesPrefix }: Environment, path: readonly string[], query: Query = ''): string {
  const left: Record<string, never> | string =
    typeof query === 'string' ? query : { ...(query as Record<string, never>) };
  const address = path.join('/').replace(/:([A-Za-z_]\w*)/g, (whole, name: string) => {
    if (typeof left === 'string' || !Object.hasOwn(left, name)) return whole;
    const value = String(left[name]);
    delete left[name];
    return encodeURIComponent(value);
  });
  return withSearch(new URL(routesPrefix + address, base).href, plainSearch(left));
}
