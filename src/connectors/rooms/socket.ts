import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { AppAuth } from '../../auth/app-auth.ts';
import { hasExpired, type OpenConnection } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import type { Limits } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { RoomConnection, RoomEncoding } from '../../hub/rooms/members.ts';
import type { Rooms } from '../../hub/rooms/rooms.ts';
import type { EndReason } from '../../hub/subscription.ts';
import type { Lease } from '../../server/limits/admission.ts';
import { formatExpiry, type Ref, renew } from '../../transports/socket/auth-message.ts';
import { ClientSocket, type SocketLimits } from '../../transports/socket/client-socket.ts';
import { encodeText, PING_FRAME } from '../../transports/socket/text-frames.ts';
import type { FlowData } from '../connector.ts';
import { ConnectionEvents, type ConnectionInfo, type RoomHost } from './connection-events.ts';
import { checkOpenness } from './connection-info.ts';
import { errorMessage, toFailure } from './failure.ts';
import { aboutOf, type ClientMessage, dataOf, parseMessage, unknownType } from './messages.ts';
import type { PongWatch } from './pong-watch.ts';
import type { Openness } from './settings.ts';
import { Delivered } from './targets.ts';

const ENCODING: RoomEncoding = { frame: encodeText };

/** What all sockets of a connector share. */
export interface RoomSocketContext {
  readonly house: RoomHost;
  readonly rooms: Rooms;
  readonly limits: Limits;
  readonly socketLimits: SocketLimits;
  readonly join: Openness;
  /** Undefined where nobody is asked who they are. */
  readonly auth: AppAuth | undefined;
  readonly pongs: PongWatch<RoomSocket>;
  readonly released: (socket: RoomSocket) => void;
}

export interface RoomSocketOptions {
  readonly visitor: ConnectionInfo;
  readonly place: Lease;
  readonly context: RoomSocketContext;
}

/** One WebSocket that is in rooms, and whose messages go to flows: one after the other, in the order in which they come. */
export class RoomSocket extends ClientSocket implements OpenConnection, ConnectionInfo {
  identity: Identity;
  readonly user: string | undefined;
  readonly query: FlowData;
  /** What admission wants back. */
  readonly place: Lease;
  readonly guest: RoomConnection;
  readonly #context: RoomSocketContext;
  readonly #visit: ConnectionEvents;
  /** The server has closed it: what came before is for nobody any more. */
  #isShut = false;
  #pendingAtBeat = 0;
  #stuckSince = 0;

  constructor(ws: WebSocket, socket: Socket, { visitor, place, context }: RoomSocketOptions) {
    super(ws, socket, context.socketLimits);
    this.identity = visitor.identity;
    this.user = visitor.user;
    this.query = visitor.query;
    this.place = place;
    this.#context = context;
    this.#visit = new ConnectionEvents(context.house, this, randomUUID());
    this.guest = context.rooms.connect(this, { encoding: ENCODING, user: visitor.user });
  }

  /** Flows are told of it. */
  begin(): void {
    this.#visit.connected((error) => this.answer(errorMessage(toFailure(error, this.#context.house.onError))));
  }

  drained(): void {
    this.guest.drained();
  }

  override write(bytes: Buffer): void {
    // The one who sweeps may be late.
    if (this.isOpen && hasExpired(this.identity)) this.expired();
    else super.write(bytes);
  }

  override close(code: number, reason: string): void {
    this.#isShut = true;
    // The client may take its time to answer, and is in no room meanwhile.
    this.#context.rooms.disconnect(this.guest);
    super.close(code, reason);
  }

  override ended(reason: EndReason): void {
    if (reason === 'slow') this.close(4408, 'no progress: connect again');
    else this.close(4408, 'too far behind: connect again');
  }

  released(): void {
    const { rooms, pongs, released } = this.#context;
    pongs.heard(this);
    rooms.disconnect(this.guest);
    this.#visit.ended();
    released(this);
  }

  override heard(): void {
    super.heard();
    this.#context.pongs.heard(this);
  }

  /** Asks for a sign of life. A ping would wait behind data; whoever takes that is alive. */
  override beat(): void {
    const { pending } = this;
    const { socketLimits, pongs } = this.#context;
    if (pending === 0 && !this.isPaused) {
      this.write(PING_FRAME);
      pongs.asked(this);
    } else if (pending !== this.#pendingAtBeat || pending === 0) {
      this.#stuckSince = performance.now();
    } else if (
      performance.now() - this.#stuckSince >=
      Math.max(socketLimits.pongTimeout, socketLimits.slowClientTimeout)
    ) {
      this.terminate();
    }
    this.#pendingAtBeat = pending;
  }

  expiring(expiresAt: number): void {
    this.answer({ type: 'token_expiring', expires_at: formatExpiry(expiresAt) });
  }

  expired(): void {
    this.close(4401, 'token expired');
  }

  /** Who may connect and join is not a matter of roles. */
  rejudge(): void {}

  revoked(): void {
    this.close(4403, 'not allowed any more');
  }

  protected take(data: Buffer, isBinary: boolean): void {
    if (hasExpired(this.identity)) {
      this.expired();
      return;
    }
    this.waits(data);
    // A client that is not read cannot be heard.
    if (this.isPaused) this.#context.pongs.heard(this);
    this.#visit.next(async () => {
      this.waitsNoMore(data);
      if (!this.#isShut) await this.#handle(data, isBinary);
    });
  }

  async #handle(data: Buffer, isBinary: boolean): Promise<void> {
    let message: ClientMessage | undefined;
    try {
      if (hasExpired(this.identity)) return this.expired();
      message = parseMessage(data, isBinary, this.#context.limits);
      await this.#execute(message);
    } catch (error) {
      const failure = toFailure(error, this.#context.house.onError);
      const answer = errorMessage(failure, message && aboutOf(message));
      // What a flow makes of a message is no mistake of its sender.
      if (message?.type === 'message') this.answer(answer);
      else this.reject(answer);
    }
  }

  async #execute(message: ClientMessage): Promise<void> {
    switch (message.type) {
      case 'message':
        return this.#tellFlows(message);
      case 'join_room':
        return this.#join(message);
      case 'leave_room':
        return this.#leave(message);
      case 'auth':
        if (this.#context.auth !== undefined) return this.#renew(message);
    }
    throw unknownType(message.type);
  }

  async #tellFlows(message: ClientMessage): Promise<void> {
    const work = this.#visit.fire('message', dataOf(message));
    if (work === undefined) throw new AppError('INVALID_MESSAGE', 'No flow takes messages here.');
    this.#tellResult(await work, message.ref);
  }

  /** Who has given a ref is always answered. */
  #tellResult(result: unknown, ref: Ref | undefined): void {
    const isData = result !== null && result !== undefined && !(result instanceof Delivered);
    if (isData) this.answer({ type: 'message', data: result, ...refOf(ref) });
    else if (ref !== undefined) this.answer({ type: 'ack', ref, ...(result instanceof Delivered ? result : {}) });
  }

  #join({ value: { room }, ref }: ClientMessage): void {
    const { rooms, join } = this.#context;
    checkOpenness(join, this.identity);
    rooms.join(this.guest, room);
    this.answer({ type: 'joined', room, ...refOf(ref) });
    const presence = rooms.presenceOf(room as string);
    if (presence !== undefined) this.answer(presence);
  }

  #leave({ value: { room }, ref }: ClientMessage): void {
    this.#context.rooms.leave(this.guest, room);
    this.answer({ type: 'left', room, ...refOf(ref) });
  }

  async #renew({ value, ref }: ClientMessage): Promise<void> {
    const renewed = await renew(this, value, this.#context.auth);
    if (renewed !== undefined) this.answer({ type: 'auth', expires_at: renewed.expiresAt, ...refOf(ref) });
  }
}

function refOf(ref: Ref | undefined): { ref?: Ref } {
  return ref === undefined ? {} : { ref };
}
