import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import type { WebSocket } from 'ws';
import { StartError } from '../../config/files/diagnostic.ts';
import { diagnoseFile } from '../../config/files/source.ts';
import { isReservedAtRoot } from '../../config/reserved-paths.ts';
import { firstSegmentOf } from '../../config/short-addresses.ts';
import { makeCodeTables } from '../../resources/transactions/code.ts';
import { makeAuthentication } from '../../server/auth/authentication.ts';
import { addSocketRoute, type SocketScope, socketScope } from '../socket/scope.ts';
import type { MountedApp, Transport, TransportContext, TransportFactory } from '../transport.ts';
import { makeCallerRooms, makeRooms, perIdentity, type RouteScope } from './context.ts';
import { answerRequest, refuseOthers, registerRouteBodies } from './http.ts';
import { RouteSockets } from './live/sockets.ts';
import { RouteStreams } from './live/streams.ts';
import type { HttpRoute, Route, SseRoute, WsRoute } from './route.ts';

/** Time that handlers get to end after their connections have closed. */
const MAX_SETTLE_MS = 1000;

/** The part of an application that routes use. */
export type RoutesApplication = Pick<
  MountedApp,
  'config' | 'routes' | 'resources' | 'transactions' | 'auth' | 'hooks' | 'rooms' | 'roomAccess' | 'hasShortAddress'
>;

interface RouteMount {
  readonly url: string;
  readonly scope: RouteScope;
  readonly onRequest: ReturnType<typeof makeAuthentication>[];
}

/** Creates the transport of routes in code: docs/reference/routes.md. */
export const createRoutesTransport: TransportFactory = (context) => new Routes(context);

export class Routes implements Transport {
  readonly name = 'routes';
  readonly #options: TransportContext;
  readonly #streams: RouteStreams;
  readonly #sockets: RouteSockets;

  constructor(options: TransportContext) {
    this.#options = options;
    this.#streams = new RouteStreams(options);
    this.#sockets = new RouteSockets(options);
  }

  /** Throws StartError when an address is taken. */
  async register(app: FastifyInstance, applications: readonly RoutesApplication[]): Promise<void> {
    const sockets = await socketScope(app, this.#options.config.limits);
    await app.register(async (plain) => {
      registerRouteBodies(plain);
      for (const application of applications) {
        const { routes, auth } = application;
        const scope = this.#makeScope(application);
        const onRequest = auth === undefined ? [] : [makeAuthentication(auth, { ticket: true, token: false })];
        for (const route of routes) {
          for (const prefix of prefixesOf(application)) {
            const mount = { url: `${prefix}/${route.key}`, scope, onRequest };
            if (route.kind === 'http') this.#addHttp(plain, route, mount);
            else if (route.kind === 'sse') this.#addStream(plain, route, mount);
            else this.#addSocket(sockets, route, mount);
          }
        }
      }
    });
  }

  status() {
    return { connections: this.#streams.size + this.#sockets.size };
  }

  stop(): void {
    this.#streams.stop();
    this.#sockets.stop();
  }

  abort(): void {
    this.#streams.abort();
    this.#sockets.abort();
  }

  /** Waits at most a second for handlers of closed connections, which may still write. */
  async settled(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, MAX_SETTLE_MS);
    });
    await Promise.race([late, Promise.all([this.#streams.settled(), this.#sockets.settled()])]);
    clearTimeout(timer);
  }

  #makeScope({ config, resources, transactions, auth, hooks, rooms, roomAccess }: RoutesApplication): RouteScope {
    const { showsDetails, onError } = this.#options;
    return {
      appId: config.appId,
      auth,
      as: perIdentity((identity) => makeCodeTables({ resources, transactions }, identity)),
      roomsOf: perIdentity((identity) => makeCallerRooms(rooms, roomAccess, identity)),
      system: Object.freeze({ tables: makeCodeTables({ resources, transactions }), rooms: makeRooms(rooms) }),
      asked: hooks?.has('onRouteRequest') ? (context) => hooks.askRequest(context) : undefined,
      showsDetails,
      onError: (error) => onError(error),
    };
  }

  #addHttp(app: FastifyInstance, route: HttpRoute, { url, scope, onRequest }: RouteMount): void {
    const { limits } = this.#options.config;
    const handler = (request: FastifyRequest, reply: FastifyReply) =>
      answerRequest(request, reply, { route, scope, limits });
    const constraints = { transport: 'rest' };
    add(app, route, { method: [...route.methods], url, constraints, onRequest, handler });
    refuseOthers(app, url, route.methods);
  }

  /** Serves the stream also to requests that do not ask for one: the address has nothing else. */
  #addStream(app: FastifyInstance, route: SseRoute, { url, scope, onRequest }: RouteMount): void {
    const handler = (request: FastifyRequest, reply: FastifyReply) =>
      this.#streams.open(request, reply, { route, scope });
    for (const transport of ['sse', 'rest']) {
      const constraints = { transport };
      add(app, route, { method: 'GET', url, constraints, exposeHeadRoute: false, onRequest, handler });
    }
    refuseOthers(app, url, ['GET']);
  }

  #addSocket(scope: SocketScope, route: WsRoute, { url, scope: routeScope, onRequest: [onRequest] }: RouteMount): void {
    checkFree(scope.scope, route, { method: 'GET', url, constraints: { transport: 'ws' } });
    const served = { route, scope: routeScope };
    addSocketRoute(scope, {
      url,
      onRequest,
      check: (request) => this.#sockets.check(request, served),
      open: (ws: WebSocket, socket: Socket, request) => this.#sockets.open(ws, socket, { request, ...served }),
    });
  }
}

/** Prefixes of the keys of routes: `/my-app/api`, and `/api` for the default application. */
function prefixesOf({ config: { appId, routesPrefix }, hasShortAddress }: RoutesApplication): string[] {
  const first = firstSegmentOf(routesPrefix);
  const isFree = hasShortAddress(first) && !isReservedAtRoot(first);
  return isFree ? [`/${appId}${routesPrefix}`, routesPrefix] : [`/${appId}${routesPrefix}`];
}

type RouteAddress = Pick<RouteOptions, 'url' | 'method' | 'constraints'>;

function add(app: FastifyInstance, route: Route, options: RouteOptions): void {
  checkFree(app, route, options);
  app.route(options);
}

function checkFree(
  app: FastifyInstance,
  { key, module }: Route,
  { url, method, constraints = {} }: RouteAddress,
): void {
  for (const each of [method].flat()) {
    if (!app.hasRoute({ url, method: each, constraints })) continue;
    const hint = 'use another key, or another routes_prefix in config.yaml';
    throw new StartError([diagnoseFile(module, `route "${key}" is at ${url}, which is taken`, hint)]);
  }
}
