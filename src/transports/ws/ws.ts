import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import type { Identity } from '../../auth/identity.ts';
import { parseKey } from '../../resources/key.ts';
import type { SubscriptionQuery } from '../../resources/subscription-query.ts';
import type { TableResource } from '../../resources/table-resource.ts';
import { identityOf } from '../../server/identity-of.ts';
import { Heartbeat } from '../heartbeat.ts';
import { queryOf } from '../query-of.ts';
import { checkHandshake } from '../sockets/handshake.ts';
import { addSocketRoute, agreeOn, type SocketScope, socketScope } from '../sockets/scope.ts';
import type { Endpoint, Transport, TransportContext, TransportFactory } from '../transport.ts';
import { type ConnectionContext, WsConnection } from './connection.ts';
import { WS_ENCODING } from './frames.ts';
import { chooseSubprotocol } from './subprotocol.ts';

/** WebSocket (RFC 6455) on the URLs of tables and records. */
export const createWsTransport: TransportFactory = (context) => new WsTransport(context);

/** What was checked before the upgrade, for the handler after it. */
interface Accepted {
  readonly query: SubscriptionQuery;
  readonly identity: Identity;
}

interface Opened {
  readonly request: FastifyRequest;
  readonly context: ConnectionContext;
}

class WsTransport implements Transport {
  readonly name = 'ws';
  readonly #context: TransportContext;
  readonly #connections: Heartbeat<WsConnection>;
  readonly #accepted = new WeakMap<FastifyRequest, Accepted>();

  constructor(context: TransportContext) {
    this.#context = context;
    this.#connections = new Heartbeat(context.config.channels.pingInterval, (connection) => connection.beat());
  }

  async register(app: FastifyInstance, endpoints: readonly Endpoint[]): Promise<void> {
    const scope = await socketScope(app, this.#context.config.limits);
    for (const endpoint of endpoints) this.#registerTable(scope, endpoint);
  }

  status() {
    return { connections: this.#connections.size };
  }

  stop(): void {
    this.#connections.stop();
    for (const connection of this.#connections.members()) connection.close(1001, 'the server stops');
  }

  abort(): void {
    for (const connection of this.#connections.members()) connection.terminate();
  }

  #registerTable(scope: SocketScope, { path, resource, auth }: Endpoint): void {
    const { channels, limits } = this.#context.config;
    const context: ConnectionContext = {
      resource,
      auth,
      pongTimeout: channels.pongTimeout,
      slowClientTimeout: channels.slowClientTimeout,
      messagesPerSecond: limits.messagesPerSecond,
      messagesBurst: limits.messagesBurst,
      onError: (error) => this.#context.onError(error),
    };
    for (const url of [path, `${path}/:id`]) {
      addSocketRoute(scope, {
        url,
        check: (request) => this.#check(request, resource),
        open: (ws, socket, request) => this.#open(ws, socket, { request, context }),
      });
    }
  }

  /** Everything that can be refused is refused here, as a plain HTTP error and never after a 101. */
  #check(request: FastifyRequest, resource: TableResource): void {
    checkHandshake(request.raw);
    const offers = request.headers['sec-websocket-protocol']?.split(',').map((offer) => offer.trim());
    const subprotocol = chooseSubprotocol(offers ?? []);
    if (subprotocol !== undefined) agreeOn(request, subprotocol);
    this.#context.admission.check(request);
    const { id: segment } = request.params as { id?: string };
    const id = segment === undefined ? undefined : parseKey(resource.table, segment, this.#context.config.limits.id);
    const identity = identityOf(request);
    const query = resource.parseSubscription(identity, queryOf(request), id);
    this.#accepted.set(request, { query, identity });
  }

  #open(ws: WebSocket, socket: Socket, { request, context }: Opened): void {
    const { query, identity } = this.#accepted.get(request) as Accepted;
    const { admission } = this.#context;
    const place = admission.enter(request);
    const connection = new WsConnection(ws, socket, {
      context,
      id: query.id,
      client: query.client,
      identity,
      rawQuery: identity.type === 'principal' ? queryOf(request) : '',
      release: (closed) => {
        this.#connections.remove(closed, closed.slot);
        admission.leave(place);
      },
    });
    connection.slot = this.#connections.add(connection);
    context.auth?.connections.add(connection);
    connection.subscription = context.resource.subscribe(query, WS_ENCODING, connection);
  }
}
