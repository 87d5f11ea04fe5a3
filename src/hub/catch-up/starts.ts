import { settleRelated } from '../../store/rows/related.ts';
import type { StoredRecord } from '../../store/store.ts';
import { parseRecord } from '../change-view.ts';
import { WindowLostError } from '../dependencies/keys.ts';
import { type ShownAt, shownJson } from '../dependencies/shown.ts';
import { type Frame, makeRetained, type ResetReason } from '../encode.ts';
import { readAll, relatedOfRecord, type Selection, selectRecord } from '../selection.ts';
import type { OpenedState, SharedState } from '../shared-state.ts';
import type { Subscription } from '../subscription.ts';
import type { CatchUpContext, Start } from './context.ts';
import { openCount } from './followed-log.ts';
import type { LogFrames } from './log-frames.ts';
import type { Outlet } from './outlet.ts';

/** Subscription that catches up, and how far it has come. */
export interface CatchingUp {
  readonly context: CatchUpContext;
  readonly subscription: Subscription;
  readonly outlet: Outlet;
  readonly log: LogFrames;
  /** True once `ready` was sent: the client does not need another one. */
  announced: boolean;
  /** Position from which on the snapshot, which was read while writes went on, is the whole state. */
  completeAt: number;
  /** Position up to which the log is read before `ready` of a subscription without a snapshot. */
  readTo: number;
}

/** Start of a subscription: what comes before the log. */
interface Beginning {
  /** Sends it. Undefined when nothing is to be waited for. */
  begin(): Promise<void> | undefined;
}

/** Begins a subscription. Undefined when nothing is to be waited for. */
export function begin(to: CatchingUp, start: Start): Promise<void> | undefined {
  return startOf(to, start)?.begin();
}

function startOf(to: CatchingUp, start: Start): Beginning | undefined {
  switch (start.from) {
    case 'now':
      return new NowStart(to);
    case 'snapshot':
      return snapshotOf(to);
    case 'position':
      return new PositionStart(to);
    case 'reset':
      return new ResetStart(to, start.reason);
    case 'behind':
      return undefined;
  }
}

function snapshotOf(to: CatchingUp): Beginning {
  const { followed } = to.subscription.group;
  return followed === undefined ? new RecordsSnapshot(to) : new StateSnapshot(to, followed);
}

/**
 * Begins with the position that this server knows, so that nothing committed from now on is missed, and reads on to that of
 * the database, which other servers may have moved.
 */
class NowStart implements Beginning {
  readonly #to: CatchingUp;

  constructor(to: CatchingUp) {
    this.#to = to;
  }

  begin(): Promise<void> | undefined {
    const { store } = this.#to.context;
    this.#to.subscription.position = store.lastSeq;
    const current = store.currentSeq();
    if (typeof current === 'number') return undefined;
    return current.then((seq) => {
      this.#to.readTo = seq;
    });
  }
}

/** Checks a client's position, which may be of another database, or of a state of this one that was replaced by a backup. */
class PositionStart implements Beginning {
  readonly #to: CatchingUp;

  constructor(to: CatchingUp) {
    this.#to = to;
  }

  begin(): Promise<void> | undefined {
    const { context, subscription, outlet } = this.#to;
    const known = context.store.wasIssued(subscription.position);
    const reset = () => new ResetStart(this.#to, 'position_unknown').begin();
    if (typeof known === 'boolean') return known ? undefined : reset();
    return known.then((isKnown) => (isKnown || !outlet.isActive ? undefined : reset()));
  }
}

/** Tells the client to forget its state, and sends all of it again. */
export class ResetStart implements Beginning {
  readonly #to: CatchingUp;
  readonly #reason: ResetReason;

  constructor(to: CatchingUp, reason: ResetReason) {
    this.#to = to;
    this.#reason = reason;
  }

  async begin(): Promise<void> {
    const { context, subscription, log } = this.#to;
    this.#to.announced = false;
    log.drop();
    subscription.openSince = undefined;
    const bytes = subscription.group.encoding.reset(this.#reason, context.store.lastSeq);
    if (bytes === undefined) {
      context.expire(subscription);
      return;
    }
    subscription.sink.write(bytes);
    await snapshotOf(this.#to).begin();
  }
}

/**
 * Sends records as they were when the snapshot began. A record that changes while later pages are read is left out: its
 * change is after the position and comes from the log, so nothing is sent twice or after a newer state.
 */
class RecordsSnapshot implements Beginning {
  readonly #to: CatchingUp;

  constructor(to: CatchingUp) {
    this.#to = to;
  }

  async begin(): Promise<void> {
    const { context, subscription } = this.#to;
    const { store } = context;
    const { table, id, group } = subscription;
    const lastSeq = store.lastSeq;
    beginSnapshot(subscription, lastSeq);
    if (group.counted !== undefined) await openCount(subscription, group.counted);
    if (id === undefined) {
      if (!(await this.#sendTable(lastSeq))) return;
    } else {
      const record = await store.get(table, id);
      if (record !== undefined) await this.#send([record], lastSeq);
    }
    // Records that were changed or removed meanwhile are not in it: their changes have to be sent before `ready`.
    this.#to.completeAt = await store.currentSeq();
  }

  /** False when the subscription has ended meanwhile. */
  async #sendTable(lastSeq: number): Promise<boolean> {
    const { context, subscription, outlet } = this.#to;
    let after: StoredRecord['id'] | undefined;
    for (let more = true; more; ) {
      const room = outlet.room();
      if (room !== undefined) await room;
      await context.acquireRead();
      if (!outlet.isActive) return false;
      const size = outlet.pageSize;
      const records = await context.store.page(subscription.table, after, size);
      const taken = await this.#send(records, lastSeq);
      more = taken < records.length || records.length === size;
      after = records[taken - 1]?.id ?? after;
    }
    return true;
  }

  async #send(records: readonly StoredRecord[], lastSeq: number): Promise<number> {
    const selected = await selectAll(this.#to, records);
    return writeFrames(this.#to, records.length, (index) => {
      const record = records[index];
      return record === undefined || record.seq > lastSeq ? undefined : selected(record, index);
    });
  }
}

/** Sends what is followed in its order, all as it was at one position. */
class StateSnapshot implements Beginning {
  readonly #to: CatchingUp;
  readonly #state: SharedState;

  constructor(to: CatchingUp, state: SharedState) {
    this.#to = to;
    this.#state = state;
  }

  async begin(): Promise<void> {
    const { context, subscription, outlet } = this.#to;
    const { store } = context;
    beginSnapshot(subscription, store.lastSeq);
    subscription.followed = undefined;
    for (let frames: readonly Frame[] | undefined; ; ) {
      const room = outlet.room();
      if (room !== undefined) await room;
      await context.acquireRead();
      if (!outlet.isActive) return;
      if (frames === undefined) {
        this.#to.completeAt = await store.currentSeq();
        const opened = await this.#state.open(undefined);
        if (opened === undefined) continue;
        subscription.position = opened.position;
        subscription.followed = opened.own;
        frames = await this.#framesOf(opened);
      }
      const waiting: readonly Frame[] = frames;
      frames = waiting.slice(writeFrames(this.#to, waiting.length, (index) => waiting[index]));
      if (frames.length === 0) return;
    }
  }

  async #framesOf({ records, history, position }: OpenedState): Promise<readonly Frame[]> {
    const { selection } = this.#to.subscription.group;
    if (history !== undefined) {
      try {
        return await history.run(() =>
          records.map((record) => shownRecord(selection, record, { history, at: position })),
        );
      } catch (error) {
        if (!(error instanceof WindowLostError)) throw error;
        // Too much to be shown as it was: as it is, and what has changed since the position follows.
      }
    }
    const selected = await selectAll(this.#to, records);
    return records.flatMap((record, index) => selected(record, index) ?? []);
  }
}

function shownRecord(selection: Selection, record: StoredRecord, moment: ShownAt): Frame {
  return { ...makeRetained(record), data: shownJson(selection, parseRecord(record.json), moment) };
}

function beginSnapshot(subscription: Subscription, position: number): void {
  subscription.position = position;
  subscription.inSnapshot = true;
  subscription.counted = undefined;
}

/** Writes frames, as many as the sink may hold; `frame` makes them one by one. Returns how many were taken. */
function writeFrames(
  { context, subscription, outlet }: CatchingUp,
  count: number,
  frame: (index: number) => Frame | undefined,
): number {
  const { encoding } = subscription.group;
  const frames: Buffer[] = [];
  let bytes = 0;
  let taken = 0;
  for (; taken < count && bytes <= context.clientBuffer; taken++) {
    const made = frame(taken);
    const encoded = made && encoding.frame(made);
    if (encoded === undefined) continue;
    frames.push(encoded);
    bytes += encoded.length;
  }
  outlet.write({ frames, bytes });
  return taken;
}

/** Returns the frames of stored records, once what they need of other tables is read. */
async function selectAll(
  { context, subscription }: CatchingUp,
  records: readonly StoredRecord[],
): Promise<(record: StoredRecord, index: number) => Frame | undefined> {
  const { store } = context;
  const { table, group } = subscription;
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
