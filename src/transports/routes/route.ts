import type { Config } from '../../config/config.ts';
import { formatHost, isSecure } from '../../config/loopback.ts';
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

/** Describes routes line by line, for `tablecast check`. */
export function describeRoutes(routes: readonly Route[], { server, app }: Config): readonly string[] {
  if (routes.length === 0) return [];
  const { host, port } = server;
  const base = `http${isSecure(server) ? 's' : ''}://${formatHost(host)}:${port}/${app.appId}${app.routesPrefix}`;
  return ['', 'routes', ...routes.map((route) => describeRoute(route, `${base}/${route.key}`))];
}

function describeRoute(route: Route, url: string): string {
  const methods = route.kind === 'http' ? `${route.methods.join(', ')} ` : '';
  const { access } = route;
  const who = access === undefined ? '' : `, for ${access === 'authenticated' ? access : access.join(' or ')}`;
  const address = route.kind === 'ws' ? url.replace(/^http/, 'ws') : url;
  return `  ${route.kind.padEnd(9)}${methods}${address} (${route.module}${who})`;
}
