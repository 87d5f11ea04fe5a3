import { settleRelated } from '../store/rows/related.ts';
import type { StoredRecord } from '../store/store.ts';
import { advanceTotal } from './aggregates/shared-totals.ts';
import type { CatchUpContext, Start } from './catch-up-context.ts';
import { ChangeView } from './change-view.ts';
import type { DependentPart } from './dependencies/dependency.ts';
import { LoggedFrames, readDependentLog, tablesOf } from './dependencies/dependent-log.ts';
import { TooMuchRelatedError } from './dependencies/keys.ts';
import { type Frame, type ResetReason, withTotal } from './encode.ts';
import { followLog, hasCount, hasFollowed, openCount } from './followed-log.ts';
import { type EncodedFrames, LogFrames } from './log-frames.ts';
import { readAll, relatedOfChange, relatedOfRecord, selectRecord } from './selection.ts';
import type { SharedState, StateTracker } from './shared-state.ts';
import type { Subscription } from './subscription.ts';

/**
 * Brings a subscription from its position to the live ones: snapshot, resume, slow client and restart are this one
 * loop. It reads a page, writes it, waits for the socket, and joins when the fan-out buffer reaches back to its position.
 */
export class CatchUp {
  readonly #context: CatchUpContext;
  readonly #subscription: Subscription;
  readonly #log: LogFrames;
  /** True once `ready` was sent: the client does not need another one. */
  #announced: boolean;
  /** Holds the write lock of a shared sink. */
  #hasLock = false;
  /** Position from which on the snapshot, which was read while writes went on, is the whole state. */
  #completeAt = 0;
  /** Position up to which the log is read before `ready` of a subscription without a snapshot. */
  #readTo = 0;

  constructor(context: CatchUpContext, subscription: Subscription, start: Start) {
    this.#context = context;
    this.#subscription = subscription;
    this.#log = new LogFrames(subscription.group.encoding);
    this.#announced = start.from === 'behind';
  }

  async run(start: Start): Promise<void> {
    try {
      await this.#run(start);
    } finally {
      this.#releaseLock();
    }
  }

  async #run(start: Start): Promise<void> {
    const subscription = this.#subscription;
    const begun = this.#begin(start);
    if (begun !== undefined) await begun;
    while (this.#isActive()) {
      // Before joining too: a full socket would lag again at once.
      const room = this.#room();
      if (room !== undefined) await room;
      if (!this.#isActive()) return;
      if (this.#isTrimmed()) await this.#reset('position_trimmed');
      if (!this.#isActive()) return;
      if (!hasFollowed(subscription, this.#completeAt) || !this.#hasCount()) {
        await this.#openStates();
        continue;
      }
      if (this.#canJoin) {
        subscription.inSnapshot = false;
        if (!this.#announced) this.#announce();
        this.#context.join(subscription);
        return;
      }
      await this.#context.acquireRead();
      const { dependent } = subscription.group.selection;
      if (!this.#isActive()) return;
      if (dependent === undefined) await this.#readLog();
      else await this.#readDependentLog(dependent);
    }
  }

  /** True when the buffer has everything that the subscription lacks; a transaction that it has begun with is read to its end. */
  get #canJoin(): boolean {
    const { position, group } = this.#subscription;
    const end = Math.max(this.#completeAt, this.#readTo);
    return position >= end && this.#log.openSince === undefined && group.reaches(position);
  }

  /** Sends what comes before the log. Undefined when nothing is to be waited for. */
  #begin(start: Start): Promise<void> | undefined {
    switch (start.from) {
      case 'now':
        return this.#now();
      case 'snapshot':
        return this.#snapshot();
      case 'position':
        return this.#checkPosition();
      case 'reset':
        return this.#reset(start.reason);
      case 'behind':
        return undefined;
    }
  }

  /**
   * Begins with the position that this server knows, so that nothing committed from now on is missed, and reads on to that of
   * the database, which other servers may have moved.
   */
  #now(): Promise<void> | undefined {
    const { store } = this.#context;
    this.#subscription.position = store.lastSeq;
    const current = store.currentSeq();
    if (typeof current === 'number') return undefined;
    return current.then((seq) => {
      this.#readTo = seq;
    });
  }

  /** Checks a client's position, which may be of another database, or of a state of this one that was replaced by a backup. */
  #checkPosition(): Promise<void> | undefined {
    const known = this.#context.store.wasIssued(this.#subscription.position);
    if (typeof known === 'boolean') return known ? undefined : this.#reset('position_unknown');
    return known.then((isKnown) => (isKnown || !this.#isActive() ? undefined : this.#reset('position_unknown')));
  }

  #announce(): void {
    const { sink, group, position, counted } = this.#subscription;
    const bytes = group.encoding.ready(position, counted?.total);
    if (bytes !== undefined) sink.write(bytes);
  }

  /** True when entries after the position are past retention. */
  #isTrimmed(): boolean {
    const { position, table, group } = this.#subscription;
    const { dependent } = group.selection;
    const tables = dependent === undefined ? [table] : tablesOf(dependent);
    return tables.some((one) => position < this.#context.store.resumeFloor(one));
  }

  async #reset(reason: ResetReason): Promise<void> {
    const { sink, group } = this.#subscription;
    this.#announced = false;
    this.#log.drop();
    this.#subscription.openSince = undefined;
    const bytes = group.encoding.reset(reason, this.#context.store.lastSeq);
    if (bytes === undefined) {
      this.#context.expire(this.#subscription);
      return;
    }
    sink.write(bytes);
    await this.#snapshot();
  }

  /**
   * Sends records as they were when the snapshot began. A record that changes while later pages are read is left out: its
   * change is after the position and comes from the log, so nothing is sent twice or after a newer state.
   */
  async #snapshot(): Promise<void> {
    const { store } = this.#context;
    const subscription = this.#subscription;
    const { table, id, group } = subscription;
    const lastSeq = store.lastSeq;
    subscription.position = lastSeq;
    subscription.inSnapshot = true;
    subscription.counted = undefined;
    if (group.followed !== undefined) return this.#sendState(group.followed);
    if (group.counted !== undefined) await openCount(subscription, group.counted);
    if (id !== undefined) {
      const record = await store.get(table, id);
      if (record !== undefined) await this.#writeRecords([record], lastSeq);
      this.#completeAt = await store.currentSeq();
      return;
    }
    let after: StoredRecord['id'] | undefined;
    for (let more = true; more; ) {
      const room = this.#room();
      if (room !== undefined) await room;
      await this.#context.acquireRead();
      if (!this.#isActive()) return;
      const size = this.#pageSize;
      const records = await store.page(table, after, size);
      const taken = await this.#writeRecords(records, lastSeq);
      more = taken < records.length || records.length === size;
      after = records[taken - 1]?.id ?? after;
    }
    // Records that were changed or removed meanwhile are not in it: their changes have to be sent before `ready`.
    this.#completeAt = await store.currentSeq();
  }

  /** Sends what is followed in its order, all as it was at one position. */
  async #sendState(state: SharedState): Promise<void> {
    const { store } = this.#context;
    const subscription = this.#subscription;
    subscription.followed = undefined;
    for (let records: readonly StoredRecord[] | undefined; ; ) {
      const room = this.#room();
      if (room !== undefined) await room;
      await this.#context.acquireRead();
      if (!this.#isActive()) return;
      if (records === undefined) {
        this.#completeAt = await store.currentSeq();
        const opened = await state.open(undefined);
        if (opened === undefined) continue;
        subscription.position = opened.position;
        subscription.followed = opened.own;
        records = opened.records;
      }
      records = records.slice(await this.#writeRecords(records, Number.POSITIVE_INFINITY));
      if (records.length === 0) return;
    }
  }

  /** Reads what is followed as it was at the position; sends the present state where too much has changed since. */
  async #openStates(): Promise<void> {
    const subscription = this.#subscription;
    const { group } = subscription;
    await this.#context.acquireRead();
    if (!this.#isActive()) return;
    const { followed } = group;
    if (followed !== undefined && !hasFollowed(subscription, this.#completeAt)) {
      const opened = await followed.open(subscription.position);
      if (!this.#isActive()) return;
      if (opened === undefined) return this.#reset(followed.lostReason);
      subscription.followed = opened.own;
    }
    const { counted } = group;
    if (counted === undefined || this.#hasCount() || (await openCount(subscription, counted))) return;
    if (this.#isActive()) await this.#reset(counted.lostReason);
  }

  /** The number of records at `ready` is that of the position. */
  #hasCount(): boolean {
    return hasCount(this.#subscription, { completeAt: this.#completeAt, isAnnounced: this.#announced });
  }

  /** Writes the records that the subscription selects, as many as the sink may hold. Returns how many were taken. */
  async #writeRecords(records: readonly StoredRecord[], lastSeq: number): Promise<number> {
    const { group } = this.#subscription;
    const selected = await this.#selectAll(records);
    const frames: Buffer[] = [];
    let bytes = 0;
    let taken = 0;
    for (const record of records) {
      if (bytes > this.#context.clientBuffer) break;
      const frame = record.seq > lastSeq ? undefined : selected(record, taken);
      taken++;
      const encoded = frame && group.encoding.frame(frame);
      if (encoded === undefined) continue;
      frames.push(encoded);
      bytes += encoded.length;
    }
    this.#write({ frames, bytes });
    return taken;
  }

  /** Returns the frames of stored records, once what they need of other tables is read. */
  async #selectAll(
    records: readonly StoredRecord[],
  ): Promise<(record: StoredRecord, index: number) => Frame | undefined> {
    const { store } = this.#context;
    const { table, group } = this.#subscription;
    const { selection } = group;
    if (selection.dependent === undefined) {
      const related = await readAll(selection, records, (record) => relatedOfRecord(selection, record));
      return (record, index) => selectRecord(selection, record, related?.[index]);
    }
    const frames = records.map(async (record) => {
      const text = await settleRelated(store, table, (test) => relatedOfRecord(selection, record, test));
      return settleRelated(store, table, (test) => selectRecord(selection, record, text, test));
    });
    const made = await Promise.all(frames);
    return (_record, index) => made[index];
  }

  /** Reads the changes of all tables that the selection looks at. */
  async #readDependentLog(dependent: DependentPart): Promise<void> {
    const { store, clientBuffer } = this.#context;
    const subscription = this.#subscription;
    const { id, group, suppressedSeqs, position } = subscription;
    const { changes, upTo } = await readDependentLog(store, dependent, { id, after: position, size: this.#pageSize });
    if (this.#isTrimmed()) return;
    const logged = new LoggedFrames(group.selection, id, { store, from: position });
    try {
      for (const change of changes) {
        if (this.#log.bytes > clientBuffer) return this.#writeLog();
        const { seq } = change;
        const made = await logged.of(change, seq <= this.#completeAt);
        subscription.position = seq;
        if (!suppressedSeqs?.delete(seq)) this.#log.add(change, made);
      }
      subscription.position = Math.max(subscription.position, upTo);
    } catch (error) {
      if (!(error instanceof TooMuchRelatedError)) throw error;
      if (this.#isActive()) await this.#reset('related_changed');
      return;
    }
    this.#writeLog();
  }

  async #readLog(): Promise<void> {
    const { store, clientBuffer } = this.#context;
    const subscription = this.#subscription;
    const { table, id, group, suppressedSeqs } = subscription;
    const lastSeq = store.lastSeq;
    const size = this.#pageSize;
    const changes = await store.readLog(table, subscription.position, size, id);
    const views = changes.map((change) => new ChangeView(change));
    // Entries may have been trimmed during the wait for this read: then the page has a gap, and `run` resets.
    if (subscription.position < store.resumeFloor(table)) return;
    const atEnd = changes.length < size ? lastSeq : undefined;
    const { followed, counted } = subscription;
    if (followed !== undefined) return this.#followLog(followed, views, atEnd);
    const reading = readAll(group.selection, views, (view) => relatedOfChange(group.selection, view));
    const related = reading && (await reading);
    let taken = 0;
    for (const view of views) {
      if (this.#log.bytes > clientBuffer) break;
      const { seq } = view.change;
      subscription.position = seq;
      // A record that changed during the snapshot was left out of it.
      const whole = seq <= this.#completeAt;
      const frame = suppressedSeqs?.delete(seq) ? undefined : group.frameOf(view, { whole, related: related?.[taken] });
      taken++;
      const total = counted && advanceTotal(counted, view);
      this.#log.add(view.change, withTotal(frame === undefined ? [] : [frame], view.change, total));
    }
    if (taken === changes.length && atEnd !== undefined) {
      subscription.position = Math.max(subscription.position, atEnd);
    }
    this.#writeLog();
  }

  /** Writes the effects of changes on what is followed. `atEnd`: position after them, when they are the last ones. */
  async #followLog(followed: StateTracker, views: readonly ChangeView[], atEnd: number | undefined): Promise<void> {
    const subscription = this.#subscription;
    const maxBytes = this.#context.clientBuffer;
    const own = { followed, counted: subscription.counted };
    const page = await followLog(subscription.group, own, { views, maxBytes, log: this.#log });
    const last = views[page.taken - 1]?.change.seq ?? subscription.position;
    const isEnd = page.taken === views.length && atEnd !== undefined;
    subscription.position = isEnd ? Math.max(last, atEnd) : last;
    if (page.isLost) subscription.followed = undefined;
    this.#writeLog();
  }

  /** Writes the frames of the changes that were read, but those of a transaction that others may follow. */
  #writeLog(): void {
    const subscription = this.#subscription;
    const page = this.#log.take(subscription.position);
    const { openSince } = this.#log;
    subscription.openSince = openSince === undefined ? undefined : (subscription.openSince ?? openSince);
    this.#write(page);
  }

  /** Writes frames. Pages get smaller where records are large, so that one page does not fill the memory. */
  #write({ frames, bytes }: EncodedFrames): void {
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

  /** Waits for the write lock, where the sink is shared, and until the sink has room; undefined to go on at once. */
  #room(): Promise<void> | undefined {
    const { writeLock: lock } = this.#subscription.sink;
    if (lock === undefined) return this.#isFull() ? this.#drain() : undefined;
    this.#releaseLock();
    const locked = lock.enter();
    if (locked === undefined) this.#hasLock = true;
    return locked === undefined && !this.#isFull() ? undefined : this.#lockAndRoom(locked);
  }

  async #lockAndRoom(locked: Promise<void> | undefined): Promise<void> {
    await locked;
    this.#hasLock = true;
    await this.#drain();
  }

  #releaseLock(): void {
    if (!this.#hasLock) return;
    this.#hasLock = false;
    this.#subscription.sink.writeLock?.leave();
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
