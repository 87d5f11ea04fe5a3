import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { EXPIRED, REVOKED } from '../../auth/auth-errors.ts';
import { hasExpired, type OpenConnection } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import type { RoomConnection, RoomEncoding } from '../../hub/rooms/members.ts';
import type { Rooms } from '../../hub/rooms/rooms.ts';
import { EventStream, formatError } from '../../transports/stream/event-stream.ts';
import { chunked, plain } from '../../transports/stream/events.ts';
import type { FlowData } from '../connector.ts';
import { ConnectionEvents, type ConnectionInfo, type RoomHost } from './connection-events.ts';
import { errorMessage, toFailure } from './failure.ts';

/** A comment, which no client takes for an event. */
const KEEPALIVE = ': keepalive\n\n';

const CHUNKED: RoomEncoding = { frame: (text) => chunked(eventOf(text)) };
const PLAIN: RoomEncoding = { frame: (text) => plain(eventOf(text)) };

/** JSON text has no line breaks, which would end the event. */
function eventOf(text: string): string {
  return `data: ${text}\n\n`;
}

export interface RoomStreamOptions {
  readonly visitor: ConnectionInfo;
  readonly house: RoomHost;
  readonly rooms: Rooms;
}

/** One stream of events that is in rooms. What it is told is what a WebSocket would be told. */
export class RoomStream extends EventStream implements OpenConnection, ConnectionInfo {
  identity: Identity;
  readonly user: string | undefined;
  readonly query: FlowData;
  readonly #house: RoomHost;
  readonly #rooms: Rooms;
  readonly #guest: RoomConnection;
  readonly #visit: ConnectionEvents;

  constructor(output: Duplex, isChunked: boolean, { visitor, house, rooms }: RoomStreamOptions) {
    super(output, isChunked);
    this.identity = visitor.identity;
    this.user = visitor.user;
    this.query = visitor.query;
    this.#house = house;
    this.#rooms = rooms;
    this.#guest = rooms.connect(this, { encoding: isChunked ? CHUNKED : PLAIN, user: visitor.user });
    this.#visit = new ConnectionEvents(house, this, randomUUID());
  }

  /** Joins the rooms, and tells flows. */
  begin(names: readonly string[]): void {
    for (const room of names) {
      this.#rooms.join(this.#guest, room);
      this.#answer({ type: 'joined', room });
      const presence = this.#rooms.presenceOf(room);
      if (presence !== undefined) this.#answer(presence);
    }
    this.#visit.connected((error) => this.#answer(errorMessage(toFailure(error, this.#house.onError))));
  }

  left(): void {
    this.#rooms.disconnect(this.#guest);
    this.#visit.ended();
  }

  drained(): void {
    this.#guest.drained();
  }

  override write(bytes: Buffer): void {
    // The one who sweeps may be late.
    if (this.isOpen && hasExpired(this.identity)) this.expired();
    else super.write(bytes);
  }

  /** A stream that has events waiting is not idle. */
  ping(): void {
    if (this.pending === 0) this.tell(KEEPALIVE);
  }

  /** A stream has no way to show another token. */
  expiring(): void {}

  expired(): void {
    this.#rooms.disconnect(this.#guest);
    this.end(formatError('UNAUTHORIZED', EXPIRED));
  }

  revoked(): void {
    this.#rooms.disconnect(this.#guest);
    this.end(formatError('FORBIDDEN', REVOKED));
  }

  /** Who may connect and join is not a matter of roles. */
  rejudge(): void {}

  #answer(message: object): void {
    this.tell(eventOf(JSON.stringify(message)));
  }
}
