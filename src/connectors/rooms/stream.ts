import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Identity } from '../../auth/identity.ts';
import type { RoomAccess } from '../../auth/rooms/access.ts';
import { ConnectionRooms } from '../../auth/rooms/connection-rooms.ts';
import type { RoomConnection, RoomEncoding } from '../../hub/rooms/members.ts';
import type { Rooms } from '../../hub/rooms/rooms.ts';
import type { ConnectionDescription } from '../../server/limits/connection-list.ts';
import { EventStream } from '../../transports/stream/event-stream.ts';
import { chunked, plain } from '../../transports/stream/events.ts';
import type { FlowData } from '../connector.ts';
import { ConnectionEvents, type ConnectionInfo, type RoomHooks, type RoomHost } from './connection-events.ts';
import { errorMessage, leftMessage, toFailure } from './messages.ts';

/** A comment, which no client takes for an event. */
const KEEPALIVE = ': keepalive\n\n';

const CHUNKED: RoomEncoding = { frame: (text) => chunked(toEvent(text)) };
const PLAIN: RoomEncoding = { frame: (text) => plain(toEvent(text)) };

/** JSON text has no line breaks, which would end the event. */
function toEvent(text: string): string {
  return `data: ${text}\n\n`;
}

export interface RoomStreamOptions {
  readonly info: ConnectionInfo;
  readonly host: RoomHost;
  readonly rooms: Rooms;
  /** Undefined where the application has no rules of rooms. */
  readonly access: RoomAccess | undefined;
  readonly asked: RoomHooks | undefined;
}

/** A stream of events that is in rooms. It carries the messages that a WebSocket would carry. */
export class RoomStream extends EventStream implements ConnectionInfo {
  identity: Identity;
  readonly user: string | undefined;
  readonly query: FlowData;
  readonly #host: RoomHost;
  readonly #rooms: ConnectionRooms;
  readonly #member: RoomConnection;
  readonly #events: ConnectionEvents;

  constructor(output: Duplex, isChunked: boolean, { info, host, rooms, access, asked }: RoomStreamOptions) {
    super(output, isChunked);
    this.identity = info.identity;
    this.user = info.user;
    this.query = info.query;
    this.#host = host;
    this.#member = rooms.connect(this, { encoding: isChunked ? CHUNKED : PLAIN, user: info.user });
    this.#rooms = new ConnectionRooms({
      ...{ rooms, access, member: this.#member },
      identity: () => this.identity,
      asked: asked && ((room) => asked(room, this)),
      notify: (presence) => this.#answer(presence),
      lost: (room) => this.#answer(leftMessage(room)),
    });
    this.#events = new ConnectionEvents(host, this, randomUUID());
  }

  /** Joins the rooms, one after the other, and fires `connect` for flows. */
  async begin(names: readonly string[]): Promise<void> {
    for (const room of names) {
      try {
        const presence = await this.#rooms.join(room);
        this.#answer({ type: 'joined', room });
        if (presence !== undefined) this.#answer(presence);
      } catch (error) {
        // The rights have ended since the request was checked.
        this.#answer(errorMessage(toFailure(error, this.#host.onError), { room }));
      }
    }
    this.#events.connected((error) => this.#answer(errorMessage(toFailure(error, this.#host.onError))));
  }

  drained(): void {
    this.#member.drained();
  }

  override expired(): void {
    this.#rooms.close();
    super.expired();
  }

  override revoked(): void {
    this.#rooms.close();
    super.revoked();
  }

  reauthorize(): void {
    this.#rooms.reauthorize();
  }

  describe(): ConnectionDescription {
    return { transport: 'room', rooms: this.#member.rooms.keys() };
  }

  protected get keepalive(): string {
    return KEEPALIVE;
  }

  protected closed(): void {
    this.#rooms.close();
    this.#events.ended();
  }

  #answer(message: object): void {
    this.send(toEvent(JSON.stringify(message)));
  }
}
