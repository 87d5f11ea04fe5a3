import type { Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import { Connections } from '../../connections.ts';
import { agreeOnAny } from '../../socket/scope.ts';
import { checkHandshake } from '../../socket/upgrades.ts';
import type { TransportContext } from '../../transport.ts';
import type { RouteScope } from '../context.ts';
import type { WsRoute } from '../route.ts';
import { type OpenedRoute, openRoute, RunningHandlers } from './opening.ts';
import { RouteSocket } from './socket.ts';

export interface ServedSocket {
  readonly route: WsRoute;
  readonly scope: RouteScope;
}

/** Made before the upgrade, for the handler after it. */
interface CheckedRoute extends OpenedRoute {
  /** Ends the hooks when the upgrade does not happen. */
  readonly abandon: () => void;
}

/** Opens the WebSockets of ws routes and keeps them. */
export class RouteSockets {
  readonly #context: TransportContext;
  readonly #connections: Connections<RouteSocket>;
  readonly #checked = new WeakMap<FastifyRequest, CheckedRoute>();
  readonly #handlers = new RunningHandlers();

  constructor(context: TransportContext) {
    this.#context = context;
    this.#connections = new Connections(context.admission, { interval: context.config.channels.pingInterval });
  }

  get size(): number {
    return this.#connections.size;
  }

  stop(): void {
    this.#connections.stop();
  }

  abort(): void {
    this.#connections.abort();
  }

  /** Resolves when the handlers and hooks of closed sockets have ended. */
  settled(): Promise<void> {
    return this.#handlers.settled();
  }

  /** Refuses whatever can be refused here, as a plain HTTP error and never after a 101. */
  async check(request: FastifyRequest, { route, scope }: ServedSocket): Promise<void> {
    await openRoute(request, {
      ...{ route, scope, guard: this.#connections },
      check: () => {
        checkHandshake(request.raw);
        agreeOnAny(request);
      },
      isGone: () => request.raw.socket.destroyed,
      open: (opened) => this.#keep(request, opened),
    });
  }

  open(
    ws: WebSocket,
    socket: Socket,
    { request, route, scope }: ServedSocket & { readonly request: FastifyRequest },
  ): void {
    const { context, hooks, abort, abandon } = this.#checked.get(request) as CheckedRoute;
    socket.off('close', abandon);
    const { channels, limits } = this.#context.config;
    const opened = new RouteSocket(ws, socket, {
      ...{ route, scope, context, abort, limits, clientBuffer: channels.clientBuffer },
      socketLimits: { ...channels, ...limits },
    });
    this.#connections.open(opened, { request, registry: scope.auth?.connections, appId: scope.appId });
    this.#handlers.add(opened.run(), { hooks, onError: scope.onError });
  }

  #keep(request: FastifyRequest, { context, hooks, abort }: OpenedRoute): void {
    const abandon = () => {
      abort.abort();
      void hooks.cleanup();
    };
    request.raw.socket.once('close', abandon);
    this.#checked.set(request, { context, hooks, abort, abandon });
  }
}
