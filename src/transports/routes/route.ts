import type { HttpHandler, RouteHooks, RouteMethod, SseHandler, WsHandler } from './define.ts';
import type { StandardSchema } from './standard-schema.ts';

export const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const satisfies readonly RouteMethod[];

/** What is checked before any handler. */
interface CheckedRoute {
  /** Its path below the prefix, without a slash at the beginning. */
  readonly key: string;
  /** How its module is called in messages. */
  readonly module: string;
  readonly query: StandardSchema | undefined;
  readonly access: 'authenticated' | readonly string[] | undefined;
  /** Those of the module first. */
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
  /** Messages with a newer token are taken here, and not handed on. */
  readonly renew: boolean;
  readonly handler: WsHandler;
}

/** A route as it was found in a module, checked. */
export type Route = HttpRoute | SseRoute | WsRoute;
