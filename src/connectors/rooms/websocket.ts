import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import type { FlatKeys } from '../../config/keys/section.ts';
import { durationKey } from '../../config/keys/values.ts';
import type { ContractOperation } from '../../openapi/contract-operation.ts';
import { Heartbeat } from '../../transports/heartbeat.ts';
import { checkHandshake } from '../../transports/socket/handshake.ts';
import { addSocketRoute, agreeOnAny, socketScope } from '../../transports/socket/scope.ts';
import type { ConnectorContext, ConnectorType } from '../connector.ts';
import type { ConnectionInfo } from './connection-events.ts';
import { describeRoomSocket } from './contract.ts';
import { PongWatch } from './pong-watch.ts';
import { RoomConnector } from './room-connector.ts';
import { checkRoomSettings, MESSAGE, ROOM_TARGETS, type RoomSettings, roomKeys, VISITS } from './settings.ts';
import { RoomSocket, type RoomSocketContext } from './socket.ts';

export interface WebSocketSettings extends RoomSettings {
  readonly pongTimeout: number;
}

const KEYS: FlatKeys<WebSocketSettings> = {
  ...roomKeys({ path: '/ws' }),
  pongTimeout: durationKey('10s', { what: 'A client that does not answer a ping for so long is ended' }),
};

/** `type: websocket`: a WebSocket (RFC 6455) with rooms, whose messages go to flows. docs/rooms.md */
export const WEBSOCKET: ConnectorType<WebSocketSettings> = {
  keys: KEYS,
  sources: { named: { message: MESSAGE, ...VISITS } },
  targets: ROOM_TARGETS,
  check: checkRoomSettings,
  create: (settings, context) => new WebSocketConnector(settings, context),
};

class WebSocketConnector extends RoomConnector<WebSocketSettings> {
  readonly #sockets: Heartbeat<RoomSocket>;
  readonly #pongs: PongWatch<RoomSocket>;
  /** Who was let in before the upgrade, for the handler after it. */
  readonly #admitted = new WeakMap<FastifyRequest, ConnectionInfo>();
  readonly #shared: RoomSocketContext;

  constructor(settings: WebSocketSettings, context: ConnectorContext) {
    super(settings, context);
    this.#sockets = new Heartbeat(settings.pingInterval, (socket) => socket.beat());
    this.#pongs = new PongWatch(settings.pongTimeout);
    const { channels, limits } = context.server;
    this.#shared = {
      house: this,
      rooms: this.rooms,
      limits,
      socketLimits: { ...channels, ...limits, pongTimeout: settings.pongTimeout },
      join: settings.join,
      auth: context.auth,
      pongs: this.#pongs,
      released: (socket) => this.#released(socket),
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
    return [describeRoomSocket(this.name, this.settings)];
  }

  protected closeAll(): void {
    this.#sockets.stop();
    for (const socket of this.#sockets.members()) socket.close(1001, 'the server stops');
  }

  protected cutAll(): void {
    for (const socket of this.#sockets.members()) socket.terminate();
  }

  /** Everything that can be refused is refused here, as a plain HTTP error and never after a 101. */
  #check(request: FastifyRequest): void {
    checkHandshake(request.raw);
    agreeOnAny(request);
    this.#admitted.set(request, this.admit(request));
  }

  #open(ws: WebSocket, raw: Socket, request: FastifyRequest): void {
    const visitor = this.#admitted.get(request) as ConnectionInfo;
    const place = this.context.admission.enter(request);
    const socket = new RoomSocket(ws, raw, { visitor, place, context: this.#shared });
    this.entered();
    socket.slot = this.#sockets.add(socket);
    this.context.auth?.connections.add(socket);
    socket.begin();
    // `stop` has seen those that were open then.
    if (this.isStopping) socket.close(1001, 'the server stops');
  }

  #released(socket: RoomSocket): void {
    this.context.auth?.connections.remove(socket);
    this.#sockets.remove(socket, socket.slot);
    this.context.admission.leave(socket.place);
    this.left();
  }
}
