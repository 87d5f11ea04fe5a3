/** Groups of members that beat together, one after the other within an interval. */
const SLOTS = 20;

export interface HeartbeatOptions {
  /** Milliseconds between two beats of a member. */
  readonly interval: number;
  /** The first beat of a member is at least three quarters of an interval away. */
  readonly startsLate?: boolean;
}

/**
 * Beats once per interval for every member, spread over the interval, so that thousands of connections do not beat at
 * the same moment. One timer serves all of them.
 */
export class Heartbeat<Member> {
  readonly #slots: readonly Set<Member>[] = Array.from({ length: SLOTS }, () => new Set());
  readonly #beat: (member: Member) => void;
  readonly #startsLate: boolean;
  readonly #timer: NodeJS.Timeout;
  /** Slot that beats at the next tick. */
  #current = 0;
  /** Counts the members that were added, for their slots. */
  #next = 0;
  #size = 0;

  constructor({ interval, startsLate = false }: HeartbeatOptions, beat: (member: Member) => void) {
    this.#beat = beat;
    this.#startsLate = startsLate;
    this.#timer = setInterval(() => this.#tick(), Math.max(1, interval / SLOTS)).unref();
  }

  get size(): number {
    return this.#size;
  }

  /** Returns the member's slot, which `remove` needs. */
  add(member: Member): number {
    const next = this.#next;
    this.#next = (next + 1) % SLOTS;
    const slot = this.#startsLate ? (this.#current + SLOTS - 1 - (next % (SLOTS / 4))) % SLOTS : next;
    this.#slots[slot]?.add(member);
    this.#size++;
    return slot;
  }

  remove(member: Member, slot: number): void {
    if (this.#slots[slot]?.delete(member)) this.#size--;
  }

  *members(): Iterable<Member> {
    for (const slot of this.#slots) yield* slot;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    for (const member of this.#slots[this.#current] ?? []) this.#beat(member);
    this.#current = (this.#current + 1) % SLOTS;
  }
}
