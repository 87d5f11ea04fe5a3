import type { ChannelsConfig } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { Flusher } from '../fan-out/flusher.ts';
import { SlowClients } from '../fan-out/slow-clients.ts';
import type { EndReason, Sink } from '../subscription.ts';
import { type Membership, type RoomBuffer, RoomConnection, type RoomEncoding, RoomMembers } from './members.ts';

/** How much of a room's run is kept for members whose sinks are full, in buffers of one client. */
const KEPT_BUFFERS = 4;

export interface RoomLimits {
  /** Rooms that one connection may be in. */
  readonly roomsPerConnection: number;
  /** Characters of a room's name. */
  readonly roomName: number;
}

export interface RoomsOptions {
  readonly channels: Pick<ChannelsConfig, 'slowClientTimeout' | 'clientBuffer'>;
  readonly limits: RoomLimits;
  /** Whether members are told who else joins and leaves; then this many names are in a list at most. */
  readonly presence?: number | undefined;
}

/** How code tells connections something; each gives back how many of them there are. */
export interface RoomsHandle {
  broadcast(data: unknown): number;
  /** Throws BAD_REQUEST for what cannot be the name of a room. */
  sendToRoom(room: string, data: unknown): number;
  sendToUser(user: string, data: unknown): number;
  /** Users in a room, each once, in the order in which they came. */
  members(room: string): string[];
}

export interface RoomConnectionOptions {
  readonly encoding: RoomEncoding;
  readonly user: string | undefined;
}

/**
 * The connections of one connector, their users and their rooms, in memory: what is said reaches those who are there.
 * Messages go the way of changes: encoded once, swept out in slices, one write for everything since the last one.
 */
export class Rooms implements RoomsHandle {
  readonly #options: RoomsOptions;
  readonly #kept: number;
  readonly #all: RoomMembers;
  readonly #users = new Map<string, RoomMembers>();
  readonly #rooms = new Map<string, RoomMembers>();
  readonly #sweeper: Flusher<Membership, RoomBuffer>;
  readonly #stalls: SlowClients<RoomConnection>;
  readonly #serve = (run: RoomBuffer): void => this.#sweeper.serve(run);

  constructor(options: RoomsOptions) {
    this.#options = options;
    const { clientBuffer, slowClientTimeout } = options.channels;
    this.#kept = KEPT_BUFFERS * clientBuffer;
    this.#all = new RoomMembers(this.#kept);
    this.#stalls = new SlowClients(slowClientTimeout, (guest) => this.#end(guest, 'slow'));
    this.#sweeper = new Flusher({
      clientBuffer,
      flushed: (run) => run.swept(),
      lagging: (member) => this.#fellBehind(member),
    });
  }

  /** Open connections. */
  get connections(): number {
    return this.#all.size;
  }

  /** Rooms that somebody is in. */
  get rooms(): number {
    return this.#rooms.size;
  }

  get users(): number {
    return this.#users.size;
  }

  connect(sink: Sink, { encoding, user }: RoomConnectionOptions): RoomConnection {
    const guest = new RoomConnection(sink, encoding, user);
    guest.always.push(this.#all.enter(guest));
    if (user !== undefined) guest.always.push(this.#open(this.#users, user).enter(guest));
    return guest;
  }

  /** Leaves everything; nothing is written to its sink any more. */
  disconnect(guest: RoomConnection): void {
    if (guest.isClosed) return;
    guest.isClosed = true;
    for (const name of [...guest.rooms.keys()]) this.#leave(guest, name);
    const [all, own] = guest.always;
    if (all !== undefined) this.#all.leave(all);
    if (own !== undefined && guest.user !== undefined) leaveAudience(this.#users, guest.user, own);
    guest.stalled = [];
    guest.drained();
  }

  /** Throws BAD_REQUEST for what cannot be a name, and where the connection is in too many rooms. */
  join(guest: RoomConnection, room: unknown): void {
    const name = this.checkName(room);
    if (guest.isClosed || guest.rooms.has(name)) return;
    const { roomsPerConnection } = this.#options.limits;
    if (guest.rooms.size >= roomsPerConnection) {
      throw new AppError('BAD_REQUEST', `A connection may be in ${roomsPerConnection} rooms at most.`);
    }
    const audience = this.#open(this.#rooms, name);
    const { user } = guest;
    if (user !== undefined && !audience.users.has(user)) this.#tell(audience, name, { type: 'member_joined', user });
    guest.rooms.set(name, audience.enter(guest));
  }

  /** Does nothing where it is not in the room. What was said before is still written. */
  leave(guest: RoomConnection, room: unknown): void {
    const name = this.checkName(room);
    const member = guest.rooms.get(name);
    if (member === undefined) return;
    const { run, sink } = member;
    if (member.cursor < run.offset) {
      // It has missed something already, and leaving does not make that good.
      this.#end(guest, 'lost');
      return;
    }
    const hasRoom = !member.isStalled || sink.pending <= this.#options.channels.clientBuffer;
    if (hasRoom && member.cursor < run.endOffset) run.deliver(member, run.endOffset);
    this.#leave(guest, name);
  }

  broadcast(data: unknown): number {
    return this.#all.send(messageOf(data), this.#serve);
  }

  sendToRoom(room: string, data: unknown): number {
    const name = this.checkName(room);
    return this.#rooms.get(name)?.send(messageOf(data, name), this.#serve) ?? 0;
  }

  sendToUser(user: string, data: unknown): number {
    return this.#users.get(user)?.send(messageOf(data), this.#serve) ?? 0;
  }

  members(room: string): string[] {
    return [...(this.#rooms.get(room)?.users.keys() ?? [])];
  }

  /** Who is in a room, as its members are told; undefined where they are not. */
  presenceOf(room: string): object | undefined {
    const { presence } = this.#options;
    const audience = this.#rooms.get(room);
    if (presence === undefined || audience === undefined) return undefined;
    const { users } = audience;
    const members: string[] = [];
    for (const user of users.keys()) {
      if (members.length >= presence) break;
      members.push(user);
    }
    return { type: 'presence', room, count: users.size, members };
  }

  /** Throws BAD_REQUEST. */
  checkName(room: unknown): string {
    const { roomName } = this.#options.limits;
    if (typeof room !== 'string' || room === '') throw new AppError('BAD_REQUEST', 'room must be the name of a room.');
    if (room.length > roomName) {
      throw new AppError('BAD_REQUEST', `The name of a room may have ${roomName} characters at most.`);
    }
    return room;
  }

  close(): void {
    this.#stalls.stop();
  }

  #open(audiences: Map<string, RoomMembers>, name: string): RoomMembers {
    let audience = audiences.get(name);
    if (audience === undefined) {
      audience = new RoomMembers(this.#kept);
      audiences.set(name, audience);
    }
    return audience;
  }

  #leave(guest: RoomConnection, name: string): void {
    const member = guest.rooms.get(name) as Membership;
    guest.rooms.delete(name);
    if (member.isStalled) guest.stalled = guest.stalled.filter((other) => other !== member);
    const audience = leaveAudience(this.#rooms, name, member);
    const { user } = guest;
    if (user !== undefined && !audience.users.has(user)) this.#tell(audience, name, { type: 'member_left', user });
  }

  #tell(audience: RoomMembers, room: string, { type, user }: { type: string; user: string }): void {
    if (this.#options.presence === undefined || audience.size === 0) return;
    audience.send(JSON.stringify({ type, room, user_id: user }), this.#serve);
  }

  /** It waits until its sink has room, or has lost what it was not told in time. */
  #fellBehind(member: Membership): void {
    const { guest, run } = member;
    if (member.cursor < run.offset) {
      this.#end(guest, 'lost');
      return;
    }
    run.remove(member);
    run.stalled++;
    member.isStalled = true;
    guest.stalled.push(member);
    // The first one of them waits for all.
    if (guest.stalled.length === 1 && guest.resume === undefined) void this.#wait(guest);
  }

  async #wait(guest: RoomConnection): Promise<void> {
    const { clientBuffer } = this.#options.channels;
    while (!guest.isClosed && guest.sink.pending > clientBuffer) await this.#stalls.wait(guest);
    if (guest.isClosed) return;
    const { stalled } = guest;
    guest.stalled = [];
    for (const member of stalled) {
      member.isStalled = false;
      member.run.stalled--;
      if (member.run.add(member)) this.#serve(member.run);
    }
  }

  #end(guest: RoomConnection, reason: EndReason): void {
    if (guest.isClosed) return;
    this.disconnect(guest);
    guest.sink.ended(reason);
  }
}

/** Who is the last one frees it. */
function leaveAudience(audiences: Map<string, RoomMembers>, name: string, member: Membership): RoomMembers {
  const audience = audiences.get(name) as RoomMembers;
  audience.leave(member);
  if (audience.size === 0) audiences.delete(name);
  return audience;
}

/** Throws TypeError for what is no JSON. */
function messageOf(data: unknown, room?: string): string {
  const text: string | undefined = JSON.stringify(data);
  if (text === undefined) throw new TypeError(`a message is what is JSON, not ${typeof data}`);
  return `{"type":"message","data":${text}${room === undefined ? '' : `,"room":${JSON.stringify(room)}`}}`;
}
