import type { Change } from '../../store/store.ts';
import { advanceTotal } from '../aggregates/shared-totals.ts';
import { ChangeView } from '../change-view.ts';
import type { DependentPart } from '../dependencies/dependency.ts';
import { LoggedFrames, readDependentLog, tablesOf } from '../dependencies/dependent-log.ts';
import { TooMuchRelatedError, WindowLostError } from '../dependencies/keys.ts';
import { type Frame, type ResetReason, withTotal } from '../encode.ts';
import { readAll, relatedOfChange } from '../selection.ts';
import type { StateTracker } from '../shared-state.ts';
import { followLog } from './followed-log.ts';
import type { CatchingUp } from './starts.ts';

/** Log after the position of a subscription, which is read page by page and written to its sink. */
export class LogPages {
  readonly #to: CatchingUp;

  constructor(to: CatchingUp) {
    this.#to = to;
  }

  /** Reads and writes the next page. Returns the reason for which the subscriber gets its state again instead. */
  async read(): Promise<ResetReason | undefined> {
    const { dependent } = this.#to.subscription.group.selection;
    if (dependent !== undefined) return this.#readDependent(dependent);
    await this.#readTable();
    return undefined;
  }

  /** Reads the changes of all tables that the selection looks at. */
  async #readDependent(dependent: DependentPart): Promise<ResetReason | undefined> {
    const { context, subscription, outlet, log, completeAt } = this.#to;
    const { store, clientBuffer } = context;
    const { id, group, suppressedSeqs, position } = subscription;
    const { changes, upTo } = await readDependentLog(store, dependent, { id, after: position, size: outlet.pageSize });
    // Entries may have been trimmed during the wait for this read: then the page has a gap, and the caller resets.
    if (tablesOf(dependent).some((one) => position < store.resumeFloor(one))) return undefined;
    const logged = new LoggedFrames(group.selection, id, { store, from: position, limits: context.relatedLimits });
    try {
      for (const change of changes) {
        if (log.bytes > clientBuffer) {
          this.#write();
          return undefined;
        }
        const { seq } = change;
        const made =
          group.states.length === 0 ? await logged.of(change, seq <= completeAt) : await this.#applied(change, logged);
        subscription.position = seq;
        if (!suppressedSeqs?.delete(seq)) log.add(change, made);
      }
      subscription.position = Math.max(subscription.position, upTo);
    } catch (error) {
      if (error instanceof TooMuchRelatedError) return 'related_changed';
      if (!(error instanceof WindowLostError)) throw error;
      // The state is found out anew at the position.
      subscription.followed = undefined;
    }
    this.#write();
    return undefined;
  }

  /** Applies a change of any table to the states of the subscription; returns its frames. */
  async #applied(change: Change, logged: LoggedFrames): Promise<readonly Frame[]> {
    const { group, followed, counted } = this.#to.subscription;
    const view = new ChangeView(change);
    const effects = await logged.effectsOf(view);
    const isMessage = change.op === 'publish' && change.table === this.#to.subscription.table;
    if (effects.affected.size === 0 && !isMessage) return [];
    const frames =
      followed === undefined || group.followed === undefined
        ? await logged.of(change, change.seq <= this.#to.completeAt)
        : await group.followed.frames(group.selection, view, await followed.advance(view, effects), effects);
    const before = counted?.total;
    await counted?.advance(view, effects);
    const total = counted?.total;
    return withTotal(frames, change, total === before ? undefined : total);
  }

  async #readTable(): Promise<void> {
    const { context, subscription, outlet, log, completeAt } = this.#to;
    const { store, clientBuffer } = context;
    const { table, id, group, suppressedSeqs } = subscription;
    const lastSeq = store.lastSeq;
    const size = outlet.pageSize;
    const changes = await store.readLog(table, subscription.position, size, id);
    const views = changes.map((change) => new ChangeView(change));
    // As above.
    if (subscription.position < store.resumeFloor(table)) return;
    const atEnd = changes.length < size ? lastSeq : undefined;
    const { followed, counted } = subscription;
    if (followed !== undefined) return this.#follow(followed, views, atEnd);
    const reading = readAll(group.selection, views, (view) => relatedOfChange(group.selection, view));
    const related = reading && (await reading);
    let taken = 0;
    for (const view of views) {
      if (log.bytes > clientBuffer) break;
      const { seq } = view.change;
      subscription.position = seq;
      // A record that changed during the snapshot was left out of it.
      const whole = seq <= completeAt;
      const frame = suppressedSeqs?.delete(seq) ? undefined : group.frameOf(view, { whole, related: related?.[taken] });
      taken++;
      const total = counted && advanceTotal(counted, view);
      log.add(view.change, withTotal(frame === undefined ? [] : [frame], view.change, total));
    }
    if (taken === changes.length && atEnd !== undefined) {
      subscription.position = Math.max(subscription.position, atEnd);
    }
    this.#write();
  }

  /** Writes the effects of changes on what is followed. `atEnd`: position after them, when they are the last ones. */
  async #follow(followed: StateTracker, views: readonly ChangeView[], atEnd: number | undefined): Promise<void> {
    const { context, subscription, log } = this.#to;
    const own = { followed, counted: subscription.counted };
    const page = await followLog(subscription.group, own, { views, maxBytes: context.clientBuffer, log });
    const last = views[page.taken - 1]?.change.seq ?? subscription.position;
    const isEnd = page.taken === views.length && atEnd !== undefined;
    subscription.position = isEnd ? Math.max(last, atEnd) : last;
    if (page.isLost) subscription.followed = undefined;
    this.#write();
  }

  /** Writes the frames of the changes that were read, but those of a transaction that others may follow. */
  #write(): void {
    const { subscription, outlet, log } = this.#to;
    const page = log.take(subscription.position);
    const { openSince } = log;
    subscription.openSince = openSince === undefined ? undefined : (subscription.openSince ?? openSince);
    outlet.write(page);
  }
}
