import type { HttpHandler, RouteHooks, RouteMethod, SseHandler, WsHandler } from './define.ts';
import type { StandardSchema } from './standard-schema.ts';

export const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const satisfies readonly RouteMethod[];

/** Part of a route that is checked before any handler runs. */
interface CheckedRoute {
  /** Path below the prefix, without a leading slash. */
  readonly key: string;
  /** Name of its module in messages. */
  readonly module: string;
  readonly query: StandardSchema | undefined;
  readonly access: 'authenticated' | readonly string[] | undefined;
  /** Hooks of the module, then those of the route. */
  readonly hooks: readonly RouteHooks[];
}

export interface HttpRoute extends CheckedRoute {
  readonly kind: 'http';
  readonly methods: readonly RouteMethod[];
  readonly body: StandardSchema | undefined;
  readonly handler: HttpHandler;
}

export interface SseRoute extends CheckedRoute {
  readonly kind: 'sse';
  readonly handler: SseHandler;
}

export interface WsRoute extends CheckedRoute {
  readonly kind: 'ws';
  readonly message: StandardSchema | undefined;
  /** Messages with a newer token renew the connection and do not reach the handler. */
  readonly renew: boolean;
  readonly handler: WsHandler;
}

/** A checked route of a module. */
export type Route = HttpRoute | SseRoute | WsRoute;
