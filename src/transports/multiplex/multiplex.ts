import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import type { Identity } from '../../auth/identity.ts';
import { ownPath } from '../../config/reserved-paths.ts';
import { firstSegmentOf } from '../../config/short-addresses.ts';
import { AppError } from '../../errors.ts';
import type { RealtimeConnection, RealtimeHooks } from '../../hooks/realtime-hooks.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import { queryOf, transportOf } from '../../server/request.ts';
import { Connections } from '../connections.ts';
import { tablesOf } from '../endpoint.ts';
import { Heartbeat } from '../heartbeat.ts';
import { addSocketRoute, socketScope } from '../socket/scope.ts';
import { checkHandshake } from '../socket/upgrades.ts';
import { checkStreamable, hasGone, startResponse } from '../stream/response.ts';
import type { MountedApp, Transport, TransportContext, TransportFactory } from '../transport.ts';
import type { GatewayAuth, GatewayContext } from './actions.ts';
import { type Authentication, authenticate } from './credential.ts';
import { GatewaySocket } from './socket.ts';
import { GatewayStream } from './stream.ts';
import { parseStream } from './stream-request.ts';

/** Milliseconds that a client which is refused after the upgrade has to answer the close. */
const MAX_CLOSE_MS = 1000;
/** Bytes of the reason of a close, RFC 6455 §5.5. */
const MAX_REASON_BYTES = 123;
const SOCKET_PARAMETERS: ReadonlySet<string> = new Set(['token', 'ticket']);

/** The part of an application that the multiplexed protocol serves. */
export type GatewayApplication = Pick<MountedApp, 'config' | 'resources' | 'transactions' | 'hasShortAddress'> & {
  readonly auth: GatewayAuth | undefined;
  readonly hooks: RealtimeHooks | undefined;
};

/** Shared by all connections of one application. */
interface ServedApplication extends GatewayContext {
  readonly appId: string;
  /** Tables that a stream can be about. */
  readonly streamed: ReadonlyMap<string, TableResource>;
  readonly hooks: RealtimeHooks | undefined;
}

/** Creates the transport with many subscriptions over one WebSocket or event stream: PROTOCOL.md §4.6. */
export const createMultiplexTransport: TransportFactory = (context) => new Gateway(context);

export class Gateway implements Transport {
  readonly name = 'gateway';
  readonly #context: TransportContext;
  readonly #sockets: Connections<GatewaySocket>;
  readonly #streams: Connections<GatewayStream>;
  /** Messages for clients that cannot see the pings of a WebSocket. */
  readonly #heartbeats: Heartbeat<GatewaySocket>;
  readonly #authentications = new WeakMap<FastifyRequest, SocketAuthentication>();
  /** Streams that were written to in this turn of the event loop. */
  readonly #written = new Set<GatewayStream>();

  constructor(context: TransportContext) {
    this.#context = context;
    const { pingInterval, heartbeatInterval } = context.config.channels;
    const heartbeats = { interval: heartbeatInterval, startsLate: true };
    this.#sockets = new Connections(context.admission, { interval: pingInterval });
    this.#streams = new Connections(context.admission, heartbeats);
    this.#heartbeats = new Heartbeat(heartbeats, (socket) => socket.heartbeat());
  }

  async register(app: FastifyInstance, applications: readonly GatewayApplication[]): Promise<void> {
    const scope = await socketScope(app, this.#context.config.limits);
    for (const application of applications) {
      const served = this.#serve(application);
      for (const path of pathsOf(application)) {
        addSocketRoute(scope, {
          url: `${path}/ws`,
          check: (request) => this.#check(request, served),
          open: (ws, socket, request) => this.#openSocket(ws, socket, { request, served }),
        });
        app.get(`${path}/ws`, { exposeHeadRoute: false, constraints: { transport: 'rest' } }, refusePlain);
        app.get(`${path}/subscribe`, { exposeHeadRoute: false }, (request, reply) =>
          this.#openStream(request, reply, served),
        );
      }
    }
  }

  status() {
    return { connections: this.#sockets.size + this.#streams.size };
  }

  stop(): void {
    this.#heartbeats.stop();
    this.#sockets.stop();
    this.#streams.stop();
  }

  abort(): void {
    this.#sockets.abort();
    this.#streams.abort();
  }

  #serve(application: GatewayApplication): ServedApplication {
    const { transactions, auth, hooks } = application;
    const { channels, limits } = this.#context.config;
    return {
      appId: application.config.appId,
      collections: tablesOf(application, 'ws'),
      streamed: tablesOf(application, 'sse'),
      transactions,
      subscriptions: limits.subscriptions,
      clientBuffer: channels.clientBuffer,
      auth,
      hooks,
      pongTimeout: channels.pongTimeout,
      slowClientTimeout: channels.slowClientTimeout,
      messagesPerSecond: limits.messagesPerSecond,
      waitingMessages: limits.waitingMessages,
      message: limits.message,
      // A client that comes back asks for all of its subscriptions at once.
      messagesBurst: limits.messagesBurst + limits.subscriptions,
      onError: (error) => this.#context.onError(error),
    };
  }

  /** Lets a token that is missing or bad pass until after the 101: browsers show pages no status of a handshake. */
  async #check(request: FastifyRequest, { auth, hooks }: ServedApplication): Promise<void> {
    checkHandshake(request.raw);
    this.#sockets.admit(request);
    const unknown = [...new URLSearchParams(queryOf(request)).keys()].find((name) => !SOCKET_PARAMETERS.has(name));
    if (unknown !== undefined) {
      throw new AppError('INVALID_QUERY', 'This address accepts token and ticket; the rest belongs in messages.');
    }
    const authentication = await authenticate(request, auth?.authenticator);
    this.#authentications.set(
      request,
      hooks === undefined ? authentication : await connectHooks(request, authentication, hooks),
    );
    this.#sockets.readmit(request);
  }

  #openSocket(ws: WebSocket, socket: Socket, { request, served }: UpgradedRequest): void {
    const authentication = this.#authentications.get(request) as SocketAuthentication;
    if ('refused' in authentication) {
      ws.on('error', () => {});
      ws.close(1008, authentication.refused);
      setTimeout(() => ws.terminate(), MAX_CLOSE_MS).unref();
      return;
    }
    const { identity, realtime } = authentication;
    const client = new GatewaySocket(ws, socket, { context: served, identity, realtime });
    const slot = this.#heartbeats.add(client);
    ws.once('close', () => this.#heartbeats.remove(client, slot));
    this.#sockets.open(client, { request, registry: served.auth?.connections, appId: served.appId });
  }

  async #openStream(request: FastifyRequest, reply: FastifyReply, served: ServedApplication): Promise<void> {
    if (transportOf(request.raw) === 'ws') {
      throw new AppError('NOT_FOUND', 'This address is for event streams; the WebSocket is at /ws.');
    }
    this.#streams.admit(request);
    const authentication = await authenticate(request, served.auth?.authenticator);
    if ('refused' in authentication) {
      throw new AppError('UNAUTHORIZED', authentication.refused, { headers: { 'www-authenticate': 'Bearer' } });
    }
    const { identity } = authentication;
    const checked = parseStream(request, { identity, collections: served.streamed, limit: served.subscriptions });
    checkStreamable(request, reply);
    const realtime = served.hooks && (await connectStreamHooks(served.hooks, { identity, checked }));
    if (hasGone(request, reply)) {
      realtime?.closed();
      reply.hijack();
      return;
    }
    try {
      this.#streams.readmit(request);
    } catch (error) {
      realtime?.closed();
      throw error;
    }
    const stream = new GatewayStream(startResponse(request, reply), {
      isChunked: request.raw.httpVersion === '1.1',
      identity,
      realtime,
      clientBuffer: served.clientBuffer,
      written: (other) => this.#notePositionSoon(other),
    });
    stream.subscribe(checked);
    this.#streams.open(stream, { request, registry: served.auth?.connections, appId: served.appId });
  }

  /** Sends the position after the changes of all tables, and once for changes that come together. */
  #notePositionSoon(stream: GatewayStream): void {
    if (this.#written.size === 0) {
      setImmediate(() => {
        for (const each of this.#written) each.notePosition();
        this.#written.clear();
      });
    }
    this.#written.add(stream);
  }
}

interface UpgradedRequest {
  readonly request: FastifyRequest;
  readonly served: ServedApplication;
}

/** The caller, and the connection as hooks see it; or why it is refused after the upgrade. */
type SocketAuthentication = Authentication & { readonly realtime?: RealtimeConnection };

/** Runs the hooks for a socket. A client that they refuse is closed after the 101, like one with a bad token. */
async function connectHooks(
  request: FastifyRequest,
  authentication: Authentication,
  hooks: RealtimeHooks,
): Promise<SocketAuthentication> {
  if ('refused' in authentication) return authentication;
  try {
    const { identity } = authentication;
    const realtime = await hooks.connect({ identity, transport: 'gateway', collection: null });
    const { socket } = request.raw;
    // For the hooks, the connection ends with its socket, upgraded or not.
    if (socket.destroyed) realtime.closed();
    else socket.once('close', () => realtime.closed());
    return { identity, realtime };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { refused: shorten(error.message) };
  }
}

function shorten(text: string): string {
  let short = text;
  while (Buffer.byteLength(short) > MAX_REASON_BYTES) short = short.slice(0, -1);
  return short;
}

/** Runs the hooks for a stream. Throws what they throw: then there is no stream. */
async function connectStreamHooks(
  hooks: RealtimeHooks,
  { identity, checked }: { readonly identity: Identity; readonly checked: ReturnType<typeof parseStream> },
): Promise<RealtimeConnection> {
  const realtime = await hooks.connect({ identity, transport: 'gateway', collection: null });
  try {
    for (const { request } of checked) await realtime.subscribe(request.collection, null);
  } catch (error) {
    realtime.closed();
    throw error;
  }
  return realtime;
}

/** Paths below which `ws` and `subscribe` are. */
function pathsOf({ config: { appId, realtime }, hasShortAddress }: GatewayApplication): string[] {
  const isShort = hasShortAddress(firstSegmentOf(realtime.path));
  return [ownPath(appId, 'realtime'), `/${appId}${realtime.path}`, ...(isShort ? [realtime.path] : [])];
}

function refusePlain(): never {
  throw new AppError('UPGRADE_REQUIRED', 'This address is for WebSockets.', { headers: { upgrade: 'websocket' } });
}
