import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Identity } from '../../auth/identity.ts';
import type { RoomConnection, RoomEncoding } from '../../hub/rooms/members.ts';
import type { Rooms } from '../../hub/rooms/rooms.ts';
import type { ConnectionDescription } from '../../server/limits/connection-list.ts';
import { EventStream } from '../../transports/stream/event-stream.ts';
import { chunked, plain } from '../../transports/stream/events.ts';
import type { FlowData } from '../connector.ts';
import { ConnectionEvents, type ConnectionInfo, type RoomHost } from './connection-events.ts';
import { errorMessage, toFailure } from './messages.ts';

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
}

/** A stream of events that is in rooms. It carries the messages that a WebSocket would carry. */
export class RoomStream extends EventStream implements ConnectionInfo {
  identity: Identity;
  readonly user: string | undefined;
  readonly query: FlowData;
  readonly #host: RoomHost;
  readonly #rooms: Rooms;
  readonly #member: RoomConnection;
  readonly #events: ConnectionEvents;

  constructor(output: Duplex, isChunked: boolean, { info, host, rooms }: RoomStreamOptions) {
    super(output, isChunked);
    this.identity = info.identity;
    this.user = info.user;
    this.query = info.query;
    this.#host = host;
    this.#rooms = rooms;
    this.#member = rooms.connect(this, { encoding: isChunked ? CHUNKED : PLAIN, user: info.user });
    this.#events = new ConnectionEvents(host, this, randomUUID());
  }

  /** Joins the rooms, and fires `connect` for flows. */
  begin(names: readonly string[]): void {
    for (const room of names) {
      this.#rooms.join(this.#member, room);
      this.#answer({ type: 'joined', room });
      const presence = this.#rooms.presenceOf(room);
      if (presence !== undefined) this.#answer(presence);
    }
    this.#events.connected((error) => this.#answer(errorMessage(toFailure(error, this.#host.onError))));
  }

  drained(): void {
    this.#member.drained();
  }

  override expired(): void {
    this.#rooms.disconnect(this.#member);
    super.expired();
  }

  override revoked(): void {
    this.#rooms.disconnect(this.#member);
    super.revoked();
  }

  /** Checks nothing: roles do not decide about connecting and joining. */
  reauthorize(): void {}

  describe(): ConnectionDescription {
    return { transport: 'room', rooms: this.#member.rooms.keys() };
  }

  protected get keepalive(): string {
    return KEEPALIVE;
  }

  protected closed(): void {
    this.#rooms.disconnect(this.#member);
    this.#events.ended();
  }

  #answer(message: object): void {
    this.send(toEvent(JSON.stringify(message)));
  }
}
