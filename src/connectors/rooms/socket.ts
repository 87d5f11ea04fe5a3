import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { AppAuth } from '../../auth/app-auth.ts';
import { endIfExpired } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import type { RoomAccess } from '../../auth/rooms/access.ts';
import { ConnectionRooms } from '../../auth/rooms/connection-rooms.ts';
import type { Limits } from '../../config/config.ts';
import type { RoomConnection, RoomEncoding } from '../../hub/rooms/members.ts';
import type { Rooms } from '../../hub/rooms/rooms.ts';
import type { EndReason } from '../../hub/subscription.ts';
import type { ConnectionDescription } from '../../server/limits/connection-list.ts';
import { ClientSocket, type SocketLimits } from '../../transports/socket/client-socket.ts';
import { encodeText, PING_FRAME } from '../../transports/socket/text-frames.ts';
import type { FlowData } from '../connector.ts';
import { runMessage } from './actions.ts';
import { ConnectionEvents, type ConnectionInfo, type RoomHooks, type RoomHost } from './connection-events.ts';
import { aboutOf, type ClientMessage, errorMessage, leftMessage, parseMessage, toFailure } from './messages.ts';
import type { PongWatch } from './pong-watch.ts';
import type { Openness } from './settings.ts';

const ENCODING: RoomEncoding = { frame: encodeText };

/** Shared by all sockets of a connector. */
export interface RoomSocketContext {
  readonly host: RoomHost;
  readonly rooms: Rooms;
  readonly limits: Limits;
  readonly socketLimits: SocketLimits;
  readonly join: Openness;
  /** Undefined where the application has no rules of rooms. */
  readonly access: RoomAccess | undefined;
  readonly asked: RoomHooks | undefined;
  /** Undefined where authentication is off. */
  readonly auth: AppAuth | undefined;
  readonly pongs: PongWatch<RoomSocket>;
}

/** A WebSocket that can be in rooms, and whose messages go to flows: one after the other, in their order. */
export class RoomSocket extends ClientSocket implements ConnectionInfo {
  identity: Identity;
  readonly user: string | undefined;
  readonly query: FlowData;
  /** The socket as a member of rooms. */
  readonly member: RoomConnection;
  /** Its rooms, within the rights of its caller. */
  readonly rooms: ConnectionRooms;
  readonly events: ConnectionEvents;
  readonly context: RoomSocketContext;
  /** True when the server has closed it: messages that were received before are dropped. */
  #isClosing = false;
  #pendingAtBeat = 0;
  /** Time since which no data has been taken, in milliseconds of the monotonic clock. */
  #stuckSince = 0;

  constructor(ws: WebSocket, socket: Socket, info: ConnectionInfo, context: RoomSocketContext) {
    super(ws, socket, context.socketLimits);
    this.identity = info.identity;
    this.user = info.user;
    this.query = info.query;
    this.context = context;
    this.events = new ConnectionEvents(context.host, this, randomUUID());
    this.member = context.rooms.connect(this, { encoding: ENCODING, user: info.user });
    const { rooms, access, asked } = context;
    this.rooms = new ConnectionRooms({
      ...{ rooms, access, member: this.member },
      identity: () => this.identity,
      asked: asked && ((room) => asked(room, this)),
      notify: (presence) => this.answer(presence),
      lost: (room) => this.answer(leftMessage(room)),
    });
  }

  /** Fires `connect` for flows. */
  begin(): void {
    this.events.connected((error) => this.answer(errorMessage(toFailure(error, this.context.host.onError))));
  }

  drained(): void {
    this.member.drained();
  }

  override close(code: number, reason: string): void {
    this.#isClosing = true;
    // The client may take its time to answer, and is in no room meanwhile.
    this.rooms.close();
    super.close(code, reason);
  }

  override ended(reason: EndReason): void {
    if (reason === 'slow') this.close(4408, 'no progress: connect again');
    else this.close(4408, 'too far behind: connect again');
  }

  override heard(): void {
    super.heard();
    this.context.pongs.heard(this);
  }

  /** Pings the client. Where data waits, a ping would wait behind it: there a client that takes data is alive. */
  override beat(): void {
    const { pending } = this;
    const { socketLimits, pongs } = this.context;
    if (pending === 0 && !this.isPaused) {
      this.write(PING_FRAME);
      pongs.pinged(this);
    } else if (pending !== this.#pendingAtBeat || pending === 0) {
      this.#stuckSince = performance.now();
    } else if (
      performance.now() - this.#stuckSince >=
      Math.max(socketLimits.pongTimeout, socketLimits.slowClientTimeout)
    ) {
      this.abort();
    }
    this.#pendingAtBeat = pending;
  }

  reauthorize(): void {
    this.rooms.reauthorize();
  }

  describe(): ConnectionDescription {
    return { transport: 'room', rooms: this.member.rooms.keys() };
  }

  protected closed(): void {
    this.context.pongs.heard(this);
    this.rooms.close();
    this.events.ended();
  }

  protected take(data: Buffer, isBinary: boolean): void {
    if (endIfExpired(this)) return;
    this.messageWaits(data);
    // A pong of a client that is not read cannot arrive.
    if (this.isPaused) this.context.pongs.heard(this);
    this.events.next(async () => {
      this.messageTaken(data);
      if (!this.#isClosing) await this.#handle(data, isBinary);
    });
  }

  async #handle(data: Buffer, isBinary: boolean): Promise<void> {
    if (endIfExpired(this)) return;
    let message: ClientMessage | undefined;
    try {
      message = parseMessage(data, isBinary, this.context.limits);
      await runMessage(this, message);
    } catch (error) {
      const failure = toFailure(error, this.context.host.onError);
      const answer = errorMessage(failure, message && aboutOf(message));
      // The failure of a flow does not count as a bad message of the client.
      if (message?.type === 'message') this.answer(answer);
      else this.reject(answer);
    }
  }
}
