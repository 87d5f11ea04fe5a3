import { printMessage } from '../connection/environment.ts';
import type { SseHandle, SseHandlers } from '../connection/event-source.ts';
import { asError, closedError } from '../error.ts';
import type { Route, RouteSocket } from './calls.ts';
import type { WsHandle, WsHandlers } from './route-types.ts';

type Caller = (path: readonly string[], args: readonly unknown[]) => unknown;

/** Makes a proxy on which `routes.a.b(…)` calls `call(['a', 'b'], […])`. */
export function routeProxy(call: Caller, path: readonly string[] = []): unknown {
  return new Proxy(() => {}, {
    // A promise that resolves to the proxy must not treat it as a thenable.
    get: (_target, name) =>
      typeof name === 'symbol' || name === 'then' ? undefined : routeProxy(call, [...path, name]),
    apply: (_target, _self, args) => call(path, args),
  });
}

/** Loads the rest with the first call of a route. */
export const loadCalls = () => import('./calls.ts');

/** Opens the event stream of a route. */
export function openRouteStream<E>(route: Route, handlers: SseHandlers<E>): SseHandle {
  const closed = new AbortController();
  const ended = loadCalls().then(({ readRouteStream }) => readRouteStream(route, handlers, closed));
  if (handlers.onError !== undefined) ended.catch(() => {});
  return { ended, close: () => closed.abort() };
}

/** Opens the WebSocket of a route. */
export function openRouteSocket(route: Route, handlers: WsHandlers): WsHandle {
  let socket: RouteSocket | undefined;
  let isClosed = false;
  const onClose = (code: number, reason: string) => {
    isClosed = true;
    handlers.onClose?.(code, reason);
  };
  const opened = loadCalls().then(({ RouteSocket }) => {
    if (!isClosed) socket = new RouteSocket(route, { ...handlers, onClose });
  });
  opened.catch((thrown: unknown) => {
    handlers.onError?.(asError(thrown));
    onClose(1006, '');
  });
  return {
    send: (message) => {
      if (isClosed) throw closedError();
      const data = printMessage(message);
      opened.then(
        () => socket?.send(data),
        () => {},
      );
    },
    close: (code = 1000, reason = '') => {
      if (isClosed) return;
      isClosed = true;
      if (socket === undefined) onClose(code, reason);
      else socket.close(code, reason);
    },
  };
}
