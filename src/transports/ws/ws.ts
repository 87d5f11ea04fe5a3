import type { Socket } from 'node:net';
import websocketPlugin from '@fastify/websocket';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import type { Identity } from '../../auth/identity.ts';
import type { RealtimeConnection, RealtimeHooks } from '../../hooks/realtime-hooks.ts';
import { parseKey } from '../../resources/key.ts';
import type { SubscriptionQuery } from '../../resources/subscription-query.ts';
import type { TableResource } from '../../resources/table-resource.ts';
import { identityOf } from '../../server/identity-of.ts';
import { Heartbeat } from '../heartbeat.ts';
import { askToOpen, peerOf, stoppingError } from '../opening.ts';
import { queryOf } from '../query-of.ts';
import type { Endpoint, Transport, TransportContext, TransportFactory } from '../transport.ts';
import { type ConnectionContext, WsConnection } from './connection.ts';
import { WS_ENCODING } from './frames.ts';
import { checkHandshake } from './handshake.ts';
import { chooseSubprotocol } from './subprotocol.ts';

/** WebSocket (RFC 6455) on the URLs of tables and records. */
export const createWsTransport: TransportFactory = (context) => new WsTransport(context);

/** What was checked before the upgrade, for the handler after it. */
interface Accepted {
  readonly query: SubscriptionQuery;
  readonly identity: Identity;
  readonly reply: FastifyReply;
  /** As the application's hooks know it. */
  realtime: RealtimeConnection | undefined;
}

interface Asked {
  readonly accepted: Accepted;
  readonly resource: TableResource;
  readonly hooks: RealtimeHooks;
}

class WsTransport implements Transport {
  readonly name = 'ws';
  readonly #context: TransportContext;
  readonly #connections: Heartbeat<WsConnection>;
  readonly #accepted = new WeakMap<FastifyRequest, Accepted>();
  #isStopping = false;

  constructor(context: TransportContext) {
    this.#context = context;
    this.#connections = new Heartbeat(context.config.channels.pingInterval, (connection) => connection.beat());
  }

  async register(app: FastifyInstance, endpoints: readonly Endpoint[]): Promise<void> {
    const { limits } = this.#context.config;
    await app.register(async (scope) => {
      await scope.register(websocketPlugin, {
        options: {
          maxPayload: limits.message,
          maxFragments: limits.messageFragments,
          maxBufferedChunks: limits.messageChunks,
          perMessageDeflate: false,
          clientTracking: false,
          handleProtocols: (offers: Set<string>) => chooseSubprotocol(offers) ?? false,
        } as NonNullable<Parameters<typeof websocketPlugin>[1]>['options'] & object,
        // `stop` has told them; the plugin must not close them with another code.
        preClose: (done) => done(),
      });
      for (const endpoint of endpoints) this.#registerTable(scope, endpoint);
    });
  }

  status() {
    return { connections: this.#connections.size };
  }

  stop(): void {
    this.#isStopping = true;
    this.#connections.stop();
    for (const connection of this.#connections.members()) connection.close(1001, 'the server stops');
  }

  abort(): void {
    for (const connection of this.#connections.members()) connection.terminate();
  }

  #registerTable(scope: FastifyInstance, { path, resource, auth, hooks }: Endpoint): void {
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
      scope.get(url, {
        websocket: true,
        constraints: { transport: 'ws' },
        exposeHeadRoute: false,
        preValidation: (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => {
          const accepted = this.#check(request, reply, resource);
          if (hooks === undefined) done();
          else this.#ask(request, { accepted, resource, hooks }).then(() => done(), done);
        },
        handler: (ws: WebSocket, request: FastifyRequest) => this.#open(ws, request, context),
      } as never);
    }
  }

  /** Everything that can be refused is refused here, as a plain HTTP error and never after a 101. */
  #check(request: FastifyRequest, reply: FastifyReply, resource: TableResource): Accepted {
    checkHandshake(request.raw);
    this.#context.admission.check(request);
    const { id: segment } = request.params as { id?: string };
    const id = segment === undefined ? undefined : parseKey(resource.table, segment, this.#context.config.limits.id);
    const identity = identityOf(request);
    const query = resource.parseSubscription(identity, queryOf(request), id);
    const accepted = { query, identity, reply, realtime: undefined };
    this.#accepted.set(request, accepted);
    return accepted;
  }

  /** Throws what the hooks throw. Whatever becomes of the socket, its end is their end of the connection. */
  async #ask(request: FastifyRequest, { accepted, resource, hooks }: Asked): Promise<void> {
    const { socket } = request.raw;
    const { identity, query } = accepted;
    const realtime = await askToOpen({
      hooks,
      peer: peerOf(resource, identity, 'ws'),
      id: query.id,
      isGone: () => socket.destroyed,
      check: () => {
        if (this.#isStopping) throw stoppingError();
        this.#context.admission.check(request);
      },
    });
    if (realtime === undefined) return;
    accepted.realtime = realtime;
    socket.once('close', () => realtime.closed());
  }

  #open(ws: WebSocket, request: FastifyRequest, context: ConnectionContext): void {
    const { query, identity, reply, realtime } = this.#accepted.get(request) as Accepted;
    const socket = request.raw.socket as Socket;
    // Both hold the request and its response for as long as the socket lives.
    reply.raw.detachSocket(socket);
    ws.removeAllListeners('error');
    const { admission } = this.#context;
    const place = admission.enter(request);
    const connection = new WsConnection(ws, socket, {
      context,
      id: query.id,
      client: query.client,
      identity,
      realtime,
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
