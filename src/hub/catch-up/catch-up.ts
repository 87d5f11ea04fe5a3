import { tablesOf } from '../dependencies/dependent-log.ts';
import type { Subscription } from '../subscription.ts';
import type { CatchUpContext, Start } from './context.ts';
import { hasCount, hasFollowed, openCount } from './followed-log.ts';
import { LogFrames } from './log-frames.ts';
import { LogPages } from './log-pages.ts';
import { Outlet } from './outlet.ts';
import { begin, type CatchingUp, ResetStart } from './starts.ts';

/**
 * Brings a subscription from its position to the live ones: snapshot, resume, slow client and restart are this one
 * loop. It reads a page, writes it, waits for the socket, and joins when the fan-out buffer reaches back to its position.
 */
export class CatchUp {
  readonly #it: CatchingUp;
  readonly #pages: LogPages;
  #rewinds: number;

  constructor(context: CatchUpContext, subscription: Subscription, start: Start) {
    const outlet = new Outlet(context, subscription);
    const log = new LogFrames(subscription.group.encoding);
    const announced = start.from === 'behind';
    this.#it = { context, subscription, outlet, log, announced, completeAt: 0, readTo: 0 };
    this.#pages = new LogPages(this.#it);
    this.#rewinds = context.rewinds();
  }

  async run(start: Start): Promise<void> {
    try {
      await this.#run(start);
    } finally {
      this.#it.outlet.close();
    }
  }

  async #run(start: Start): Promise<void> {
    const { context, subscription, outlet } = this.#it;
    const begun = begin(this.#it, start);
    if (begun !== undefined) await begun;
    while (outlet.isActive) {
      // Before joining too: a full socket would lag again at once.
      const room = outlet.room();
      if (room !== undefined) await room;
      if (!outlet.isActive) return;
      if (this.#rewinds !== context.rewinds()) {
        this.#rewinds = context.rewinds();
        await new ResetStart(this.#it, 'position_unknown').begin();
      }
      if (!outlet.isActive) return;
      if (this.#isTrimmed()) await new ResetStart(this.#it, 'position_trimmed').begin();
      if (!outlet.isActive) return;
      if (!hasFollowed(subscription, this.#it.completeAt) || !this.#hasCount()) {
        await this.#openStates();
        continue;
      }
      if (this.#canJoin) {
        subscription.inSnapshot = false;
        if (!this.#it.announced) this.#announce();
        context.join(subscription);
        return;
      }
      await context.acquireRead();
      if (!outlet.isActive) return;
      const lost = await this.#pages.read();
      if (lost !== undefined && outlet.isActive) await new ResetStart(this.#it, lost).begin();
    }
  }

  /** True when the buffer has everything that the subscription lacks; a transaction that it has begun with is read to its end. */
  get #canJoin(): boolean {
    const { subscription, completeAt, readTo, log } = this.#it;
    const { position, group } = subscription;
    return position >= Math.max(completeAt, readTo) && log.openSince === undefined && group.reaches(position);
  }

  #announce(): void {
    const { sink, group, position, counted } = this.#it.subscription;
    const bytes = group.encoding.ready(position, counted?.total);
    if (bytes !== undefined) sink.write(bytes);
  }

  /** True when entries after the position are past retention. */
  #isTrimmed(): boolean {
    const { context, subscription } = this.#it;
    const { position, table, group } = subscription;
    const { dependent } = group.selection;
    const tables = dependent === undefined ? [table] : tablesOf(dependent);
    return tables.some((one) => position < context.store.resumeFloor(one));
  }

  /** Reads what is followed as it was at the position; sends the present state where too much has changed since. */
  async #openStates(): Promise<void> {
    const { context, subscription, outlet, completeAt } = this.#it;
    const { followed, counted } = subscription.group;
    await context.acquireRead();
    if (!outlet.isActive) return;
    if (followed !== undefined && !hasFollowed(subscription, completeAt)) {
      const opened = await followed.open(subscription.position);
      if (!outlet.isActive) return;
      if (opened === undefined) return new ResetStart(this.#it, followed.lostReason).begin();
      subscription.followed = opened.own;
    }
    if (counted === undefined || this.#hasCount() || (await openCount(subscription, counted))) return;
    if (outlet.isActive) await new ResetStart(this.#it, counted.lostReason).begin();
  }

  /** The number of records at `ready` is that of the position. */
  #hasCount(): boolean {
    const { subscription, completeAt, announced } = this.#it;
    return hasCount(subscription, { completeAt, isAnnounced: announced });
  }
}
