import type { Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import { ConnectionGuard } from '../../connection-guard.ts';
import { Heartbeat } from '../../heartbeat.ts';
import { checkHandshake } from '../../socket/handshake.ts';
import { agreeOnAny } from '../../socket/scope.ts';
import type { TransportContext } from '../../transport.ts';
import type { RouteScope } from '../context.ts';
import type { WsRoute } from '../route.ts';
import { type OpenedRoute, openRoute } from './opening.ts';
import { RouteSocket } from './socket.ts';

export interface ServedSocket {
  readonly route: WsRoute;
  readonly scope: RouteScope;
}

/** What was made before the upgrade, for the handler after it. */
interface Accepted extends OpenedRoute {
  /** Undoes what is done when the upgrade comes to nothing. */
  readonly abandon: () => void;
}

/** Opens the WebSockets of ws routes and keeps them. */
export class RouteSockets {
  readonly #context: TransportContext;
  readonly #gate: ConnectionGuard;
  readonly #sockets: Heartbeat<RouteSocket>;
  readonly #accepted = new WeakMap<FastifyRequest, Accepted>();
  readonly #running = new Set<Promise<void>>();

  constructor(context: TransportContext) {
    this.#context = context;
    this.#gate = new ConnectionGuard(context.admission);
    this.#sockets = new Heartbeat(context.config.channels.pingInterval, (socket) => socket.beat());
  }

  get size(): number {
    return this.#sockets.size;
  }

  stop(): void {
    this.#gate.close();
    this.#sockets.stop();
    for (const socket of this.#sockets.members()) socket.close(1001, 'the server stops');
  }

  abort(): void {
    for (const socket of this.#sockets.members()) socket.terminate();
  }

  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Everything that can be refused is refused here, as a plain HTTP error and never after a 101. */
  async check(request: FastifyRequest, { route, scope }: ServedSocket): Promise<void> {
    await openRoute(request, {
      ...{ route, scope, gate: this.#gate },
      check: () => {
        checkHandshake(request.raw);
        agreeOnAny(request);
      },
      isGone: () => request.raw.socket.destroyed,
      open: (opened) => this.#accept(request, opened),
    });
  }

  open(
    ws: WebSocket,
    socket: Socket,
    { request, route, scope }: ServedSocket & { readonly request: FastifyRequest },
  ): void {
    const { context, hooks, abort, abandon } = this.#accepted.get(request) as Accepted;
    socket.off('close', abandon);
    const { admission, config } = this.#context;
    const { channels, limits } = config;
    const place = admission.enter(request);
    const opened = new RouteSocket(ws, socket, {
      ...{ route, scope, context, abort, limits, clientBuffer: channels.clientBuffer },
      socketLimits: { ...channels, ...limits },
      release: (closed) => {
        scope.auth?.connections.remove(closed);
        this.#sockets.remove(closed, closed.slot);
        admission.leave(place);
      },
    });
    opened.slot = this.#sockets.add(opened);
    scope.auth?.connections.add(opened);
    // `stop` has seen those that were open then.
    if (this.#gate.isClosed) opened.close(1001, 'the server stops');
    const running = opened
      .run()
      .then(() => hooks.cleanup())
      .catch(scope.onError);
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  #accept(request: FastifyRequest, { context, hooks, abort }: OpenedRoute): void {
    const abandon = () => {
      abort.abort();
      void hooks.cleanup();
    };
    request.raw.socket.once('close', abandon);
    this.#accepted.set(request, { context, hooks, abort, abandon });
  }
}
