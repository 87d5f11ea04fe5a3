import type { RoomConnection } from '../../hub/rooms/members.ts';
import type { Rooms } from '../../hub/rooms/rooms.ts';
import type { Identity } from '../identity.ts';
import type { RoomAccess } from './access.ts';
import type { MemberRights } from './rules.ts';
import type { RoomMember } from './watches.ts';

export interface ConnectionRoomsOptions {
  readonly rooms: Rooms;
  readonly member: RoomConnection;
  /** Undefined where the application has no rules of rooms: everyone may do everything. */
  readonly access: RoomAccess | undefined;
  /** Returns the caller, with its current rights. */
  readonly identity: () => Identity;
  /** Called before the connection enters a room that the rules allow; may refuse it by throwing. */
  readonly asked?: ((room: string) => Promise<void>) | undefined;
  /** Sends a list of members to the client, which sees who is there from now on. */
  readonly notify: (presence: object) => void;
  /** Called when the connection has left a room whose rules do not allow it any more. */
  readonly lost: (room: string) => void;
}

/**
 * Rooms of one connection, kept within its rights: what it may not join is refused, and a room whose rules do not allow it
 * any more is left.
 */
export class ConnectionRooms {
  readonly #options: ConnectionRoomsOptions;
  readonly #members = new Map<string, RoomMember>();

  constructor(options: ConnectionRoomsOptions) {
    this.#options = options;
  }

  /**
   * Joins a room, and returns the list of its members for the client; undefined for a client without the right to it. Throws
   * AppError for a name that is none, too many rooms, and a caller that may not.
   */
  async join(room: unknown): Promise<object | undefined> {
    const { rooms, member, access, identity, asked } = this.#options;
    const name = rooms.checkJoin(member, room);
    const isMember = member.rooms.has(name);
    if (access === undefined || isMember) {
      if (!isMember) await asked?.(name);
      rooms.join(member, name);
      return this.#presenceOf(name);
    }
    const entered = await access.enter(name, identity(), (rights) => this.#changed(name, rights));
    try {
      await asked?.(name);
      if (entered.isGone) throw access.refusal('join', name, identity());
      rooms.join(member, name, { seesPresence: entered.rights.presence });
    } catch (error) {
      entered.leave();
      throw error;
    }
    // The client may have gone meanwhile.
    if (member.isClosed) entered.leave();
    else this.#members.set(name, entered);
    return this.#presenceOf(name);
  }

  leave(room: unknown): void {
    const { rooms, member } = this.#options;
    rooms.leave(member, room);
    const name = room as string;
    this.#members.get(name)?.leave();
    this.#members.delete(name);
  }

  /** Follows the caller, which has other roles or claims now, or a newer token. */
  reauthorize(): void {
    const identity = this.#options.identity();
    for (const member of this.#members.values()) member.renew(identity);
  }

  /** Leaves all rooms, without telling the client. */
  close(): void {
    this.#options.rooms.disconnect(this.#options.member);
    for (const member of this.#members.values()) member.leave();
    this.#members.clear();
  }

  #presenceOf(name: string): object | undefined {
    const { rooms, member } = this.#options;
    return member.rooms.get(name)?.seesPresence ? rooms.presenceOf(name) : undefined;
  }

  #changed(name: string, { join, presence }: MemberRights): void {
    const { rooms, member, notify, lost } = this.#options;
    if (join) {
      rooms.showPresence(member, name, presence);
      const shown = presence ? rooms.presenceOf(name) : undefined;
      if (shown !== undefined) notify(shown);
      return;
    }
    this.#members.delete(name);
    if (!member.rooms.has(name)) return;
    rooms.leave(member, name);
    lost(name);
  }
}
