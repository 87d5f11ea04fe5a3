import { type Environment, listenForEnd, parseMessage, socketUrl } from '../connection/environment.ts';
import { readEventSource, type SseHandlers } from '../connection/event-source.ts';
import { type RequestOptions, request } from '../connection/http.ts';
import { asError, TablecastError } from '../error.ts';
import { plainSearch, type Query, withSearch } from '../query.ts';
import type { WsHandlers } from './route-types.ts';

/** Route with the values of a call. */
export interface Route {
  readonly environment: Environment;
  readonly path: readonly string[];
  readonly query: Query | undefined;
}

const METHODS = new Set(['get', 'delete', 'post', 'put', 'patch']);
const WITH_BODY = new Set(['post', 'put', 'patch']);

/** Calls an HTTP route. Returns parsed JSON, text, bytes, or undefined for 204. */
export async function callRoute(
  environment: Environment,
  path: readonly string[],
  args: readonly unknown[],
): Promise<unknown> {
  const last = path.at(-1) ?? '';
  const method = path.length > 1 && METHODS.has(last) ? last : undefined;
  const [body, query, options] = WITH_BODY.has(method ?? '') ? args : [undefined, ...args];
  const url = routeUrl({ environment, path: method === undefined ? path : path.slice(0, -1), query: query as Query });
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

/** Reads the event stream of a route until `closed` is aborted. */
export function readRouteStream<E>(route: Route, handlers: SseHandlers<E>, closed: AbortController): Promise<void> {
  return readEventSource(route.environment, routeUrl(route), handlers, closed);
}

/** Opens the WebSocket of a route. It does not reconnect: the state of the conversation is known only to its two sides. */
export class RouteSocket {
  readonly #handlers: WsHandlers;
  #socket: InstanceType<Awaited<ReturnType<Environment['socketClass']>>> | undefined;
  #waiting: (string | Uint8Array)[] | undefined = [];
  #isClosed = false;

  constructor(route: Route, handlers: WsHandlers) {
    this.#handlers = handlers;
    void this.#open(route.environment, socketUrl(routeUrl(route)));
  }

  send(data: string | Uint8Array): void {
    if (this.#waiting === undefined) this.#socket?.send(data);
    else this.#waiting.push(data);
  }

  close(code: number, reason: string): void {
    this.#isClosed = true;
    if (this.#socket === undefined) this.#handlers.onClose?.(code, reason);
    else this.#socket.close(code, reason);
  }

  async #open(environment: Environment, url: string): Promise<void> {
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
        end: (code, reason) => this.#handlers.onClose?.(code, reason),
        error: () => this.#handlers.onError?.(new TablecastError('NETWORK', 'The connection has failed.')),
      });
    } catch (thrown) {
      this.#handlers.onError?.(asError(thrown));
      this.#handlers.onClose?.(1006, '');
    }
  }

  #opened(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    this.#handlers.onOpen?.();
    for (const data of waiting) this.#socket?.send(data);
  }
}

/** Returns the address of a route. `:name` in its key is replaced by the parameter of the query. */
function routeUrl({ environment: { base, routesPrefix }, path, query = '' }: Route): string {
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
