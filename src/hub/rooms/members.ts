import { CUT_BUFFER_BYTES, FanOutBuffer, type LiveSubscriber } from '../fan-out/buffer.ts';
import type { DrainWaiter } from '../fan-out/slow-clients.ts';
import type { Sink } from '../subscription.ts';

/** Encodes a message, which is JSON text, as bytes that all sockets of one transport share. */
export interface RoomEncoding {
  readonly frame: (text: string) => Buffer;
}

/** Open connection, as rooms know it. */
export class RoomConnection implements DrainWaiter {
  readonly sink: Sink;
  readonly encoding: RoomEncoding;
  /** Undefined for an anonymous connection. */
  user: string | undefined;
  /** Memberships by the name of the room. */
  readonly rooms = new Map<string, Membership>();
  /** Memberships for as long as it is open: of all connections, and of those of its user. */
  readonly always: Membership[] = [];
  /** Memberships that wait until the sink has room. */
  stalled: Membership[] = [];
  isClosed = false;
  resume: (() => void) | undefined;

  constructor(sink: Sink, encoding: RoomEncoding, user: string | undefined) {
    this.sink = sink;
    this.encoding = encoding;
    this.user = user;
  }

  drained(): void {
    const { resume } = this;
    this.resume = undefined;
    resume?.();
  }
}

/** Connection as a member of one room. */
export class Membership implements LiveSubscriber {
  readonly connection: RoomConnection;
  readonly buffer: RoomBuffer;
  readonly sink: Sink;
  index = -1;
  cursor: number;
  /** True while the sink is full: the flusher does not visit the member until it has room. */
  isStalled = false;
  /** True when the member receives the list of members, joins and leaves. */
  readonly seesPresence: boolean;

  constructor(connection: RoomConnection, buffer: RoomBuffer, seesPresence: boolean) {
    this.connection = connection;
    this.buffer = buffer;
    this.seesPresence = seesPresence;
    this.sink = connection.sink;
    this.cursor = buffer.endOffset;
  }
}

/** Members of a room that receive the same bytes. There is no log behind it: dropped messages are lost for them. */
export class RoomBuffer extends FanOutBuffer<Membership> {
  readonly encoding: RoomEncoding;
  /** Bytes that are kept for members whose sinks are full. */
  readonly #maxStalledBytes: number;
  /** Number of members whose sinks are full. */
  stalled = 0;

  constructor(encoding: RoomEncoding, maxStalledBytes: number) {
    super();
    this.encoding = encoding;
    this.#maxStalledBytes = maxStalledBytes;
  }

  get size(): number {
    return this.live.length + this.stalled;
  }

  /** Appends a message. True when live members have to be served. */
  append(text: string): boolean {
    this.push(this.encoding.frame(text));
    if (this.live.length === 0) {
      this.flushed();
      return false;
    }
    if (this.isTooLong) this.drop(CUT_BUFFER_BYTES, 1);
    this.remaining = this.live.length;
    return true;
  }

  deliver(member: Membership, to: number): void {
    const from = member.cursor;
    member.cursor = to;
    member.sink.write(this.join(from, to));
  }

  /** Called when all live members have everything: frames stay only for stalled ones, up to the maximum. */
  flushed(): void {
    if (this.stalled === 0) this.clearFrames();
    else this.drop(this.#maxStalledBytes, 1);
  }
}

/** Connections that receive the same messages: the members of a room, the connections of one user, or all. */
export class RoomMembers {
  readonly #maxStalledBytes: number;
  /** Members by their encoding; mostly there is only one. */
  readonly #buffers = new Map<RoomEncoding, RoomBuffer>();
  /** The same for members without the right to the list of members. */
  readonly #unaware = new Map<RoomEncoding, RoomBuffer>();
  /** Number of connections of each user. */
  readonly #own = new Map<string, number>();
  /** Number of servers at which each user is, this one included. */
  readonly #users = new Map<string, number>();
  #size = 0;

  /** `maxStalledBytes`: bytes that are kept for members whose sinks are full. */
  constructor(maxStalledBytes: number) {
    this.#maxStalledBytes = maxStalledBytes;
  }

  get size(): number {
    return this.#size;
  }

  /** Users in the order in which they came, with the number of servers at which they are. */
  get users(): ReadonlyMap<string, number> {
    return this.#users;
  }

  /** Users with a connection to this server, with the number of their connections. */
  get own(): ReadonlyMap<string, number> {
    return this.#own;
  }

  get isEmpty(): boolean {
    return this.#size === 0 && this.#users.size === 0;
  }

  /** Must be called when a user has come at one more server. */
  arrived(user: string): void {
    this.#users.set(user, (this.#users.get(user) ?? 0) + 1);
  }

  /** Must be called when a user is at one server less. */
  left(user: string): void {
    const servers = (this.#users.get(user) ?? 0) - 1;
    if (servers > 0) this.#users.set(user, servers);
    else this.#users.delete(user);
  }

  /** Adds a member; it receives messages sent after this call. */
  enter(connection: RoomConnection, seesPresence = true): Membership {
    const member = this.#add(connection, seesPresence);
    this.#size++;
    if (connection.user !== undefined) this.count(connection.user);
    return member;
  }

  /** Counts a connection of a user: one that enters, or a member that has authenticated. */
  count(user: string): void {
    const connections = this.#own.get(user) ?? 0;
    this.#own.set(user, connections + 1);
    if (connections === 0) this.arrived(user);
  }

  leave(member: Membership): void {
    const { connection } = member;
    this.#remove(member);
    this.#size--;
    const { user } = connection;
    if (user === undefined) return;
    const connections = (this.#own.get(user) ?? 0) - 1;
    if (connections > 0) {
      this.#own.set(user, connections);
      return;
    }
    this.#own.delete(user);
    this.left(user);
  }

  /** Puts another membership of the same connection in the place of one that has received everything. */
  exchange(member: Membership, seesPresence: boolean): Membership {
    this.#remove(member);
    return this.#add(member.connection, seesPresence);
  }

  /** Sends a message to all members; calls `serve` for each buffer that has frames to send. Returns the number of members. */
  send(text: string, serve: (buffer: RoomBuffer) => void): number {
    this.notify(text, serve);
    for (const buffer of this.#unaware.values()) if (buffer.append(text)) serve(buffer);
    return this.#size;
  }

  /** Sends a message to the members that see who is there. */
  notify(text: string, serve: (buffer: RoomBuffer) => void): void {
    for (const buffer of this.#buffers.values()) if (buffer.append(text)) serve(buffer);
  }

  #add(connection: RoomConnection, seesPresence: boolean): Membership {
    const buffers = seesPresence ? this.#buffers : this.#unaware;
    let buffer = buffers.get(connection.encoding);
    if (buffer === undefined) {
      buffer = new RoomBuffer(connection.encoding, this.#maxStalledBytes);
      buffers.set(connection.encoding, buffer);
    }
    const member = new Membership(connection, buffer, seesPresence);
    buffer.add(member);
    return member;
  }

  #remove(member: Membership): void {
    const { buffer, seesPresence } = member;
    if (member.isStalled) buffer.stalled--;
    else buffer.remove(member);
    // An interrupted flush may still hold the buffer, and finds no members in it.
    if (buffer.size === 0) (seesPresence ? this.#buffers : this.#unaware).delete(buffer.encoding);
  }
}
