import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import type { Identity } from '../../auth/identity.ts';
import type { RealtimeConnection, RealtimeHooks } from '../../hooks/realtime-hooks.ts';
import { parseKey } from '../../resources/key.ts';
import type { SubscriptionQuery } from '../../resources/subscription-query.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { MessageFormat } from '../../server/content/formats.ts';
import { identityOf, queryOf } from '../../server/request.ts';
import { peerOf, runConnectHooks } from '../connect-hooks.ts';
import { Connections } from '../connections.ts';
import { type Endpoint, endpointsOf, tablesOf, tableUrls } from '../endpoint.ts';
import { addSocketRoute, agreeOn, type SocketScope, socketScope } from '../socket/scope.ts';
import { checkHandshake } from '../socket/upgrades.ts';
import type { MountedApp, Transport, TransportContext, TransportFactory } from '../transport.ts';
import { type ConnectionContext, WsConnection } from './connection.ts';
import { JSON_FORMAT, loadMessageFormat, type WsFormat } from './message-format.ts';
import { chooseSubprotocol, readOffers } from './subprotocol.ts';

/** Creates the transport for WebSockets (RFC 6455) on the URLs of tables and records. */
export const createWsTransport: TransportFactory = (context) => new WsTransport(context);

/** Result of the checks before the upgrade, for the handler after it. */
interface CheckedUpgrade {
  readonly query: SubscriptionQuery;
  readonly identity: Identity;
  readonly format: WsFormat;
  /** The connection as hooks of the application see it. */
  realtime: RealtimeConnection | undefined;
}

interface HookedUpgrade {
  readonly checked: CheckedUpgrade;
  readonly resource: TableResource;
  readonly hooks: RealtimeHooks;
}

interface Upgraded {
  readonly request: FastifyRequest;
  readonly context: ConnectionContext;
}

class WsTransport implements Transport {
  readonly name = 'ws';
  readonly #context: TransportContext;
  readonly #connections: Connections<WsConnection>;
  /** Formats that a connection has asked for. */
  readonly #formats = new Map<MessageFormat, WsFormat>([['json', JSON_FORMAT]]);
  readonly #checked = new WeakMap<FastifyRequest, CheckedUpgrade>();

  constructor(context: TransportContext) {
    this.#context = context;
    this.#connections = new Connections(context.admission, { interval: context.config.channels.pingInterval });
  }

  async register(app: FastifyInstance, apps: readonly MountedApp[]): Promise<void> {
    const scope = await socketScope(app, this.#context.config.limits);
    for (const endpoint of endpointsOf(apps, 'ws')) this.#registerTable(scope, endpoint);
  }

  status() {
    return { connections: this.#connections.size };
  }

  stop(): void {
    this.#connections.stop();
  }

  abort(): void {
    this.#connections.abort();
  }

  #registerTable(scope: SocketScope, endpoint: Endpoint): void {
    const { appId, path, resource, auth, hooks, app } = endpoint;
    const { channels, limits } = this.#context.config;
    const context: ConnectionContext = {
      appId,
      resource,
      auth,
      transactions: app.transactions,
      tables: tablesOf(app, 'ws'),
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
          const checked = await this.#check(request, resource);
          if (hooks !== undefined) await this.#runHooks(request, { checked, resource, hooks });
        },
        open: (ws, socket, request) => this.#open(ws, socket, { request, context }),
      });
    }
  }

  /** Refuses whatever can be refused here, as a plain HTTP error and never after a 101. */
  async #check(request: FastifyRequest, resource: TableResource): Promise<CheckedUpgrade> {
    checkHandshake(request.raw);
    const subprotocol = chooseSubprotocol(readOffers(request.headers['sec-websocket-protocol']));
    if (subprotocol.name !== undefined) agreeOn(request, subprotocol.name);
    this.#connections.admit(request);
    const { id: segment } = request.params as { id?: string };
    const id = segment === undefined ? undefined : parseKey(resource.table, segment, this.#context.config.limits.id);
    const identity = identityOf(request);
    const query = resource.parseSubscription(identity, queryOf(request), id);
    const format = this.#formats.get(subprotocol.format) ?? (await this.#loadFormat(subprotocol.format));
    const checked = { query, identity, format, realtime: undefined };
    this.#checked.set(request, checked);
    return checked;
  }

  async #loadFormat(name: MessageFormat): Promise<WsFormat> {
    const format = await loadMessageFormat(name, this.#context.config.limits);
    this.#formats.set(name, format);
    return format;
  }

  /** Throws what the hooks throw. For the hooks, the connection ends with its socket, upgraded or not. */
  async #runHooks(request: FastifyRequest, { checked, resource, hooks }: HookedUpgrade): Promise<void> {
    const { socket } = request.raw;
    const { identity, query } = checked;
    const realtime = await runConnectHooks({
      hooks,
      peer: peerOf(resource, identity, 'ws'),
      id: query.id,
      isGone: () => socket.destroyed,
      request,
      guard: this.#connections,
    });
    if (realtime === undefined) return;
    checked.realtime = realtime;
    socket.once('close', () => realtime.closed());
  }

  #open(ws: WebSocket, socket: Socket, { request, context }: Upgraded): void {
    const { query, identity, format, realtime } = this.#checked.get(request) as CheckedUpgrade;
    const connection = new WsConnection(ws, socket, {
      context,
      id: query.id,
      client: query.client,
      identity,
      realtime,
      rawQuery: queryOf(request),
      format,
    });
    this.#connections.open(connection, { request, registry: context.auth?.connections, appId: context.appId });
    connection.subscribe(query);
  }
}
