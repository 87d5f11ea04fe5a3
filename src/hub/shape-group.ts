import type { Awaitable, Change } from '../store/store.ts';
import type { Encoding } from './encode.ts';
import { CUT_BUFFER_BYTES, FanOutBuffer } from './fan-out/buffer.ts';
import { relatedOfChange, type Selection, selectChange } from './selection.ts';
import type { Subscription } from './subscription.ts';

/** What is kept of a run that all live subscriptions have, while others are about to join. */
const KEPT_RUN_BYTES = 256 * 1024;

/** What a group asks of the hub. */
export interface GroupHost {
  /** Live subscriptions have frames to receive. */
  readonly serve: (group: ShapeGroup) => void;
  /** A change could not be encoded: live subscriptions have to read it from the log themselves. */
  readonly failed: (group: ShapeGroup, error: unknown) => void;
}

/**
 * The subscriptions of a channel that get the same bytes: same encoding, same selection. Who is not served from the run
 * in time goes back to the log, and joins the live ones again where the run reaches back to its position.
 */
export class ShapeGroup extends FanOutBuffer<Subscription> {
  readonly encoding: Encoding;
  readonly selection: Selection;
  /** Subscriptions that read the log or a snapshot and will join the live ones. */
  lagging = 0;
  /** How many records or changes fit a subscriber's buffer; a guess until some were seen. */
  pageSize = 16;
  /** The run has every frame of the channel after this seq. */
  #since: number;
  /** One for each frame. */
  #seqs: number[] = [];
  /** Changes whose related records are being read, oldest first. */
  readonly #unread: number[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor(encoding: Encoding, selection: Selection, head: number) {
    super();
    this.encoding = encoding;
    this.selection = selection;
    this.#since = head;
  }

  /**
   * Encodes one change for this group; undefined when the group does not receive it. `whole`: the subscriber does not
   * have the record yet, so that its changed fields alone would mean nothing.
   */
  encode(change: Change, { whole = false, related = '' } = {}): Buffer | undefined {
    const { selection } = this;
    const frame = selectChange(whole && selection.delta ? { ...selection, delta: false } : selection, change, related);
    return frame && this.encoding.frame(frame);
  }

  /** Takes a committed change. Frames that need related records follow when those are read, in order. */
  append(change: Change, host: GroupHost): void {
    if (this.live.length === 0) {
      this.clear(change.seq);
      return;
    }
    const related = relatedOfChange(this.selection, change);
    if (this.#unread.length > 0 || related instanceof Promise) this.#appendLater(change, related, host);
    else this.#append(change, related, host);
  }

  /** Everything up to this seq is in the run, or is not for the group, when the feed is at `head`. */
  settled(head: number): number {
    const [first] = this.#unread;
    return first === undefined ? head : Math.min(head, first - 1);
  }

  #appendLater(change: Change, related: Awaitable<string> | undefined, host: GroupHost): void {
    const read = Promise.resolve(related);
    // It is handled below, but only when the changes before it are done.
    read.catch(() => {});
    this.#unread.push(change.seq);
    this.#last = this.#last
      .then(() => read)
      .then((text) => {
        // Without live subscriptions the run was cleared meanwhile, and those that join read the log.
        if (change.seq > this.#since) this.#append(change, text, host);
      })
      .catch((error: unknown) => {
        this.clear(change.seq);
        host.failed(this, error);
      })
      .then(() => void this.#unread.shift());
  }

  #append(change: Change, related: string | undefined, { serve }: GroupHost): void {
    const frame = this.encode(change, related === undefined ? undefined : { related });
    if (frame === undefined) return;
    this.push(frame);
    this.#seqs.push(change.seq);
    if (this.isTooLong) this.#cut(CUT_BUFFER_BYTES);
    this.remaining = this.live.length;
    serve(this);
  }

  /** True when the run has everything after `position`, so that no log need be read. */
  reaches(position: number): boolean {
    return position >= this.#since;
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
    let from = subscription.cursor;
    // It may have read the first ones from the log before it joined.
    while (from < to && this.seqAt(from) <= subscription.position) from++;
    subscription.cursor = to;
    if (from === to) return;
    subscription.position = this.seqAt(to - 1);
    if (subscription.suppressedSeqs === undefined || subscription.suppressedSeqs.size === 0) {
      subscription.sink.write(this.join(from, to));
      return;
    }
    for (let cursor = from; cursor < to; cursor++) {
      if (!subscription.suppressedSeqs.delete(this.seqAt(cursor))) subscription.sink.write(this.frameAt(cursor));
    }
  }

  /** Called when all live subscriptions have everything: the run is kept only for those about to join. */
  flushed(head: number): void {
    if (this.lagging === 0) this.clear(this.settled(head));
    else this.#cut(KEPT_RUN_BYTES);
  }

  /** Forgets the run; everything up to `head` is out of it. */
  clear(head: number): void {
    if (head > this.#since) this.#since = head;
    if (this.#seqs.length === 0) return;
    this.#seqs = [];
    this.forget();
  }

  #cut(keep: number): void {
    const count = this.drop(keep);
    if (count === 0) return;
    this.#since = this.#seqs[count - 1] as number;
    this.#seqs.splice(0, count);
  }
}
