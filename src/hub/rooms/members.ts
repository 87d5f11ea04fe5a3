import { CUT_BUFFER_BYTES, FanOutBuffer, type LiveSubscriber } from '../fan-out/buffer.ts';
import type { DrainWaiter } from '../fan-out/slow-clients.ts';
import type { Sink } from '../subscription.ts';

/** How a transport puts a message, which is JSON text, into bytes that are shared by all sockets of its kind. */
export interface RoomEncoding {
  readonly frame: (text: string) => Buffer;
}

/** An open connection as rooms know it. */
export class RoomConnection implements DrainWaiter {
  readonly sink: Sink;
  readonly encoding: RoomEncoding;
  /** Undefined where it is nobody in particular. */
  readonly user: string | undefined;
  /** Rooms by name. */
  readonly rooms = new Map<string, Membership>();
  /** What it is a member of without having asked: all connections, and those of its user. */
  readonly always: Membership[] = [];
  /** Its memberships that wait until its sink has room. */
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

/** A guest in one audience. */
export class Membership implements LiveSubscriber {
  readonly guest: RoomConnection;
  readonly run: RoomBuffer;
  readonly sink: Sink;
  index = -1;
  cursor: number;
  /** Its sink is full: it is not visited until that has room. */
  isStalled = false;

  constructor(guest: RoomConnection, run: RoomBuffer) {
    this.guest = guest;
    this.run = run;
    this.sink = guest.sink;
    this.cursor = run.endOffset;
  }
}

/** The members of an audience that get the same bytes. There is no log behind it: what is dropped is lost for them. */
export class RoomBuffer extends FanOutBuffer<Membership> {
  readonly encoding: RoomEncoding;
  /** Bytes that are kept for members whose sinks are full. */
  readonly #kept: number;
  /** Members whose sinks are full. */
  stalled = 0;

  constructor(encoding: RoomEncoding, kept: number) {
    super();
    this.encoding = encoding;
    this.#kept = kept;
  }

  get size(): number {
    return this.live.length + this.stalled;
  }

  /** Takes a message. True when live members are to be served. */
  append(text: string): boolean {
    this.push(this.encoding.frame(text));
    if (this.live.length === 0) {
      this.swept();
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

  /** All live members have everything: the run is kept only for the others, and not all of it. */
  swept(): void {
    if (this.stalled === 0) this.forget();
    else this.drop(this.#kept, 1);
  }
}

/** Those who are told the same: the members of a room, the connections of one user, or all there are. */
export class RoomMembers {
  readonly #kept: number;
  /** Members that get the same bytes; mostly there is one such run. */
  readonly #runs = new Map<RoomEncoding, RoomBuffer>();
  /** How many connections each user has in it. */
  readonly #users = new Map<string, number>();
  #size = 0;

  constructor(kept: number) {
    this.#kept = kept;
  }

  get size(): number {
    return this.#size;
  }

  get users(): ReadonlyMap<string, number> {
    return this.#users;
  }

  /** A new member, who is told what is said from now on. */
  enter(guest: RoomConnection): Membership {
    let run = this.#runs.get(guest.encoding);
    if (run === undefined) {
      run = new RoomBuffer(guest.encoding, this.#kept);
      this.#runs.set(guest.encoding, run);
    }
    const member = new Membership(guest, run);
    run.add(member);
    this.#size++;
    if (guest.user !== undefined) this.#users.set(guest.user, (this.#users.get(guest.user) ?? 0) + 1);
    return member;
  }

  leave(member: Membership): void {
    const { guest, run } = member;
    if (member.isStalled) run.stalled--;
    else run.remove(member);
    this.#size--;
    // An interrupted sweep may still have it, and finds nobody in it.
    if (run.size === 0) this.#runs.delete(run.encoding);
    if (guest.user === undefined) return;
    const left = (this.#users.get(guest.user) ?? 0) - 1;
    if (left > 0) this.#users.set(guest.user, left);
    else this.#users.delete(guest.user);
  }

  /** Tells all members; `serve` is called for each run that has something to send. How many members there are. */
  send(text: string, serve: (run: RoomBuffer) => void): number {
    for (const run of this.#runs.values()) if (run.append(text)) serve(run);
    return this.#size;
  }
}
