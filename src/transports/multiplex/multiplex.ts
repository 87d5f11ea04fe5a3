import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import type { Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import type { RealtimeConnection, RealtimeHooks } from '../../hooks/realtime-hooks.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import { queryOf } from '../../server/query-of.ts';
import { transportOf } from '../../server/transport-constraint.ts';
import { ConnectionGuard } from '../connection-guard.ts';
import { Heartbeat } from '../heartbeat.ts';
import { checkHandshake } from '../socket/handshake.ts';
import { addSocketRoute, socketScope } from '../socket/scope.ts';
import { checkStreamable, startResponse } from '../stream/response.ts';
import type { MountedApp, Transport, TransportContext, TransportFactory } from '../transport.ts';
import { type Authentication, authenticate } from './credential.ts';
import { type GatewayAuth, type GatewayContext, GatewaySocket } from './socket.ts';
import { GatewayStream } from './stream.ts';
import { parseStream } from './stream-request.ts';

/** How long a client that is not let in has for its answer to the close, in milliseconds. */
const LEAVE = 1000;
const SOCKET_PARAMETERS: ReadonlySet<string> = new Set(['token', 'ticket']);

/** The part of an application that the multiplexed protocol serves. */
export type GatewayApplication = Pick<MountedApp, 'config' | 'resources' | 'isOnly'> & {
  readonly auth: GatewayAuth | undefined;
  readonly hooks: RealtimeHooks | undefined;
};

/** What all connections of one application share. */
interface Served extends GatewayContext {
  /** Tables that a stream can be about. */
  readonly streamed: ReadonlyMap<string, TableResource>;
  readonly hooks: RealtimeHooks | undefined;
}

/** Many subscriptions over one WebSocket or event stream: PROTOCOL.md §4.6. */
export const createMultiplexTransport: TransportFactory = (context) => new Gateway(context);

export class Gateway implements Transport {
  readonly name = 'gateway';
  readonly #context: TransportContext;
  readonly #gate: ConnectionGuard;
  readonly #sockets: Heartbeat<GatewaySocket>;
  readonly #clients: Heartbeat<GatewaySocket | GatewayStream>;
  readonly #authentications = new WeakMap<FastifyRequest, Admitted>();
  /** Streams that were written to in this turn of the event loop. */
  readonly #written = new Set<GatewayStream>();

  constructor(context: TransportContext) {
    this.#context = context;
    this.#gate = new ConnectionGuard(context.admission);
    const { pingInterval, heartbeatInterval } = context.config.channels;
    this.#sockets = new Heartbeat(pingInterval, (socket) => socket.beat());
    this.#clients = new Heartbeat(heartbeatInterval, (client) => client.heartbeat());
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
    return { connections: this.#clients.size };
  }

  stop(): void {
    this.#gate.close();
    this.#sockets.stop();
    this.#clients.stop();
    for (const client of this.#clients.members()) {
      if (client instanceof GatewaySocket) client.close(1001, 'the server stops');
      else client.stop();
    }
  }

  abort(): void {
    for (const client of this.#clients.members()) {
      if (client instanceof GatewaySocket) client.terminate();
      else client.destroy();
    }
  }

  #serve({ resources, auth, hooks }: GatewayApplication): Served {
    const { channels, limits } = this.#context.config;
    const withTransport = (name: 'ws' | 'sse') =>
      new Map([...resources].filter(([, { table }]) => table.transports.has(name)));
    return {
      collections: withTransport('ws'),
      streamed: withTransport('sse'),
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

  /** A token that is missing or bad is told after the 101: a browser shows a page no status of a handshake. */
  async #check(request: FastifyRequest, { auth, hooks }: Served): Promise<void> {
    checkHandshake(request.raw);
    this.#gate.admit(request);
    const unknown = [...new URLSearchParams(queryOf(request)).keys()].find((name) => !SOCKET_PARAMETERS.has(name));
    if (unknown !== undefined) {
      throw new AppError('INVALID_QUERY', 'This address takes token and ticket; the rest is said in messages.');
    }
    const authentication = await authenticate(request, auth?.authenticator);
    this.#authentications.set(
      request,
      hooks === undefined ? authentication : await admit(request, authentication, hooks),
    );
    this.#gate.readmit(request);
  }

  #openSocket(ws: WebSocket, socket: Socket, { request, served }: { request: FastifyRequest; served: Served }): void {
    const authentication = this.#authentications.get(request) as Admitted;
    if ('refused' in authentication) {
      ws.on('error', () => {});
      ws.close(1008, authentication.refused);
      setTimeout(() => ws.terminate(), LEAVE).unref();
      return;
    }
    const { admission } = this.#context;
    const place = admission.enter(request);
    const client = new GatewaySocket(ws, socket, {
      context: served,
      identity: authentication.identity,
      realtime: authentication.realtime,
      release: (closed) => {
        this.#sockets.remove(closed, closed.slot);
        this.#clients.remove(closed, closed.beatSlot);
        served.auth?.connections.remove(closed);
        admission.leave(place);
      },
    });
    client.slot = this.#sockets.add(client);
    client.beatSlot = this.#clients.addLate(client);
    served.auth?.connections.add(client);
    // `stop` has seen those that were open then.
    if (this.#gate.isClosed) client.close(1001, 'the server stops');
  }

  async #openStream(request: FastifyRequest, reply: FastifyReply, served: Served): Promise<void> {
    if (transportOf(request.raw) === 'ws') {
      throw new AppError('NOT_FOUND', 'This address is for event streams; the WebSocket is beside it, at /ws.');
    }
    const { admission } = this.#context;
    this.#gate.admit(request);
    const authentication = await authenticate(request, served.auth?.authenticator);
    if ('refused' in authentication) {
      throw new AppError('UNAUTHORIZED', authentication.refused, { headers: { 'www-authenticate': 'Bearer' } });
    }
    const { identity } = authentication;
    const checked = parseStream(request, { identity, collections: served.streamed, limit: served.subscriptions });
    checkStreamable(request, reply);
    const realtime = served.hooks && (await askForStream(request, served.hooks, { identity, checked }));
    // It may have left while its token was checked: then nobody would hear of its end.
    if (request.raw.socket.destroyed) {
      reply.hijack();
      return;
    }
    this.#gate.readmit(request);
    const place = admission.enter(request);
    const output = startResponse(request, reply);
    const stream = new GatewayStream(output, {
      isChunked: request.raw.httpVersion === '1.1',
      identity,
      clientBuffer: served.clientBuffer,
      written: (other) => this.#notePositionSoon(other),
    });
    stream.slot = this.#clients.addLate(stream);
    output.on('error', () => {});
    output.once('close', () => {
      stream.close();
      this.#clients.remove(stream, stream.slot);
      served.auth?.connections.remove(stream);
      realtime?.closed();
      admission.leave(place);
    });
    stream.open(checked);
    served.auth?.connections.add(stream);
  }

  /** After the changes of all its tables, and once for those that come together. */
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

/** Who asks, as the hooks know him too. */
type Admitted = Authentication & { readonly realtime?: RealtimeConnection };

/** A client that the hooks do not let in is told so after the 101, like one with a bad token. */
async function admit(request: FastifyRequest, authentication: Authentication, hooks: RealtimeHooks): Promise<Admitted> {
  if ('refused' in authentication) return authentication;
  try {
    const { identity } = authentication;
    const realtime = await hooks.connect({ identity, transport: 'gateway', collection: null });
    const { socket } = request.raw;
    // Whatever becomes of the socket, its end is that of the connection.
    if (socket.destroyed) realtime.closed();
    else socket.once('close', () => realtime.closed());
    return { identity, realtime };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { refused: shorten(error.message) };
  }
}

/** The reason of a close has 123 bytes at most, RFC 6455 §5.5. */
function shorten(text: string): string {
  let short = text;
  while (Buffer.byteLength(short) > 123) short = short.slice(0, -1);
  return short;
}

/** Throws what the hooks throw: then there is no stream. */
async function askForStream(
  request: FastifyRequest,
  hooks: RealtimeHooks,
  { identity, checked }: { readonly identity: Identity; readonly checked: ReturnType<typeof parseStream> },
): Promise<RealtimeConnection> {
  const realtime = await hooks.connect({ identity, transport: 'gateway', collection: null });
  try {
    for (const { request: wanted } of checked) await realtime.subscribe(wanted.collection, null);
  } catch (error) {
    realtime.closed();
    throw error;
  }
  if (request.raw.socket.destroyed) realtime.closed();
  return realtime;
}

/** `ws` and `subscribe` are below each of these. */
function pathsOf({ config: { appId, realtime }, isOnly }: GatewayApplication): string[] {
  const path = `/${appId}${realtime.path}`;
  return isOnly ? [path, realtime.path] : [path];
}

function refusePlain(): never {
  throw new AppError('UPGRADE_REQUIRED', 'This address is for WebSockets.', { headers: { upgrade: 'websocket' } });
}
