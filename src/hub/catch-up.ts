import type { ListQuery } from '../query/index.ts';
import type { Awaitable, LogReader, RecordReader, StoredRecord } from '../store/store.ts';
import type { ResetReason } from './encode.ts';
import { relatedOfChange, relatedOfRecord, type Selection, selectRecord } from './selection.ts';
import type { Subscription } from './subscription.ts';

export interface CatchUpContext {
  readonly store: RecordReader & LogReader;
  /** Entries or records per page. */
  readonly page: number;
  /** A sink with more than this waiting is not written to. */
  readonly clientBuffer: number;
  acquireRead(): Promise<void> | undefined;
  waitForDrain(subscription: Subscription): Promise<void>;
  /** False when the hub was closed: the store is about to be, and must not be read any more. */
  isOpen(): boolean;
  /** The log does not reach back, and the subscription's encoding cannot say so. */
  expire(subscription: Subscription): void;
  /** The subscription has everything after its position in the run: from now on it is live. */
  join(subscription: Subscription): void;
}

/** How a subscription starts. */
export type Start =
  | { readonly from: 'now' }
  /** `first`: the records of this list, and not those with the first keys. */
  | { readonly from: 'snapshot'; readonly limit: number; readonly first?: ListQuery }
  | { readonly from: 'position' }
  /** What it was told so far holds no more. */
  | { readonly from: 'reset'; readonly reason: ResetReason }
  /** It was live, and its socket could not take what it was sent: it goes on from where it is. */
  | { readonly from: 'behind' };

/**
 * Brings a subscription from its position to the live run: snapshot, resume, slow client and restart are this one
 * loop. It reads a page, writes it, waits for the socket, and joins when the run reaches back to its position.
 */
export class CatchUp {
  readonly #context: CatchUpContext;
  readonly #subscription: Subscription;
  /** `ready` was sent: the client does not need another one. */
  #announced: boolean;
  /** It is its turn to write to a sink that it shares. */
  #hasLane = false;
  /** From this position on the snapshot, which was read while writes went on, is the whole state. */
  #complete = 0;

  constructor(context: CatchUpContext, subscription: Subscription, start: Start) {
    this.#context = context;
    this.#subscription = subscription;
    this.#announced = start.from === 'behind';
  }

  async run(start: Start): Promise<void> {
    try {
      await this.#run(start);
    } finally {
      this.#leaveLane();
    }
  }

  async #run(start: Start): Promise<void> {
    const subscription = this.#subscription;
    const begun = this.#begin(start);
    if (begun !== undefined) await begun;
    while (this.#isActive()) {
      // Before joining too: a full socket would be thrown out of the live ones at once.
      const room = this.#room();
      if (room !== undefined) await room;
      if (!this.#isActive()) return;
      if (this.#isTrimmed()) await this.#reset('position_trimmed');
      if (!this.#isActive()) return;
      if (subscription.position >= this.#complete && subscription.group.reaches(subscription.position)) {
        subscription.inSnapshot = false;
        if (!this.#announced) this.#announce();
        this.#context.join(subscription);
        return;
      }
      await this.#context.acquireRead();
      if (this.#isActive()) await this.#readLog();
    }
  }

  /** What comes before the log. Undefined when it is done at once. */
  #begin(start: Start): Promise<void> | undefined {
    switch (start.from) {
      case 'now':
        this.#subscription.position = this.#context.store.lastSeq;
        return undefined;
      case 'snapshot':
        return start.first === undefined ? this.#snapshot(start.limit) : this.#firstOf(start.first);
      case 'position':
        return this.#checkPosition();
      case 'reset':
        return this.#reset(start.reason);
      case 'behind':
        return undefined;
    }
  }

  /** What a client says it has been told may be of another database, or of a state of this one that was put back since. */
  #checkPosition(): Promise<void> | undefined {
    const known = this.#context.store.wasIssued(this.#subscription.position);
    if (typeof known === 'boolean') return known ? undefined : this.#reset('position_unknown');
    return known.then((it) => (it || !this.#isActive() ? undefined : this.#reset('position_unknown')));
  }

  #announce(): void {
    const { sink, group, position } = this.#subscription;
    const bytes = group.encoding.ready(position);
    if (bytes !== undefined) sink.write(bytes);
  }

  /** Entries after its position are past retention. */
  #isTrimmed(): boolean {
    const { position, table } = this.#subscription;
    return position < this.#context.store.resumeFloor(table);
  }

  async #reset(reason: ResetReason): Promise<void> {
    const { sink, group } = this.#subscription;
    this.#announced = false;
    const bytes = group.encoding.reset(reason, this.#context.store.lastSeq);
    if (bytes === undefined) {
      this.#context.expire(this.#subscription);
      return;
    }
    sink.write(bytes);
    await this.#snapshot(Number.POSITIVE_INFINITY);
  }

  /**
   * Records as they were when the snapshot began. One that changes while later pages are read is left out: its change
   * is after the position and comes from the log, so nothing is told twice and nothing is older than what was told.
   */
  async #snapshot(limit: number): Promise<void> {
    const { store } = this.#context;
    const subscription = this.#subscription;
    const { table, id } = subscription;
    const head = store.lastSeq;
    subscription.position = head;
    subscription.inSnapshot = true;
    if (id !== undefined) {
      const record = await store.get(table, id);
      if (record !== undefined) await this.#retain([record], head, 1);
      this.#complete = store.lastSeq;
      return;
    }
    let left = limit;
    let after: StoredRecord['id'] | undefined;
    for (let more = true; more && left > 0; ) {
      const room = this.#room();
      if (room !== undefined) await room;
      await this.#context.acquireRead();
      if (!this.#isActive()) return;
      const size = this.#pageSize;
      const records = await store.page(table, after, size);
      const { taken, written } = await this.#retain(records, head, left);
      more = taken < records.length || records.length === size;
      after = records[taken - 1]?.id ?? after;
      left -= written;
    }
    // Records that were changed or removed meanwhile are not in it: what became of them has to be told before `ready`.
    this.#complete = store.lastSeq;
  }

  /** The first records of a list in its order; one that changes meanwhile comes from the log, as below. */
  async #firstOf(query: ListQuery): Promise<void> {
    const { store } = this.#context;
    const subscription = this.#subscription;
    const head = store.lastSeq;
    subscription.position = head;
    subscription.inSnapshot = true;
    let records = await store.records(subscription.table, query);
    this.#complete = store.lastSeq;
    while (records.length > 0) {
      const room = this.#room();
      if (room !== undefined) await room;
      if (!this.#isActive()) return;
      const { taken } = await this.#retain(records, head, records.length);
      records = records.slice(taken);
    }
  }

  /** Writes what is for the subscription, up to `limit` records and as much as the sink may hold. */
  async #retain(
    records: readonly StoredRecord[],
    head: number,
    limit: number,
  ): Promise<{ taken: number; written: number }> {
    const { group } = this.#subscription;
    const { selection } = group;
    const related = await readAll(selection, records, (record) => relatedOfRecord(selection, record));
    const frames: Buffer[] = [];
    let bytes = 0;
    let taken = 0;
    for (const record of records) {
      if (frames.length >= limit || bytes > this.#context.clientBuffer) break;
      const frame = record.seq > head ? undefined : selectRecord(selection, record, related?.[taken]);
      taken++;
      const encoded = frame && group.encoding.frame(frame);
      if (encoded === undefined) continue;
      frames.push(encoded);
      bytes += encoded.length;
    }
    this.#write(frames, bytes);
    return { taken, written: frames.length };
  }

  async #readLog(): Promise<void> {
    const { store, clientBuffer } = this.#context;
    const subscription = this.#subscription;
    const { table, id, group, suppressedSeqs: muted } = subscription;
    const head = store.lastSeq;
    const size = this.#pageSize;
    const changes = await store.readLog(table, subscription.position, size, id);
    // Entries may have been trimmed while it waited for its turn: then the page has a gap, and `run` resets.
    if (subscription.position < store.resumeFloor(table)) return;
    const reading = readAll(group.selection, changes, (change) => relatedOfChange(group.selection, change));
    const related = reading && (await reading);
    const frames: Buffer[] = [];
    let bytes = 0;
    let taken = 0;
    for (const change of changes) {
      if (bytes > clientBuffer) break;
      subscription.position = change.seq;
      // A record that changed during the snapshot was left out of it.
      const whole = change.seq <= this.#complete;
      const frame = muted?.delete(change.seq) ? undefined : group.encode(change, { whole, related: related?.[taken] });
      taken++;
      if (frame !== undefined) bytes += frames[frames.push(frame) - 1]?.length ?? 0;
    }
    if (taken === changes.length && taken < size) subscription.position = Math.max(subscription.position, head);
    this.#write(frames, bytes);
  }

  /** Pages get smaller where records are large, so that one page does not fill the memory. */
  #write(frames: readonly Buffer[], bytes: number): void {
    if (frames.length === 0) return;
    const fitting = Math.floor((this.#context.clientBuffer * frames.length) / Math.max(1, bytes));
    this.#subscription.group.pageSize = Math.max(1, fitting);
    if (this.#isActive()) this.#subscription.sink.write(Buffer.concat(frames));
  }

  get #pageSize(): number {
    return Math.min(this.#context.page, this.#subscription.group.pageSize);
  }

  #isActive(): boolean {
    return this.#subscription.state === 'behind' && this.#context.isOpen();
  }

  /** Waits for its turn, where the sink is shared, and until the sink has room; undefined to go on at once. */
  #room(): Promise<void> | undefined {
    const { lane } = this.#subscription.sink;
    if (lane === undefined) return this.#isFull() ? this.#drain() : undefined;
    this.#leaveLane();
    const turn = lane.enter();
    if (turn === undefined) this.#hasLane = true;
    return turn === undefined && !this.#isFull() ? undefined : this.#turnAndRoom(turn);
  }

  async #turnAndRoom(turn: Promise<void> | undefined): Promise<void> {
    await turn;
    this.#hasLane = true;
    await this.#drain();
  }

  #leaveLane(): void {
    if (!this.#hasLane) return;
    this.#hasLane = false;
    this.#subscription.sink.lane?.leave();
  }

  #isFull(): boolean {
    return this.#subscription.sink.pending > this.#context.clientBuffer;
  }

  /** Waits until the sink has room or the subscription has ended. */
  async #drain(): Promise<void> {
    while (this.#isActive() && this.#isFull()) {
      await this.#context.waitForDrain(this.#subscription);
    }
  }
}

/** Reads the related records of several records or changes; undefined, and at once, where the selection has none. */
function readAll<T>(
  { readRelated }: Selection,
  items: readonly T[],
  read: (item: T) => Awaitable<string> | undefined,
): Promise<readonly (string | undefined)[]> | undefined {
  return readRelated === undefined ? undefined : Promise.all(items.map(read));
}
