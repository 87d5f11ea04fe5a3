import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import type { Identity } from '../../auth/identity.ts';
import type { RealtimeConnection, RealtimeHooks } from '../../hooks/realtime-hooks.ts';
import { parseKey } from '../../resources/key.ts';
import type { SubscriptionQuery } from '../../resources/subscription-query.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import { identityOf } from '../../server/auth/identity-of.ts';
import type { MessageFormat } from '../../server/content/formats.ts';
import { queryOf } from '../../server/query-of.ts';
import { peerOf, runConnectHooks } from '../connect-hooks.ts';
import { ConnectionGuard } from '../connection-guard.ts';
import { type Endpoint, endpointsOf, tableUrls } from '../endpoint.ts';
import { Heartbeat } from '../heartbeat.ts';
import { checkHandshake } from '../socket/handshake.ts';
import { addSocketRoute, agreeOn, type SocketScope, socketScope } from '../socket/scope.ts';
import type { MountedApp, Transport, TransportContext, TransportFactory } from '../transport.ts';
import { type ConnectionContext, WsConnection } from './connection.ts';
import { JSON_FORMAT, loadMessageFormat, type WsFormat } from './message-format.ts';
import { chooseSubprotocol, readOffers } from './subprotocol.ts';

/** WebSocket (RFC 6455) on the URLs of tables and records. */
export const createWsTransport: TransportFactory = (context) => new WsTransport(context);

/** What was checked before the upgrade, for the handler after it. */
interface Accepted {
  readonly query: SubscriptionQuery;
  readonly identity: Identity;
  readonly format: WsFormat;
  /** As the application's hooks know it. */
  realtime: RealtimeConnection | undefined;
}

interface Asked {
  readonly accepted: Accepted;
  readonly resource: TableResource;
  readonly hooks: RealtimeHooks;
}

interface Opened {
  readonly request: FastifyRequest;
  readonly context: ConnectionContext;
}

class WsTransport implements Transport {
  readonly name = 'ws';
  readonly #context: TransportContext;
  readonly #gate: ConnectionGuard;
  readonly #connections: Heartbeat<WsConnection>;
  /** Those that some connection has asked for. */
  readonly #formats = new Map<MessageFormat, WsFormat>([['json', JSON_FORMAT]]);
  readonly #accepted = new WeakMap<FastifyRequest, Accepted>();

  constructor(context: TransportContext) {
    this.#context = context;
    this.#gate = new ConnectionGuard(context.admission);
    this.#connections = new Heartbeat(context.config.channels.pingInterval, (connection) => connection.beat());
  }

  async register(app: FastifyInstance, apps: readonly MountedApp[]): Promise<void> {
    const scope = await socketScope(app, this.#context.config.limits);
    for (const endpoint of endpointsOf(apps, 'ws')) this.#registerTable(scope, endpoint);
  }

  status() {
    return { connections: this.#connections.size };
  }

  stop(): void {
    this.#gate.close();
    this.#connections.stop();
    for (const connection of this.#connections.members()) connection.close(1001, 'the server stops');
  }

  abort(): void {
    for (const connection of this.#connections.members()) connection.terminate();
  }

  #registerTable(scope: SocketScope, endpoint: Endpoint): void {
    const { path, resource, auth, hooks } = endpoint;
    const { channels, limits } = this.#context.config;
    const context: ConnectionContext = {
      resource,
      auth,
      pongTimeout: channels.pongTimeout,
      slowClientTimeout: channels.slowClientTimeout,
      messagesPerSecond: limits.messagesPerSecond,
      messagesBurst: limits.messagesBurst,
      waitingMessages: limits.waitingMessages,
      message: limits.message,
      onError: (error) => this.#context.onError(error),
    };
    for (const url of [...tableUrls(endpoint), `${path}/:id`]) {
      addSocketRoute(scope, {
        url,
        check: async (request) => {
          const accepted = await this.#check(request, resource);
          if (hooks !== undefined) await this.#ask(request, { accepted, resource, hooks });
        },
        open: (ws, socket, request) => this.#open(ws, socket, { request, context }),
      });
    }
  }

  /** Everything that can be refused is refused here, as a plain HTTP error and never after a 101. */
  async #check(request: FastifyRequest, resource: TableResource): Promise<Accepted> {
    checkHandshake(request.raw);
    const subprotocol = chooseSubprotocol(readOffers(request.headers['sec-websocket-protocol']));
    if (subprotocol.name !== undefined) agreeOn(request, subprotocol.name);
    this.#gate.admit(request);
    const { id: segment } = request.params as { id?: string };
    const id = segment === undefined ? undefined : parseKey(resource.table, segment, this.#context.config.limits.id);
    const identity = identityOf(request);
    const query = resource.parseSubscription(identity, queryOf(request), id);
    const format = this.#formats.get(subprotocol.format) ?? (await this.#loadFormat(subprotocol.format));
    const accepted = { query, identity, format, realtime: undefined };
    this.#accepted.set(request, accepted);
    return accepted;
  }

  async #loadFormat(name: MessageFormat): Promise<WsFormat> {
    const format = await loadMessageFormat(name, this.#context.config.limits);
    this.#formats.set(name, format);
    return format;
  }

  /** Throws what the hooks throw. Whatever becomes of the socket, its end is their end of the connection. */
  async #ask(request: FastifyRequest, { accepted, resource, hooks }: Asked): Promise<void> {
    const { socket } = request.raw;
    const { identity, query } = accepted;
    const realtime = await runConnectHooks({
      hooks,
      peer: peerOf(resource, identity, 'ws'),
      id: query.id,
      isGone: () => socket.destroyed,
      request,
      gate: this.#gate,
    });
    if (realtime === undefined) return;
    accepted.realtime = realtime;
    socket.once('close', () => realtime.closed());
  }

  #open(ws: WebSocket, socket: Socket, { request, context }: Opened): void {
    const { query, identity, format, realtime } = this.#accepted.get(request) as Accepted;
    const { admission } = this.#context;
    const place = admission.enter(request);
    const connection = new WsConnection(ws, socket, {
      context,
      id: query.id,
      client: query.client,
      identity,
      realtime,
      rawQuery: identity.type === 'principal' ? queryOf(request) : '',
      format,
      release: (closed) => {
        this.#connections.remove(closed, closed.slot);
        admission.leave(place);
      },
    });
    connection.slot = this.#connections.add(connection);
    context.auth?.connections.add(connection);
    connection.subscription = context.resource.subscribe(query, format.encoding, connection);
    // `stop` has seen those that were open then.
    if (this.#gate.isClosed) connection.close(1001, 'the server stops');
  }
}
