import { randomUUID } from 'node:crypto';
import type { Identity } from '../../../auth/identity.ts';
import { isView } from '../../../auth/policy/access.ts';
import type { RoomAccess } from '../../../auth/rooms/access.ts';
import { ConnectionRooms } from '../../../auth/rooms/connection-rooms.ts';
import { AppError } from '../../../errors.ts';
import type { RoomConnection } from '../../../hub/rooms/members.ts';
import type { Rooms } from '../../../hub/rooms/rooms.ts';
import type { ValueLimits } from '../../../resources/body/values.ts';
import type {
  JoinedRoom,
  RoomCaller,
  RoomClient,
  RoomMemberOptions,
  RoomReply,
  RoomService,
} from '../../../transports/live/rooms/service.ts';
import { checkInput } from '../../flows/json-input.ts';
import { flowsOf } from '../actions.ts';
import { ConnectionEvents, type ConnectionInfo, type RoomHooks, type RoomHost } from '../connection-events.ts';
import { checkOpenness } from '../connection-info.ts';
import { RIGHTS_LOST, toFailure, toMessageData } from '../messages.ts';
import type { RoomSettings } from '../settings.ts';
import { Delivered } from '../targets.ts';

export interface LiveClientsOptions {
  readonly host: RoomHost;
  readonly rooms: Rooms;
  readonly limits: ValueLimits;
  readonly settings: Pick<RoomSettings, 'join' | 'path' | 'roomsPerConnection'>;
  /** Undefined where the application has no rules of rooms. */
  readonly access: RoomAccess | undefined;
  readonly asked: RoomHooks | undefined;
  /** Throws UNAUTHORIZED for a caller that may not connect. */
  readonly checkAccess: (identity: Identity) => void;
}

/** Clients of a connector whose connections are those of protocol v1. */
export class LiveClients implements RoomService {
  readonly #options: LiveClientsOptions;
  readonly #open = new Set<ConnectorClient>();
  /** Calls of `empty` that wait. */
  #emptied: (() => void)[] = [];

  constructor(options: LiveClientsOptions) {
    this.#options = options;
  }

  get path(): string {
    return this.#options.settings.path;
  }

  connect(caller: RoomCaller): RoomClient {
    const { identity } = caller;
    this.#options.checkAccess(identity);
    // An administrator who looks as another caller would be seen under the name of that one.
    if (isView(identity)) throw new AppError('FORBIDDEN', 'A token to view as another caller is for tables alone.');
    const client = new ConnectorClient(caller, this.#options, () => this.#remove(client));
    this.#open.add(client);
    client.begin();
    return client;
  }

  /** Resolves when no client is left. */
  async empty(): Promise<void> {
    if (this.#open.size > 0) await new Promise<void>((resolve) => this.#emptied.push(resolve));
  }

  #remove(client: ConnectorClient): void {
    this.#open.delete(client);
    if (this.#open.size === 0) for (const resolve of this.#emptied.splice(0)) resolve();
  }
}

/** Membership of one room, or with all clients of the connector. */
interface OpenRoom {
  readonly connection: RoomConnection;
  /** Undefined for what is sent to all clients. */
  readonly rooms: ConnectionRooms | undefined;
}

/** Connection of protocol v1 as a client of the connector. */
class ConnectorClient implements RoomClient, ConnectionInfo {
  readonly query = {};
  readonly #caller: RoomCaller;
  readonly #options: LiveClientsOptions;
  readonly #closed: () => void;
  readonly #events: ConnectionEvents;
  readonly #open = new Set<OpenRoom>();
  #isClosed = false;

  constructor(caller: RoomCaller, options: LiveClientsOptions, closed: () => void) {
    this.#caller = caller;
    this.#options = options;
    this.#closed = closed;
    this.#events = new ConnectionEvents(options.host, this, randomUUID());
  }

  get identity(): Identity {
    return this.#caller.identity;
  }

  get user(): string | undefined {
    return this.#caller.user;
  }

  /** Fires `connect` for flows. */
  begin(): void {
    this.#events.connected((error) => this.#caller.failed(toFailure(error, this.#options.host.onError)));
  }

  async join(room: unknown, { sink, encoding, notify, lost }: RoomMemberOptions): Promise<JoinedRoom> {
    const { rooms, access, asked, settings } = this.#options;
    checkOpenness(settings.join, this.identity);
    const { roomsPerConnection: limit } = settings;
    if ([...this.#open].filter((open) => open.rooms !== undefined).length >= limit) {
      throw new AppError('BAD_REQUEST', `A connection may be in ${limit} rooms at most.`);
    }
    const connection = rooms.connect(sink, { encoding, user: this.user, hearsAll: false });
    const joined = new ConnectionRooms({
      ...{ rooms, access, notify, member: connection },
      identity: () => this.identity,
      asked: asked && ((name) => asked(name, this)),
      lost: () => lost(new AppError('FORBIDDEN', RIGHTS_LOST)),
    });
    const open: OpenRoom = { connection, rooms: joined };
    // Counted and closed with the client from now on: the join may take a while.
    this.#open.add(open);
    try {
      const presence = await joined.join(room);
      return this.#memberOf(open, presence);
    } catch (error) {
      this.#leave(open);
      throw error;
    }
  }

  listen({ sink, encoding }: RoomMemberOptions): JoinedRoom {
    const connection = this.#options.rooms.connect(sink, { encoding, user: this.user });
    const open: OpenRoom = { connection, rooms: undefined };
    this.#open.add(open);
    return this.#memberOf(open, undefined);
  }

  send(data: unknown): Promise<RoomReply> {
    const { host, limits } = this.#options;
    const input = toMessageData({ value: { data } });
    checkInput(input, 'data', limits);
    return new Promise((resolve, reject) => {
      this.#events.next(async () => {
        try {
          const result = await flowsOf(this.#events, input);
          if (result instanceof Delivered) resolve({ delivered: result.delivered });
          else resolve(result === null || result === undefined ? {} : { data: result });
        } catch (error) {
          reject(toFailure(error, host.onError));
        }
      });
    });
  }

  reauthorize(): void {
    const { user } = this;
    for (const { connection, rooms } of this.#open) {
      if (user !== undefined) this.#options.rooms.identify(connection, user);
      rooms?.reauthorize();
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const open of [...this.#open]) this.#leave(open);
    this.#events.ended();
    this.#closed();
  }

  #memberOf(open: OpenRoom, presence: object | undefined): JoinedRoom {
    return { presence, drained: () => open.connection.drained(), leave: () => this.#leave(open) };
  }

  #leave(open: OpenRoom): void {
    this.#open.delete(open);
    if (open.rooms !== undefined) open.rooms.close();
    else this.#options.rooms.disconnect(open.connection);
  }
}
