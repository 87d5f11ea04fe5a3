import { thenOrNow } from '../runtime/event-loop.ts';
import type { Awaitable, Change } from '../store/store.ts';
import type { SharedTotals } from './aggregates/shared-totals.ts';
import type { ChangeView } from './change-view.ts';
import { type Encoding, encodeChange, type Frame, withTotal } from './encode.ts';
import { CUT_BUFFER_BYTES, FanOutBuffer } from './fan-out/buffer.ts';
import { relatedOfChange, type Selection, selectChange } from './selection.ts';
import type { SharedState } from './shared-state.ts';
import type { SharedSink, Sink, Subscription } from './subscription.ts';
import { TransactionFrames } from './transaction-frames.ts';

/** Bytes of frames that stay in the buffer after all live subscriptions received them, while others are about to join. */
const MAX_FLUSHED_BYTES = 256 * 1024;

interface SelectOptions {
  readonly whole?: boolean;
  readonly related?: string | undefined;
}

/** Receiver of frames that had to be waited for. */
interface LaterAppend<Made> {
  take(made: Made): void;
  readonly host: Pick<GroupHost, 'failed'>;
}

/** States that the subscriptions of a group follow, shared with other groups. */
export interface GroupStates {
  /** Window or totals, instead of single records. */
  readonly followed?: SharedState | undefined;
  /** Number of matching records, besides. */
  readonly counted?: SharedTotals | undefined;
}

/** Calls of a group to the hub. */
export interface GroupHost {
  /** Called when live subscriptions have frames to receive. */
  readonly serve: (group: ShapeGroup) => void;
  /** Called when a group has frames of a transaction: `endTransaction` has to follow its last change. */
  readonly opened: (group: ShapeGroup) => void;
  /** Called when a change could not be encoded: live subscriptions have to read it from the log themselves. */
  readonly failed: (group: ShapeGroup, error: unknown) => void;
}

/**
 * Subscriptions of a channel that receive the same bytes: same encoding, same selection. A subscription that is not
 * served from the buffer in time goes back to the log, and joins again when the buffer reaches back to its position.
 */
export class ShapeGroup extends FanOutBuffer<Subscription> {
  readonly encoding: Encoding;
  readonly selection: Selection;
  /** Set for a group that looks at other tables: the position up to which its changes are done. */
  dependents: { settled(lastSeq: number): number } | undefined;
  readonly followed: SharedState | undefined;
  readonly counted: SharedTotals | undefined;
  readonly states: readonly SharedState[];
  /** Number of subscriptions that read the log or a snapshot and will join the live ones. */
  lagging = 0;
  /** Number of records or changes that fit a subscriber's buffer; a guess until some were written. */
  pageSize = 16;
  /** seq after which the buffer has every frame of the channel. */
  #since: number;
  /** seq of each frame. */
  #seqs: number[] = [];
  /** seqs of changes whose related records are being read, oldest first. */
  readonly #pending: number[] = [];
  #lastAppend: Promise<unknown> = Promise.resolve();
  readonly #transaction: TransactionFrames;
  /** Live subscriptions of connections that take frames once for all of theirs. */
  readonly #sharing = new Map<SharedSink, Set<Subscription>>();
  /** Positions before the transactions of which there are frames here that others follow, by the seq of these frames. */
  readonly #partial = new Map<number, number>();

  constructor(encoding: Encoding, selection: Selection, lastSeq: number, { followed, counted }: GroupStates = {}) {
    super();
    this.encoding = encoding;
    this.selection = selection;
    this.followed = followed;
    this.counted = counted;
    this.states = [followed, counted].filter((state) => state !== undefined);
    this.#since = lastSeq;
    this.#transaction = new TransactionFrames(encoding);
  }

  /**
   * Encodes one change for this group; undefined when the group does not receive it. `whole`: the subscriber does not
   * have the record yet, so the changed fields alone would not be enough.
   */
  encode(view: ChangeView, options?: SelectOptions): Buffer | undefined {
    const frame = this.frameOf(view, options);
    return frame && this.encoding.frame(frame);
  }

  /** Frame of one change for this group; undefined when the group does not receive it. */
  frameOf(view: ChangeView, { whole = false, related = '' }: SelectOptions = {}): Frame | undefined {
    const { selection } = this;
    return selectChange(whole && selection.delta ? { ...selection, delta: false } : selection, view, related);
  }

  /** Appends a committed change. Frames that need related records follow in order, when those were read. */
  append(view: ChangeView, host: GroupHost): void {
    if (this.live.length === 0) {
      this.clear(view.change.seq);
      return;
    }
    if (view.change.transaction !== undefined) {
      this.#appendOfTransaction(view, view.change.transaction, host);
      return;
    }
    if (this.states.length > 0) {
      const frame = thenOrNow(this.#framesOf(view), (frames) => encodeChange(this.encoding, frames));
      this.#appendInOrder(view, frame, host);
      return;
    }
    const related = relatedOfChange(this.selection, view);
    if (related instanceof Promise) {
      const frame = related.then((text) => this.encode(view, { related: text }));
      this.#appendInOrder(view, frame, host);
    } else {
      this.#appendInOrder(view, this.encode(view, related === undefined ? undefined : { related }), host);
    }
  }

  /** Appends the frames of one change, which are one in the buffer: a subscription has all of them or none. */
  appendFrames(
    { seq, transaction }: Change,
    frames: readonly Frame[],
    host: Pick<GroupHost, 'serve' | 'opened'>,
  ): void {
    if (seq <= this.#since) return;
    if (transaction !== undefined) {
      host.opened(this);
      this.#hold(seq, transaction, frames, host);
      return;
    }
    const encoded = encodeChange(this.encoding, frames);
    if (encoded !== undefined) this.#push(seq, encoded, host);
  }

  /** Called after the last change of a transaction: its last frames are known now. */
  endTransaction(host: Pick<GroupHost, 'serve' | 'failed'>): void {
    const release = () => this.#transaction.end((seq, bytes) => this.#push(seq, bytes, host));
    const last = this.#pending.at(-1);
    if (last === undefined) release();
    else this.#appendLater(last, undefined, { take: release, host });
  }

  /** seq up to which everything is in the buffer, or is not for the group, when the feed is at `lastSeq`. */
  settled(lastSeq: number): number {
    const [first] = this.#pending;
    const { heldFrom = lastSeq } = this.#transaction;
    const head = Math.min(heldFrom, this.dependents?.settled(lastSeq) ?? lastSeq);
    return first === undefined ? head : Math.min(head, first - 1);
  }

  #appendOfTransaction(view: ChangeView, transaction: number, host: GroupHost): void {
    const { seq } = view.change;
    host.opened(this);
    const take = (frames: readonly Frame[]) => this.#hold(seq, transaction, frames, host);
    const frames = this.#framesOf(view);
    if (this.#pending.length > 0 || frames instanceof Promise) this.#appendLater(seq, frames, { take, host });
    else take(frames);
  }

  #framesOf(view: ChangeView): Awaitable<readonly Frame[]> {
    const total = this.counted?.advanceTotal(view);
    return thenOrNow(this.#framesWithoutTotal(view), (frames) => withTotal(frames, view.change, total));
  }

  #framesWithoutTotal(view: ChangeView): Awaitable<readonly Frame[]> {
    const { followed } = this;
    if (followed !== undefined)
      return thenOrNow(followed.advance(view), (step) => followed.frames(this.selection, view, step));
    return thenOrNow(relatedOfChange(this.selection, view), (related) => {
      const frame = this.frameOf(view, { related });
      return frame === undefined ? [] : [frame];
    });
  }

  #hold(seq: number, transaction: number, frames: readonly Frame[], host: Pick<GroupHost, 'serve'>): void {
    const { from, transaction: before } = this.#transaction;
    this.#transaction.add(seq, transaction, frames, (partial, bytes) => {
      if (before === transaction) this.#partial.set(partial, from);
      this.#push(partial, bytes, host);
    });
  }

  #appendInOrder({ change: { seq } }: ChangeView, frame: Awaitable<Buffer | undefined>, host: GroupHost): void {
    const take = (bytes: Buffer | undefined) => this.#append(seq, bytes, host);
    if (this.#pending.length > 0 || frame instanceof Promise) this.#appendLater(seq, frame, { take, host });
    else this.#append(seq, frame, host);
  }

  #appendLater<Made>(seq: number, frames: Awaitable<Made>, { take, host }: LaterAppend<Made>): void {
    const made = Promise.resolve(frames);
    // A rejection is handled below, but only when the changes before it are done.
    made.catch(() => {});
    this.#pending.push(seq);
    this.#lastAppend = this.#lastAppend
      .then(() => made)
      .then((result) => {
        // Without live subscriptions the buffer was cleared meanwhile, and those that join read the log.
        if (seq > this.#since) take(result);
      })
      .catch((error: unknown) => {
        this.clear(seq);
        host.failed(this, error);
      })
      .then(() => void this.#pending.shift());
  }

  #append(seq: number, frame: Buffer | undefined, host: GroupHost): void {
    if (frame !== undefined) this.#push(seq, frame, host);
  }

  #push(seq: number, frame: Buffer, { serve }: Pick<GroupHost, 'serve'>): void {
    this.push(frame);
    this.#seqs.push(seq);
    if (this.isTooLong) this.#cut(CUT_BUFFER_BYTES);
    this.remaining = this.live.length;
    serve(this);
  }

  /** True when the buffer has everything after `position`, so that the log need not be read. */
  reaches(position: number): boolean {
    return position >= this.#since && this.states.every((state) => state.reaches(position));
  }

  override add(subscription: Subscription): boolean {
    this.followed?.join(subscription.followed);
    this.counted?.join(subscription.counted);
    subscription.followed = undefined;
    subscription.counted = undefined;
    const { shared } = subscription.sink;
    if (shared !== undefined) {
      const others = this.#sharing.get(shared) ?? new Set();
      this.#sharing.set(shared, others.add(subscription));
    }
    return super.add(subscription);
  }

  override remove(subscription: Subscription): void {
    super.remove(subscription);
    const { shared } = subscription.sink;
    const others = shared && this.#sharing.get(shared);
    others?.delete(subscription);
    if (shared !== undefined && others?.size === 0) this.#sharing.delete(shared);
    if (this.states.length === 0) return;
    for (const state of this.states) state.leave();
    // The next one that joins brings its own state, and has read what is in the buffer or will be from the log.
    const { heldFrom = -1 } = this.#transaction;
    if (this.live.length === 0) this.clear(Math.max(this.#pending.at(-1) ?? 0, this.#seqs.at(-1) ?? 0, heldFrom + 1));
  }

  /** Cursor of the first frame after `position`. */
  cursorAfter(position: number): number {
    let index = this.#seqs.length;
    while (index > 0 && (this.#seqs[index - 1] as number) > position) index--;
    return this.offset + index;
  }

  has(seq: number): boolean {
    return this.seqAt(this.cursorAfter(seq - 1)) === seq;
  }

  seqAt(cursor: number): number {
    return this.#seqs[cursor - this.offset] as number;
  }

  deliver(subscription: Subscription, to: number): void {
    const { shared, takesShared } = subscription.sink;
    const others = shared && takesShared ? this.#sharing.get(shared) : undefined;
    if (shared === undefined || others === undefined) this.#deliverAlone(subscription, to);
    else this.#deliverShared(subscription, to, shared, others);
  }

  /** Delivers to all subscriptions of a connection that lack the same frames, so that it takes these once. */
  #deliverShared(first: Subscription, to: number, shared: SharedSink, others: ReadonlySet<Subscription>): void {
    const from = first.cursor;
    const seq = this.seqAt(from);
    const sinks: Sink[] = [];
    for (const one of others) {
      const { sink, suppressedSeqs } = one;
      if (one.cursor !== from || one.position >= seq || sink.takesShared !== true || suppressedSeqs?.size) continue;
      this.#advance(one, to);
      sinks.push(sink);
    }
    if (sinks.length > 0) shared.write(this.join(from, to), sinks);
    if (first.cursor !== to) this.#deliverAlone(first, to);
  }

  #advance(subscription: Subscription, to: number): void {
    subscription.cursor = to;
    subscription.position = this.seqAt(to - 1);
    const isOpen = subscription.openSince !== undefined || this.#partial.size > 0;
    if (isOpen) subscription.openSince = this.#partial.get(subscription.position);
  }

  #deliverAlone(subscription: Subscription, to: number): void {
    let from = subscription.cursor;
    // The subscription may have read the first ones from the log before it joined.
    while (from < to && this.seqAt(from) <= subscription.position) from++;
    subscription.cursor = to;
    if (from === to) return;
    this.#advance(subscription, to);
    if (subscription.suppressedSeqs === undefined || subscription.suppressedSeqs.size === 0) {
      subscription.sink.write(this.join(from, to));
      return;
    }
    for (let cursor = from; cursor < to; cursor++) {
      if (!subscription.suppressedSeqs.delete(this.seqAt(cursor))) subscription.sink.write(this.frameAt(cursor));
    }
  }

  /** Called when all live subscriptions have everything: frames stay only for those about to join. */
  flushed(lastSeq: number): void {
    if (this.lagging === 0) this.clear(this.settled(lastSeq));
    else this.#cut(MAX_FLUSHED_BYTES);
  }

  /** Removes all frames; the buffer reaches back to `lastSeq` from now on. */
  clear(lastSeq: number): void {
    if (lastSeq > this.#since) this.#since = lastSeq;
    const { heldFrom } = this.#transaction;
    if (heldFrom !== undefined && heldFrom < this.#since) this.#transaction.drop();
    if (this.#seqs.length === 0) return;
    this.#seqs = [];
    this.#partial.clear();
    this.clearFrames();
  }

  #cut(maxBytes: number): void {
    const count = this.drop(maxBytes);
    if (count === 0) return;
    this.#since = this.#seqs[count - 1] as number;
    for (const seq of this.#partial.keys()) if (seq < this.#since) this.#partial.delete(seq);
    this.#seqs.splice(0, count);
  }
}
