import type { FastifyRequest } from 'fastify';
import type { ConnectionGuard } from '../../connection-guard.ts';
import { type LiveContext, makeContext, type RouteScope } from '../context.ts';
import { toFailure } from '../failures.ts';
import { RouteHookRun } from '../hook-run.ts';
import type { SseRoute, WsRoute } from '../route.ts';

/** What a route's stream or socket is opened with. */
export interface OpenedRoute {
  readonly context: LiveContext;
  /** Whoever has opened it cleans up when it ends. */
  readonly hooks: RouteHookRun;
  readonly abort: AbortController;
}

export interface RouteOpening {
  readonly route: SseRoute | WsRoute;
  readonly scope: RouteScope;
  readonly gate: ConnectionGuard;
  /** Throws when the request is none for such a route. */
  check(): void;
  /** The client has gone away meanwhile. */
  isGone(): boolean;
  open(opened: OpenedRoute): void;
}

/** Asks the hooks of a route before it is opened. Throws AppError; then the hooks have cleaned up. */
export async function openRoute(
  request: FastifyRequest,
  { route, scope, gate, check, isGone, open }: RouteOpening,
): Promise<void> {
  const abort = new AbortController();
  let hooks: RouteHookRun | undefined;
  try {
    check();
    gate.admit(request);
    const context = await makeContext(request, route, { scope, signal: abort.signal });
    hooks = new RouteHookRun(route.hooks, context, scope.onError);
    await hooks.before();
    gate.readmit(request, isGone());
    open({ context, hooks, abort });
  } catch (error) {
    await hooks?.cleanup();
    throw toFailure(error, scope);
  }
}
