import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import type { FlatKeys } from '../../config/keys/section.ts';
import { durationKey } from '../../config/keys/values.ts';
import type { ContractOperation } from '../../openapi/contract-operation.ts';
import { addSocketRoute, agreeOnAny, socketScope } from '../../transports/socket/scope.ts';
import { checkHandshake } from '../../transports/socket/upgrades.ts';
import type { ConnectorContext, ConnectorType } from '../connector.ts';
import type { ConnectionInfo } from './connection-events.ts';
import { describeRoomSocket } from './contract.ts';
import { PongWatch } from './pong-watch.ts';
import { RoomConnector } from './room-connector.ts';
import {
  CONNECTION_EVENTS,
  checkRoomSettings,
  MESSAGE,
  ROOM_TARGETS,
  type RoomSettings,
  roomKeys,
} from './settings.ts';
import { RoomSocket, type RoomSocketContext } from './socket.ts';

export interface WebSocketSettings extends RoomSettings {
  readonly pongTimeout: number;
}

const KEYS: FlatKeys<WebSocketSettings> = {
  ...roomKeys({ path: '/ws' }),
  pongTimeout: durationKey('10s', { what: 'Time in which a client must answer a ping; it is disconnected otherwise' }),
};

/** `type: websocket`: a WebSocket (RFC 6455) with rooms, whose messages go to flows. docs/reference/connectors/rooms.md */
export const WEBSOCKET: ConnectorType<WebSocketSettings> = {
  keys: KEYS,
  sources: { named: { message: MESSAGE, ...CONNECTION_EVENTS } },
  targets: ROOM_TARGETS,
  check: checkRoomSettings,
  create: (settings, context) => new WebSocketConnector(settings, context),
};

class WebSocketConnector extends RoomConnector<WebSocketSettings, RoomSocket> {
  readonly #pongs: PongWatch<RoomSocket>;
  /** Clients that were admitted before the upgrade, for the handler after it. */
  readonly #admitted = new WeakMap<FastifyRequest, ConnectionInfo>();
  readonly #shared: RoomSocketContext;

  constructor(settings: WebSocketSettings, context: ConnectorContext) {
    super(settings, context);
    this.#pongs = new PongWatch(settings.pongTimeout);
    const { channels, limits } = context.server;
    this.#shared = {
      host: this,
      rooms: this.rooms,
      limits,
      socketLimits: { ...channels, ...limits, pongTimeout: settings.pongTimeout },
      join: settings.join,
      access: context.application.roomAccess,
      asked: this.asked,
      auth: context.auth,
      pongs: this.#pongs,
    };
  }

  protected async serve(app: FastifyInstance, urls: readonly string[]): Promise<void> {
    const scope = await socketScope(app, this.context.server.limits);
    for (const url of urls) {
      this.checkFree(scope.scope, url, 'ws');
      addSocketRoute(scope, {
        url,
        onRequest: this.authentication,
        check: (request) => this.#check(request),
        open: (ws, socket, request) => this.#open(ws, socket, request),
      });
    }
  }

  override close(): void {
    this.#pongs.stop();
    super.close();
  }

  describe(): readonly ContractOperation[] {
    return [describeRoomSocket(this.name, this.settings, this.rules)];
  }

  /** Refuses whatever can be refused here, as a plain HTTP error and never after a 101. */
  #check(request: FastifyRequest): void {
    checkHandshake(request.raw);
    agreeOnAny(request);
    this.#admitted.set(request, this.admit(request));
  }

  #open(ws: WebSocket, raw: Socket, request: FastifyRequest): void {
    const socket = new RoomSocket(ws, raw, this.#admitted.get(request) as ConnectionInfo, this.#shared);
    this.connections.open(socket, { request, registry: this.context.auth?.connections, appId: this.context.appId });
    socket.begin();
  }
}
