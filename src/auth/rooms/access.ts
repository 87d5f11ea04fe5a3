import type { AppError } from '../../errors.ts';
import type { Feed } from '../../events/feed.ts';
import { parseRecord } from '../../hub/change-view.ts';
import type { RelatedLimits } from '../../hub/dependencies/related-history.ts';
import { compilePredicate } from '../../query/index.ts';
import { settleRelated } from '../../store/rows/related.ts';
import type { Awaitable, LogReader, RecordReader, RelatedReader } from '../../store/store.ts';
import type { Identity } from '../identity.ts';
import type { Access } from '../policy/access.ts';
import type { MemberRights, RoomAction, RoomDecision, RoomRules } from './rules.ts';
import { type RoomMember, RoomWatches } from './watches.ts';

export interface RoomAccessOptions {
  readonly access: Access;
  readonly rules: RoomRules;
  readonly store: RecordReader & RelatedReader & LogReader;
  readonly feed: Pick<Feed, 'listen'>;
  /** Absent for the defaults of config.yaml. */
  readonly relatedLimits?: RelatedLimits | undefined;
  readonly onError: (error: unknown) => void;
}

/** Decides who may do what with the rooms of an application, on every door that leads to them. */
export class RoomAccess {
  readonly rules: RoomRules;
  readonly #options: RoomAccessOptions;
  readonly #watches: RoomWatches;

  constructor(options: RoomAccessOptions) {
    this.#options = options;
    this.rules = options.rules;
    this.#watches = new RoomWatches({ ...options, judge: (decision) => this.#judge(decision) });
  }

  /** True when the caller may do this with the room now. */
  allows(action: RoomAction, room: string, identity: Identity): Awaitable<boolean> {
    return this.#judge(this.rules.decide(action, room, identity));
  }

  /** Throws FORBIDDEN, or UNAUTHORIZED for an anonymous caller that could authenticate, unless the caller may do this. */
  async check(action: RoomAction, room: string, identity: Identity): Promise<void> {
    if (!(await this.allows(action, room, identity))) throw this.refusal(action, room, identity);
  }

  /**
   * Enters a room with the rights that the caller has in it now. `changed` is called when these become others, within a
   * second of the change of a record that decides, or of `renew`; without `join` the member has left, and nothing follows.
   * Throws as `check` when the caller may not join.
   */
  async enter(room: string, identity: Identity, changed: (rights: MemberRights) => void): Promise<RoomMember> {
    const member = await this.#watches.enter(room, identity, changed);
    if (member === undefined) throw this.refusal('join', room, identity);
    return member;
  }

  refusal(action: RoomAction, room: string, identity: Identity): AppError {
    return this.#options.access.refusalOf(
      `${action} of the room ${JSON.stringify(room.slice(0, 200))}`,
      identity,
      'It is granted by the rules of rooms in config.yaml.',
    );
  }

  /** Number of members that are watched. */
  get members(): number {
    return this.#watches.size;
  }

  close(): void {
    this.#watches.close();
  }

  #judge({ permission, record }: RoomDecision): Awaitable<boolean> {
    if (permission === false) return false;
    if (record === undefined) return permission === true;
    const { table, key } = record;
    if (key === undefined) return false;
    const { store } = this.#options;
    const decide = (stored: Awaited<ReturnType<RecordReader['get']>>): Awaitable<boolean> => {
      if (stored === undefined) return false;
      if (permission === true) return true;
      const found = parseRecord(stored.json);
      return settleRelated(store, table, (related) => compilePredicate(permission)(found, related));
    };
    const stored = store.get(table, key);
    return stored instanceof Promise ? stored.then(decide) : decide(stored);
  }
}
