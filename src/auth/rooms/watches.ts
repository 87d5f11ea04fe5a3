import type { Feed } from '../../events/feed.ts';
import { ChangeView } from '../../hub/change-view.ts';
import { affectedRecords } from '../../hub/dependencies/affected.ts';
import { type Dependency, dependentPart, isConcerned, lastOf } from '../../hub/dependencies/dependency.ts';
import { RelatedHistory, type RelatedLimits } from '../../hub/dependencies/related-history.ts';
import type { RelationPlan, TablePlan } from '../../schema/plan.ts';
import type { Awaitable, Change, LogReader, RecordKey, RelatedReader } from '../../store/store.ts';
import type { Identity } from '../identity.ts';
import { filtersOf, type MemberRights, type RoomDecision, type RoomRules } from './rules.ts';

/** Members that are judged again in one turn of the event loop: each may ask the store. */
const MAX_JUDGED_PER_TURN = 100;
/** Milliseconds until a member is judged again whose rights could not be looked up. */
const RETRY_DELAY_MS = 250;

export interface RoomWatchesOptions {
  readonly rules: RoomRules;
  readonly store: RelatedReader & LogReader;
  readonly feed: Pick<Feed, 'listen'>;
  /** Absent for the defaults of config.yaml. */
  readonly relatedLimits?: RelatedLimits | undefined;
  readonly judge: (decision: RoomDecision) => Awaitable<boolean>;
  readonly onError: (error: unknown) => void;
}

/** Member of a room, as the rules see it. */
export class RoomMember {
  readonly room: string;
  readonly changed: (rights: MemberRights) => void;
  identity: Identity;
  rights: MemberRights = { join: false, presence: false };
  join: RoomDecision;
  presence: RoomDecision;
  dependencies: readonly Dependency[] = [];
  /** True until it has entered: nothing is reported yet. */
  isEntering = true;
  isGone = false;
  /** Incremented when what was judged may be out of date. */
  version = 0;
  readonly #watches: RoomWatches;

  constructor(
    watches: RoomWatches,
    { room, identity, changed }: Pick<RoomMember, 'room' | 'identity' | 'changed'>,
    decisions: Pick<RoomMember, 'join' | 'presence'>,
  ) {
    this.#watches = watches;
    this.room = room;
    this.identity = identity;
    this.changed = changed;
    this.join = decisions.join;
    this.presence = decisions.presence;
  }

  /** Follows a newer token, or other roles and claims, of the caller. */
  renew(identity: Identity): void {
    this.#watches.renew(this, identity);
  }

  /** Ends the membership; nothing is reported any more. May be called again. */
  leave(): void {
    this.#watches.leave(this);
  }
}

/** Paths of relations to a table that members depend on, each with how many. */
interface WatchedPath {
  readonly table: TablePlan;
  readonly path: readonly RelationPlan[];
  count: number;
}

/** Members of rooms whose rights depend on records: a change makes those be judged again that it can concern. */
export class RoomWatches {
  readonly #options: RoomWatchesOptions;
  readonly #members = new Map<TablePlan, Map<RecordKey, Set<RoomMember>>>();
  readonly #paths = new Map<TablePlan, Map<string, WatchedPath>>();
  #size = 0;
  #changes: Change[] = [];
  #running: Promise<void> | undefined;
  readonly #outdated = new Set<RoomMember>();
  #isJudging = false;
  #isClosed = false;

  constructor(options: RoomWatchesOptions) {
    this.#options = options;
    options.feed.listen({
      changes: (changes) => this.#take(changes),
      missed: (table) => this.#outdate(table),
      rewound: (tables) => {
        for (const table of tables) this.#outdate(table);
      },
    });
  }

  get size(): number {
    return this.#size;
  }

  /** Resolves with a member whose rights are known; with undefined for a caller that may not join. */
  async enter(
    room: string,
    identity: Identity,
    changed: (rights: MemberRights) => void,
  ): Promise<RoomMember | undefined> {
    const member = new RoomMember(this, { room, identity, changed }, this.#decide(room, identity));
    // Before it is judged, so that no change is missed in between.
    this.#add(member);
    try {
      await this.#judge(member);
    } catch (error) {
      member.leave();
      throw error;
    }
    if (!member.rights.join || member.isGone) {
      member.leave();
      return undefined;
    }
    member.isEntering = false;
    return member;
  }

  renew(member: RoomMember, identity: Identity): void {
    if (member.isGone || member.identity === identity) return;
    this.#remove(member);
    member.identity = identity;
    Object.assign(member, this.#decide(member.room, identity));
    this.#add(member);
    this.#judgeLater([member]);
  }

  leave(member: RoomMember): void {
    if (member.isGone) return;
    member.isGone = true;
    this.#outdated.delete(member);
    this.#remove(member);
  }

  close(): void {
    this.#isClosed = true;
    this.#outdated.clear();
    this.#changes = [];
  }

  #decide(room: string, identity: Identity): Pick<RoomMember, 'join' | 'presence'> {
    const { rules } = this.#options;
    return { join: rules.decide('join', room, identity), presence: rules.decide('presence', room, identity) };
  }

  #add(member: RoomMember): void {
    this.#size++;
    const { join, presence } = member;
    const record = join.record ?? presence.record;
    if (record?.key === undefined) return;
    const { table, key } = record;
    const byKey = this.#members.get(table) ?? new Map<RecordKey, Set<RoomMember>>();
    this.#members.set(table, byKey);
    const members = byKey.get(key) ?? new Set();
    byKey.set(key, members.add(member));
    const part = dependentPart(table, { filters: filtersOf([join, presence]), select: undefined });
    member.dependencies = part?.dependencies ?? [];
    for (const { path } of member.dependencies) {
      const { target } = lastOf(path);
      const paths = this.#paths.get(target) ?? new Map<string, WatchedPath>();
      this.#paths.set(target, paths);
      const name = nameOf(table, path);
      const known = paths.get(name) ?? { table, path, count: 0 };
      known.count++;
      paths.set(name, known);
    }
  }

  #remove(member: RoomMember): void {
    this.#size--;
    const record = member.join.record ?? member.presence.record;
    if (record?.key === undefined) return;
    const { table, key } = record;
    const byKey = this.#members.get(table);
    const members = byKey?.get(key);
    members?.delete(member);
    if (members?.size === 0) byKey?.delete(key);
    if (byKey?.size === 0) this.#members.delete(table);
    for (const { path } of member.dependencies) {
      const { target } = lastOf(path);
      const paths = this.#paths.get(target);
      const name = nameOf(table, path);
      const known = paths?.get(name);
      if (known === undefined) continue;
      known.count--;
      if (known.count === 0) paths?.delete(name);
      if (paths?.size === 0) this.#paths.delete(target);
    }
    member.dependencies = [];
  }

  #take(changes: readonly Change[]): void {
    if (this.#size === 0) return;
    const relevant = changes.filter(
      ({ op, table }) => op !== 'publish' && (this.#members.has(table) || this.#paths.has(table)),
    );
    if (relevant.length === 0) return;
    this.#changes.push(...relevant);
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    while (this.#changes.length > 0 && !this.#isClosed) {
      const changes = this.#changes;
      this.#changes = [];
      const { store, relatedLimits } = this.#options;
      const history = new RelatedHistory(store, (changes[0] as Change).seq - 1, relatedLimits);
      for (const change of changes) await this.#apply(new ChangeView(change), history);
    }
  }

  async #apply(view: ChangeView, history: RelatedHistory): Promise<void> {
    const { table, id } = view.change;
    const own = id === null ? undefined : this.#members.get(table)?.get(id);
    this.#judgeLater(own ?? []);
    for (const { table: start, path } of [...(this.#paths.get(table)?.values() ?? [])]) {
      try {
        const records = await history.run(() => affectedRecords(history, start, path, view));
        for (const key of records.keys()) {
          const members = this.#members.get(start)?.get(key) ?? [];
          this.#judgeLater([...members].filter((member) => dependsOn(member, path, view)));
        }
      } catch {
        // Too many records are concerned, or they cannot be read: all members are looked at.
        this.#outdate(start);
      }
    }
  }

  /** Judges every member again whose rights look at the table. */
  #outdate(table: TablePlan): void {
    const starts = new Set([table, ...[...(this.#paths.get(table)?.values() ?? [])].map((path) => path.table)]);
    for (const start of starts)
      for (const members of this.#members.get(start)?.values() ?? []) this.#judgeLater(members);
  }

  #judgeLater(members: Iterable<RoomMember>): void {
    for (const member of members) {
      member.version++;
      if (!member.isEntering) this.#outdated.add(member);
    }
    if (this.#outdated.size === 0 || this.#isJudging) return;
    this.#isJudging = true;
    setImmediate(() => void this.#judgeAll());
  }

  async #judgeAll(): Promise<void> {
    let left = MAX_JUDGED_PER_TURN;
    for (const member of this.#outdated) {
      this.#outdated.delete(member);
      const before = member.rights;
      try {
        await this.#judge(member);
        this.#report(member, before);
      } catch (error) {
        this.#options.onError(error);
        setTimeout(() => this.#judgeLater(member.isGone ? [] : [member]), RETRY_DELAY_MS).unref();
      }
      if (--left > 0) continue;
      left = MAX_JUDGED_PER_TURN;
      await new Promise(setImmediate);
    }
    this.#isJudging = false;
  }

  #report(member: RoomMember, before: MemberRights): void {
    const { rights } = member;
    if (member.isGone || (rights.join === before.join && rights.presence === before.presence)) return;
    if (!rights.join) this.leave(member);
    member.changed(rights);
  }

  /** Judges a member until nothing has changed meanwhile. */
  async #judge(member: RoomMember): Promise<void> {
    let version: number;
    do {
      version = member.version;
      const join = await this.#options.judge(member.join);
      const presence = join && (await this.#options.judge(member.presence));
      member.rights = { join, presence };
      // A member that has entered is judged again by the turn that the change has asked for.
    } while (version !== member.version && member.isEntering && !member.isGone);
  }
}

function nameOf({ name }: TablePlan, path: readonly RelationPlan[]): string {
  return [name, ...path.map((relation) => relation.name)].join('.');
}

function dependsOn({ dependencies }: RoomMember, path: readonly RelationPlan[], view: ChangeView): boolean {
  const end = lastOf(path);
  return dependencies.some((one) => lastOf(one.path) === end && isConcerned(one, view));
}
