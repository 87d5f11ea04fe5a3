const SLOTS = 20;

/**
 * Beats once per interval for every member, spread over the interval, so that thousands of connections do not all have
 * their turn at the same moment. One timer for all of them.
 */
export class Heartbeat<Member> {
  readonly #slots: readonly Set<Member>[] = Array.from({ length: SLOTS }, () => new Set());
  readonly #beat: (member: Member) => void;
  readonly #timer: NodeJS.Timeout;
  #turn = 0;
  #next = 0;
  #size = 0;

  /** `interval` in milliseconds. */
  constructor(interval: number, beat: (member: Member) => void) {
    this.#beat = beat;
    this.#timer = setInterval(() => this.#tick(), Math.max(1, interval / SLOTS)).unref();
  }

  get size(): number {
    return this.#size;
  }

  /** Returns the member's slot, which `remove` wants back. */
  add(member: Member): number {
    const slot = this.#next;
    this.#next = (slot + 1) % SLOTS;
    this.#slots[slot]?.add(member);
    this.#size++;
    return slot;
  }

  /** As `add`, but the first beat is at least three quarters of an interval away. */
  addLate(member: Member): number {
    const slot = (this.#turn + SLOTS - 1 - (this.#next++ % (SLOTS / 4))) % SLOTS;
    this.#next %= SLOTS;
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
    for (const member of this.#slots[this.#turn] ?? []) this.#beat(member);
    this.#turn = (this.#turn + 1) % SLOTS;
  }
}
