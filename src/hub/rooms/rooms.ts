import type { ChannelsConfig } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { Flusher } from '../fan-out/flusher.ts';
import { SlowClients } from '../fan-out/slow-clients.ts';
import type { EndReason, Sink } from '../subscription.ts';
import { type Membership, type RoomBuffer, RoomConnection, type RoomEncoding, RoomMembers } from './members.ts';
import { RoomServers, type RoomServersHost, type RoomServersOptions } from './servers.ts';

/** Size of what a room keeps for members whose sinks are full, in buffers of one client. */
const MAX_STALLED_BUFFERS = 4;

export interface RoomLimits {
  /** Maximum of rooms that one connection may be in. */
  readonly roomsPerConnection: number;
  /** Maximum of characters in a room's name. */
  readonly roomName: number;
}

export interface RoomsOptions {
  readonly channels: Pick<ChannelsConfig, 'slowClientTimeout' | 'clientBuffer'>;
  readonly limits: RoomLimits;
  /** Maximum of users in a list of members; undefined where members are not notified of joins and leaves. */
  readonly presence?: number | undefined;
  /** Connection to the same rooms of other servers; undefined where this server has all connections. */
  readonly servers?: RoomServersOptions | undefined;
}

/**
 * Sends messages to the connections of a connector, at all servers of the application. Each method returns the number of
 * connections to this server that it reaches.
 *
 * @example
 * ```ts
 * // my-app/routes/announce.ts
 * import { defineRoute } from 'tablecast';
 *
 * export const routes = {
 *   announce: defineRoute({
 *     method: 'POST',
 *     handler: ({ system, body }) => ({ reached: system.rooms.ws?.sendToRoom('lobby', body) ?? 0 }),
 *   }),
 * };
 * ```
 */
export interface RoomsHandle {
  broadcast(data: unknown): number;
  /** Throws BAD_REQUEST for a text that cannot be the name of a room. */
  sendToRoom(room: string, data: unknown): number;
  sendToUser(user: string, data: unknown): number;
  /** Users in a room, at all servers, each once, in the order in which they joined. */
  members(room: string): string[];
}

export interface RoomConnectionOptions {
  readonly encoding: RoomEncoding;
  readonly user: string | undefined;
  /** False for a connection that receives what is sent to its rooms, and nothing that is sent to all or to its user. */
  readonly hearsAll?: boolean;
}

/**
 * Connections of one connector, their users and their rooms, in memory: a message reaches the members of that moment.
 * Messages are sent as changes are: encoded once, flushed in slices, one write for everything since the last one.
 */
export class Rooms implements RoomsHandle {
  readonly #options: RoomsOptions;
  readonly #maxStalledBytes: number;
  readonly #all: RoomMembers;
  readonly #users = new Map<string, RoomMembers>();
  readonly #rooms = new Map<string, RoomMembers>();
  readonly #flusher: Flusher<Membership, RoomBuffer>;
  readonly #slowClients: SlowClients<RoomConnection>;
  readonly #servers: RoomServers | undefined;
  readonly #serve = (buffer: RoomBuffer): void => this.#flusher.serve(buffer);

  constructor(options: RoomsOptions) {
    this.#options = options;
    const { clientBuffer, slowClientTimeout } = options.channels;
    this.#maxStalledBytes = MAX_STALLED_BUFFERS * clientBuffer;
    this.#all = new RoomMembers(this.#maxStalledBytes);
    this.#slowClients = new SlowClients(slowClientTimeout, (connection) => this.#end(connection, 'slow'));
    this.#flusher = new Flusher({
      clientBuffer,
      flushed: (buffer) => buffer.flushed(),
      lagging: (member) => this.#lag(member),
    });
    this.#servers = options.servers && new RoomServers(options.servers, this.#makeHost());
  }

  /**
   * Rooms that have members, each with its number of connections to this server and the users in it, at all servers, in the
   * order in which they joined.
   */
  *list(): Iterable<{ readonly name: string; readonly connections: number; readonly users: Iterable<string> }> {
    for (const [name, members] of this.#rooms) yield { name, connections: members.size, users: members.users.keys() };
  }

  /** Number of open connections. */
  get connections(): number {
    return this.#all.size;
  }

  /** Number of rooms that have connections to this server. */
  get rooms(): number {
    let rooms = 0;
    for (const { size } of this.#rooms.values()) if (size > 0) rooms++;
    return rooms;
  }

  get users(): number {
    return this.#users.size;
  }

  connect(sink: Sink, { encoding, user, hearsAll = true }: RoomConnectionOptions): RoomConnection {
    const connection = new RoomConnection(sink, encoding, user);
    if (!hearsAll) return connection;
    connection.always.push(this.#all.enter(connection));
    if (user !== undefined) connection.always.push(this.#openMembers(this.#users, user).enter(connection));
    return connection;
  }

  /** Makes an anonymous connection that of a user, in the rooms that it is in. Does nothing for any other connection. */
  identify(connection: RoomConnection, user: string): void {
    if (connection.user !== undefined || connection.isClosed) return;
    for (const name of connection.rooms.keys()) {
      const members = this.#rooms.get(name) as RoomMembers;
      if (!members.users.has(user)) this.#notify(members, name, { type: 'member_joined', user });
      members.count(user);
      if (members.own.get(user) === 1) this.#servers?.changed('in', name, user);
    }
    connection.user = user;
    if (connection.always.length === 0) return;
    this.#all.count(user);
    connection.always.push(this.#openMembers(this.#users, user).enter(connection));
  }

  /** Leaves all rooms; nothing is written to the sink any more. */
  disconnect(connection: RoomConnection): void {
    if (connection.isClosed) return;
    connection.isClosed = true;
    for (const name of [...connection.rooms.keys()]) this.#leave(connection, name);
    const [all, own] = connection.always;
    if (all !== undefined) this.#all.leave(all);
    if (own !== undefined && connection.user !== undefined) leaveRoom(this.#users, connection.user, own);
    connection.stalled = [];
    connection.drained();
  }

  /** Joins a room. Throws as `checkJoin`. Without `seesPresence` the member receives no list of members, joins or leaves. */
  join(connection: RoomConnection, room: unknown, { seesPresence = true } = {}): void {
    const name = this.checkJoin(connection, room);
    if (connection.isClosed || connection.rooms.has(name)) return;
    const members = this.#openMembers(this.#rooms, name);
    const { user } = connection;
    if (user !== undefined && !members.users.has(user)) this.#notify(members, name, { type: 'member_joined', user });
    connection.rooms.set(name, members.enter(connection, seesPresence));
    if (user !== undefined && members.own.get(user) === 1) this.#servers?.changed('in', name, user);
  }

  /**
   * Returns the name of a room that the connection could join. Throws BAD_REQUEST for a value that cannot be a name, and
   * where the connection is in too many rooms.
   */
  checkJoin(connection: RoomConnection, room: unknown): string {
    const name = this.checkName(room);
    const { roomsPerConnection } = this.#options.limits;
    if (connection.rooms.size >= roomsPerConnection && !connection.rooms.has(name)) {
      throw new AppError('BAD_REQUEST', `A connection may be in ${roomsPerConnection} rooms at most.`);
    }
    return name;
  }

  /** Begins or ends to tell a member who is in the room. */
  showPresence(connection: RoomConnection, name: string, seesPresence: boolean): void {
    const member = connection.rooms.get(name);
    const members = this.#rooms.get(name);
    if (member === undefined || members === undefined || member.seesPresence === seesPresence) return;
    const { buffer } = member;
    if (member.cursor < buffer.offset) {
      this.#end(connection, 'lost');
      return;
    }
    // Other members share other bytes from now on; what was sent before comes first.
    if (member.cursor < buffer.endOffset) buffer.deliver(member, buffer.endOffset);
    if (member.isStalled) connection.stalled = connection.stalled.filter((other) => other !== member);
    connection.rooms.set(name, members.exchange(member, seesPresence));
  }

  /** Does nothing where the connection is not in the room. Messages that were sent before are still written. */
  leave(connection: RoomConnection, room: unknown): void {
    const name = this.checkName(room);
    const member = connection.rooms.get(name);
    if (member === undefined) return;
    const { buffer, sink } = member;
    if (member.cursor < buffer.offset) {
      // Messages are lost already; leaving does not change that.
      this.#end(connection, 'lost');
      return;
    }
    const hasRoom = !member.isStalled || sink.pending <= this.#options.channels.clientBuffer;
    if (hasRoom && member.cursor < buffer.endOffset) buffer.deliver(member, buffer.endOffset);
    this.#leave(connection, name);
  }

  broadcast(data: unknown): number {
    return this.#send('all', '', formatMessage(data));
  }

  sendToRoom(room: string, data: unknown): number {
    const name = this.checkName(room);
    return this.#send('room', name, formatMessage(data, name));
  }

  sendToUser(user: string, data: unknown): number {
    return this.#send('user', user, formatMessage(data));
  }

  members(room: string): string[] {
    return [...(this.#rooms.get(room)?.users.keys() ?? [])];
  }

  /** Presence message of a room; undefined where presence is off or the room is empty. */
  presenceOf(room: string): object | undefined {
    const { presence } = this.#options;
    const users = this.#rooms.get(room)?.users;
    if (presence === undefined || users === undefined) return undefined;
    const members: string[] = [];
    for (const user of users.keys()) {
      if (members.length >= presence) break;
      members.push(user);
    }
    return { type: 'presence', room, count: users.size, members };
  }

  /** Returns the name of a room. Throws BAD_REQUEST for a value that cannot be one. */
  checkName(room: unknown): string {
    const { roomName } = this.#options.limits;
    if (typeof room !== 'string' || room === '') throw new AppError('BAD_REQUEST', 'room must be the name of a room.');
    if (room.length > roomName) {
      throw new AppError('BAD_REQUEST', `The name of a room may have ${roomName} characters at most.`);
    }
    return room;
  }

  close(): void {
    this.#servers?.close();
    this.#slowClients.stop();
  }

  #makeHost(): RoomServersHost {
    const rooms = this.#rooms;
    return {
      *ownMembers() {
        for (const [name, { own }] of rooms) if (own.size > 0) yield [name, [...own.keys()]] as const;
      },
      deliver: (to, name, text) => void this.#deliver(to, name, text),
      arrived: (name, user) => {
        const members = this.#openMembers(rooms, name);
        if (!members.users.has(user)) this.#notify(members, name, { type: 'member_joined', user });
        members.arrived(user);
      },
      left: (name, user) => {
        const members = this.#openMembers(rooms, name);
        members.left(user);
        if (!members.users.has(user)) this.#notify(members, name, { type: 'member_left', user });
        if (members.isEmpty) rooms.delete(name);
      },
    };
  }

  #send(to: 'room' | 'user' | 'all', name: string, text: string): number {
    this.#servers?.pass(to, name, text);
    return this.#deliver(to, name, text);
  }

  #deliver(to: 'room' | 'user' | 'all', name: string, text: string): number {
    const members = to === 'all' ? this.#all : (to === 'room' ? this.#rooms : this.#users).get(name);
    return members?.send(text, this.#serve) ?? 0;
  }

  #openMembers(roomsByName: Map<string, RoomMembers>, name: string): RoomMembers {
    let members = roomsByName.get(name);
    if (members === undefined) {
      members = new RoomMembers(this.#maxStalledBytes);
      roomsByName.set(name, members);
    }
    return members;
  }

  #leave(connection: RoomConnection, name: string): void {
    const member = connection.rooms.get(name) as Membership;
    connection.rooms.delete(name);
    if (member.isStalled) connection.stalled = connection.stalled.filter((other) => other !== member);
    const members = leaveRoom(this.#rooms, name, member);
    const { user } = connection;
    if (user === undefined) return;
    if (!members.own.has(user)) this.#servers?.changed('out', name, user);
    if (!members.users.has(user)) this.#notify(members, name, { type: 'member_left', user });
  }

  #notify(members: RoomMembers, room: string, { type, user }: { type: string; user: string }): void {
    if (this.#options.presence === undefined || members.size === 0) return;
    members.notify(JSON.stringify({ type, room, user_id: user }), this.#serve);
  }

  /** Lets a member wait until its sink has room; ends the connection when messages were dropped before it received them. */
  #lag(member: Membership): void {
    const { connection, buffer } = member;
    if (member.cursor < buffer.offset) {
      this.#end(connection, 'lost');
      return;
    }
    buffer.remove(member);
    buffer.stalled++;
    member.isStalled = true;
    connection.stalled.push(member);
    // One wait serves all memberships of the connection.
    if (connection.stalled.length === 1 && connection.resume === undefined) void this.#wait(connection);
  }

  async #wait(connection: RoomConnection): Promise<void> {
    const { clientBuffer } = this.#options.channels;
    while (!connection.isClosed && connection.sink.pending > clientBuffer) await this.#slowClients.wait(connection);
    if (connection.isClosed) return;
    const { stalled } = connection;
    connection.stalled = [];
    for (const member of stalled) {
      member.isStalled = false;
      member.buffer.stalled--;
      if (member.buffer.add(member)) this.#serve(member.buffer);
    }
  }

  #end(connection: RoomConnection, reason: EndReason): void {
    if (connection.isClosed) return;
    this.disconnect(connection);
    connection.sink.ended(reason);
  }
}

/** Removes a member, and with the last one the room. */
function leaveRoom(roomsByName: Map<string, RoomMembers>, name: string, member: Membership): RoomMembers {
  const members = roomsByName.get(name) as RoomMembers;
  members.leave(member);
  if (members.isEmpty) roomsByName.delete(name);
  return members;
}

/** Throws TypeError for a value that cannot be written as JSON. */
function formatMessage(data: unknown, room?: string): string {
  const text: string | undefined = JSON.stringify(data);
  if (text === undefined) throw new TypeError(`a message must be a JSON value, not ${typeof data}`);
  return `{"type":"message","data":${text}${room === undefined ? '' : `,"room":${JSON.stringify(room)}`}}`;
}
