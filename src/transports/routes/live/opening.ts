import type { FastifyRequest } from 'fastify';
import type { ConnectionGuard } from '../../connections.ts';
import { type LiveContext, makeContext, type RouteScope } from '../context.ts';
import { toFailure } from '../failures.ts';
import { RouteHookRun } from '../hook-run.ts';
import type { SseRoute, WsRoute } from '../route.ts';

/** A stream or socket of a route that has passed its checks and hooks. */
export interface OpenedRoute {
  readonly context: LiveContext;
  /** To be cleaned up when the connection ends. */
  readonly hooks: RouteHookRun;
  readonly abort: AbortController;
}

export interface RouteOpening {
  readonly route: SseRoute | WsRoute;
  readonly scope: RouteScope;
  readonly guard: ConnectionGuard;
  /** Throws AppError for a request that such a route cannot serve. */
  check(): void;
  /** True when the client has gone meanwhile. */
  isGone(): boolean;
  open(opened: OpenedRoute): void;
}

/** Runs the checks and hooks of a route, then opens it. Throws AppError; then the hooks have cleaned up. */
export async function openRoute(
  request: FastifyRequest,
  { route, scope, guard, check, isGone, open }: RouteOpening,
): Promise<void> {
  const abort = new AbortController();
  let hooks: RouteHookRun | undefined;
  try {
    check();
    guard.admit(request);
    const context = await makeContext(request, route, { scope, signal: abort.signal });
    hooks = new RouteHookRun(route.hooks, context, scope.onError);
    await hooks.before();
    guard.readmit(request, isGone());
    open({ context, hooks, abort });
  } catch (error) {
    await hooks?.cleanup();
    throw toFailure(error, scope);
  }
}

/** Handlers of connections that have not ended yet, with the cleanup of their hooks. */
export class RunningHandlers {
  readonly #running = new Set<Promise<void>>();

  add(handler: Promise<void>, { hooks, onError }: RunningHandlerOptions): void {
    const running = handler.then(() => hooks.cleanup()).catch(onError);
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** Resolves when those that run now have ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }
}

export interface RunningHandlerOptions {
  readonly hooks: RouteHookRun;
  readonly onError: (error: unknown) => void;
}
