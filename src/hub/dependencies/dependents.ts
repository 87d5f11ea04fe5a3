import type { TablePlan } from '../../schema/plan.ts';
import type { Change, LogReader, RelatedReader } from '../../store/store.ts';
import { type ChangedRecord, ChangeView } from '../change-view.ts';
import type { Channel } from '../channel.ts';
import { type Frame, withTotal } from '../encode.ts';
import type { GroupHost, ShapeGroup } from '../shape-group.ts';
import { type AffectedRecord, affectedRecords, NO_RECORDS, type RelatedEffects } from './affected.ts';
import { DependencyIndex, type DependentGroup, type PathGroups, type RequiringGroups } from './dependency-index.ts';
import { dependentFrames } from './dependent-frames.ts';
import { TooMuchRelatedError, WindowLostError } from './keys.ts';
import { RelatedHistory, type RelatedLimits } from './related-history.ts';

export interface DependentsOptions {
  readonly store: RelatedReader & LogReader;
  /** Absent for the defaults of config.yaml. */
  readonly relatedLimits?: RelatedLimits | undefined;
  /** Called when live subscriptions of the group have frames to receive. */
  serve(group: ShapeGroup): void;
  /** Called when a change was too much for a group: its live subscriptions get their state again. */
  overwhelmed(group: ShapeGroup): void;
  /** Called when the frames of a change could not be made: live subscriptions have to read the log themselves. */
  failed(group: ShapeGroup, error: unknown): void;
  isOpen(): boolean;
}

type AffectedByGroup = Map<DependentGroup, Map<Frame['id'] & (string | number), AffectedRecord>>;

/** Characters of related records that are kept until one of them changes. */
const MAX_KEPT_CHARS = 1024 * 1024;

/**
 * Live subscriptions that look at other tables. They get the changes of all those tables one after the other, in log order,
 * beside the subscriptions that look at one table and wait for nothing.
 */
export class Dependents {
  readonly #options: DependentsOptions;
  readonly #index = new DependencyIndex();
  /** Groups that have frames of the transaction whose changes are being done. */
  readonly #opened = new Set<ShapeGroup>();
  readonly #host: Pick<GroupHost, 'serve' | 'opened' | 'failed'>;
  #waiting: Change[] = [];
  #running: Promise<void> | undefined;
  /** seq before the oldest change that is not done. */
  #done = 0;
  /** Related records, kept from one batch of changes to the next. */
  #history: RelatedHistory | undefined;

  constructor(options: DependentsOptions) {
    this.#options = options;
    const { serve, failed } = options;
    this.#host = { serve, failed, opened: (group) => this.#opened.add(group) };
  }

  add(group: ShapeGroup, channel: Channel): void {
    this.#index.add(group, channel);
  }

  remove(group: ShapeGroup): void {
    this.#index.remove(group);
    if (this.#index.size === 0) this.#history = undefined;
  }

  groupsOn(table: TablePlan): readonly ShapeGroup[] {
    return this.#index.groupsOn(table);
  }

  /** seq up to which the groups have everything, when the feed is at `lastSeq`. */
  settled(lastSeq: number): number {
    return this.#running === undefined ? lastSeq : Math.min(lastSeq, this.#done);
  }

  /** Forgets the related records of a table whose changes are not delivered one by one. */
  missed(table: TablePlan): void {
    this.#history?.forget(table);
  }

  /** Takes committed changes, in order. */
  deliver(changes: readonly Change[]): void {
    if (this.#index.size === 0) return;
    if (this.#history !== undefined) for (const { table } of changes) this.#history.forget(table);
    const relevant = changes.filter(({ table }) => this.#index.has(table));
    if (relevant.length === 0) return;
    this.#waiting.push(...relevant);
    if (this.#running !== undefined) return;
    this.#done = (relevant[0] as Change).seq - 1;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0 && this.#options.isOpen()) {
      const changes = this.#waiting;
      this.#waiting = [];
      const history = this.#historyFrom((changes[0] as Change).seq - 1);
      let transaction: number | undefined;
      for (const change of changes) {
        if (change.transaction !== transaction) this.#endTransaction();
        transaction = change.transaction;
        await this.#apply(new ChangeView(change), history);
        this.#done = change.seq;
      }
      this.#endTransaction();
    }
    this.#running = undefined;
  }

  #historyFrom(from: number): RelatedHistory {
    const known = this.#history;
    if (known !== undefined && known.chars <= MAX_KEPT_CHARS) {
      known.advance(from);
      return known;
    }
    this.#history = new RelatedHistory(this.#options.store, from, this.#options.relatedLimits);
    return this.#history;
  }

  #endTransaction(): void {
    for (const group of this.#opened) group.endTransaction(this.#host);
    this.#opened.clear();
  }

  async #apply(view: ChangeView, history: RelatedHistory): Promise<void> {
    const affected: AffectedByGroup = new Map();
    await this.#addOwn(view, history, affected);
    for (const { end, groups } of this.#index.endsOf(view))
      await this.#addEnd(view, history, { end, groups, affected });
    for (const [{ group }, records] of affected) {
      await this.#guard([group], view.change.seq, async () => {
        if (group.live.length === 0) return group.clear(view.change.seq);
        const frames = await framesOf(group, view, { affected: records, history });
        // Undefined without live subscriptions: those that join read the log.
        if (frames === undefined) group.clear(view.change.seq);
        else group.appendFrames(view.change, frames, this.#host);
      });
    }
  }

  /** Adds the groups of the changed record's own table. */
  async #addOwn(view: ChangeView, history: RelatedHistory, affected: AffectedByGroup): Promise<void> {
    const { groups, requiring } = this.#index.ownGroups(view);
    const { id } = view.change;
    for (const one of requiring) {
      const found = await history
        .run(() => requiringGroups(one, view, history))
        .catch((error: unknown) => {
          // Too many to look them up: each group looks for itself.
          const all = [...one.byValue.values()].flatMap((set) => [...set]);
          if (error instanceof TooMuchRelatedError) return all;
          for (const { group } of all) this.#fail(group, error);
          return [];
        });
      for (const group of found) groups.add(group);
    }
    for (const group of groups) {
      const record = { before: view.before, after: view.after };
      affected.set(group, new Map(id === null || view.change.op === 'publish' ? [] : [[id, record]]));
    }
  }

  /** Adds the groups that look at the changed record, with the records that lead to it. */
  async #addEnd(
    view: ChangeView,
    history: RelatedHistory,
    { end, groups, affected }: { end: PathGroups; groups: ReadonlySet<DependentGroup>; affected: AffectedByGroup },
  ): Promise<void> {
    let records = NO_RECORDS;
    await this.#guard(
      [...groups].map(({ group }) => group),
      view.change.seq,
      async () => {
        records = await history.run(() => affectedRecords(history, end.table, end.path, view));
      },
    );
    for (const entry of records.size === 0 ? [] : groups) {
      const known = affected.get(entry) ?? new Map<string | number, AffectedRecord>();
      for (const [id, record] of records) if (entry.id === undefined || entry.id === id) known.set(id, record);
      if (known.size > 0) affected.set(entry, known);
    }
  }

  async #guard(groups: readonly ShapeGroup[], seq: number, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      for (const group of groups) {
        if (error instanceof TooMuchRelatedError) this.#options.overwhelmed(group);
        else this.#fail(group, error);
        // The buffer has no frames of the change: subscriptions from before it read the log.
        group.clear(seq);
      }
    }
  }

  /** A read that was under way when the hub was closed may have met a store that is closed by now. */
  #fail(group: ShapeGroup, error: unknown): void {
    if (this.#options.isOpen()) this.#options.failed(group, error);
  }
}

/** Makes the frames of a change for a group from its effects; undefined when no live subscription is left. */
async function framesOf(
  { selection, followed, counted, states, live }: ShapeGroup,
  view: ChangeView,
  effects: RelatedEffects,
): Promise<readonly Frame[] | undefined> {
  const { affected, history } = effects;
  if (states.length === 0) return history.run(() => dependentFrames(selection, { view, affected }, history));
  for (;;) {
    if (live.length === 0) return undefined;
    const trackers = states.map(({ tracker }) => tracker);
    // Dropped for another group that shares it.
    if (trackers.includes(undefined)) throw new WindowLostError();
    const step = await followed?.advance(view, effects);
    const frames =
      followed === undefined
        ? await history.run(() => dependentFrames(selection, { view, affected }, history))
        : await followed.frames(selection, view, step, effects);
    const total = await counted?.advanceRelatedTotal(view, effects);
    // Subscriptions that have begun anew meanwhile follow another state, which may not have the change yet.
    if (states.every(({ tracker }, index) => tracker === trackers[index])) return withTotal(frames, view.change, total);
  }
}

/** Groups that require a value which the changed record, or one that it leads to, has or had. */
function requiringGroups(
  { path, field, byValue }: RequiringGroups,
  view: ChangeView,
  history: RelatedHistory,
): ReadonlySet<DependentGroup> {
  const { table, seq, op } = view.change;
  const groups = new Set<DependentGroup>();
  const images = op === 'publish' ? [view.previous, view.after] : [view.before, view.after];
  history.each([0, 1], (index) => {
    const at = index === 0 && op !== 'publish' ? seq - 1 : seq;
    let records: readonly ChangedRecord[] = images[index] === undefined ? [] : [images[index]];
    let owner = table;
    for (const relation of path) {
      const next: ChangedRecord[] = [];
      history.each(records, (record) => void next.push(...history.related(relation, record, { table: owner, at })));
      records = next;
      owner = relation.target;
    }
    for (const record of records) for (const group of byValue.get(record[field.name]) ?? []) groups.add(group);
  });
  return groups;
}
