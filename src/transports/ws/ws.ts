import type { Socket } from 'node:net';
import websocketPlugin from '@fastify/websocket';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import type { Identity } from '../../auth/identity.ts';
import { parseKey } from '../../resources/key.ts';
import type { SubscriptionQuery } from '../../resources/subscription-query.ts';
import type { TableResource } from '../../resources/table-resource.ts';
import type { MessageFormat } from '../../server/content/formats.ts';
import { identityOf } from '../../server/identity-of.ts';
import { Heartbeat } from '../heartbeat.ts';
import { queryOf } from '../query-of.ts';
import type { Endpoint, Transport, TransportContext, TransportFactory } from '../transport.ts';
import { type ConnectionContext, WsConnection } from './connection.ts';
import { checkHandshake } from './handshake.ts';
import { JSON_FORMAT, loadMessageFormat, type WsFormat } from './message-format.ts';
import { chooseSubprotocol, readOffers } from './subprotocol.ts';

/** WebSocket (RFC 6455) on the URLs of tables and records. */
export const createWsTransport: TransportFactory = (context) => new WsTransport(context);

/** What was checked before the upgrade, for the handler after it. */
interface Accepted {
  readonly query: SubscriptionQuery;
  readonly identity: Identity;
  readonly format: MessageFormat;
  readonly reply: FastifyReply;
}

class WsTransport implements Transport {
  readonly name = 'ws';
  readonly #context: TransportContext;
  readonly #connections: Heartbeat<WsConnection>;
  /** Those that some connection has asked for. */
  readonly #formats = new Map<MessageFormat, WsFormat>([['json', JSON_FORMAT]]);
  readonly #accepted = new WeakMap<FastifyRequest, Accepted>();

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
          // Those that have none in common were refused before.
          handleProtocols: (offers: Set<string>) => chooseSubprotocol([...offers]).name ?? false,
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
    this.#connections.stop();
    for (const connection of this.#connections.members()) connection.close(1001, 'the server stops');
  }

  abort(): void {
    for (const connection of this.#connections.members()) connection.terminate();
  }

  #registerTable(scope: FastifyInstance, { path, resource, auth }: Endpoint): void {
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
          this.#loadFormat(this.#check(request, reply, resource), done);
        },
        handler: (ws: WebSocket, request: FastifyRequest) => this.#open(ws, request, context),
      } as never);
    }
  }

  /** Everything that can be refused is refused here, as a plain HTTP error and never after a 101. */
  #check(request: FastifyRequest, reply: FastifyReply, resource: TableResource): MessageFormat {
    checkHandshake(request.raw);
    const { format } = chooseSubprotocol(readOffers(request.headers['sec-websocket-protocol']));
    this.#context.admission.check(request);
    const { id: segment } = request.params as { id?: string };
    const id = segment === undefined ? undefined : parseKey(resource.table, segment, this.#context.config.limits.id);
    const identity = identityOf(request);
    const query = resource.parseSubscription(identity, queryOf(request), id);
    this.#accepted.set(request, { query, identity, format, reply });
    return format;
  }

  /** At once but for the first connection with a format. */
  #loadFormat(name: MessageFormat, done: (error?: Error) => void): void {
    if (this.#formats.has(name)) {
      done();
      return;
    }
    loadMessageFormat(name, this.#context.config.limits).then((format) => {
      this.#formats.set(name, format);
      done();
    }, done);
  }

  #open(ws: WebSocket, request: FastifyRequest, context: ConnectionContext): void {
    const { query, identity, format: name, reply } = this.#accepted.get(request) as Accepted;
    const format = this.#formats.get(name) as WsFormat;
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
  }
}
