import { AppError } from '../../errors.ts';
import type { GroupTotals } from '../../query/index.ts';
import { thenOrNow } from '../../runtime/event-loop.ts';
import type { Awaitable } from '../../store/store.ts';
import type { ChangedRecord } from '../change-view.ts';
import { WindowLostError } from '../dependencies/keys.ts';
import type { PastStore, RecordChange } from '../past/past-states.ts';
import type { TotalsQuery } from './group-state.ts';
import { emptyGroup, GroupState } from './group-state.ts';
import { isEmpty } from './result-rows.ts';

/** Smallest and greatest values that are read to find out how totals were; beyond, subscribers get all results again. */
const MAX_READ_ENDS = 100;

/** Totals of all groups at one position. */
export class TotalsState {
  readonly #query: TotalsQuery;
  readonly #groups: Map<string, GroupState>;

  constructor(query: TotalsQuery, groups: Map<string, GroupState>) {
    this.#query = query;
    this.#groups = groups;
  }

  get size(): number {
    return this.#groups.size;
  }

  get groups(): Iterable<GroupState> {
    return this.#groups.values();
  }

  copy(): TotalsState {
    return new TotalsState(this.#query, new Map([...this.#groups].map(([id, group]) => [id, group.copy()])));
  }

  /** Applies changes of records. Returns the groups that they concern, each once. Throws TOO_MANY_GROUPS. */
  apply(changes: readonly RecordChange[]): readonly GroupState[] {
    const concerned = new Set<GroupState>();
    for (const change of changes) for (const group of this.#move(change)) concerned.add(group);
    for (const group of concerned) if (isEmpty(group.totals, this.#query)) this.#groups.delete(group.id);
    const { maxGroups } = this.#query.aggregate;
    if (this.#groups.size > maxGroups) throw tooManyGroups(maxGroups);
    return [...concerned];
  }

  #move({ id, before, after }: RecordChange): readonly GroupState[] {
    const from = before && this.#groupOf(before);
    const to = after && this.#groupOf(after);
    if (from !== undefined && from === to) {
      from.change({ id, before, after });
      return [from];
    }
    from?.change({ id, before, after: undefined });
    to?.change({ id, before: undefined, after });
    return [from, to].filter((group) => group !== undefined);
  }

  /** Reads the ends of groups that have to be read, as they were at a position. Throws, or rejects with, WindowLostError. */
  settle(from: PastStore, groups: Iterable<GroupState>, at: number): Awaitable<void> {
    const stale = [...groups].flatMap((group) => group.stale().map((end) => ({ group, ...end })));
    if (stale.length > MAX_READ_ENDS) throw new WindowLostError();
    const readFrom = (next: number): Awaitable<void> => {
      const end = stale[next];
      if (end === undefined) return;
      const { group, index, extreme } = end;
      const window = () => this.#query.extreme(group.totals.key, index, extreme.end);
      return thenOrNow(
        readEnd(() => extreme.read(from, window, at)),
        () => {
          group.settle(index, extreme);
          return readFrom(next + 1);
        },
      );
    };
    return readFrom(0);
  }

  #groupOf(record: ChangedRecord): GroupState {
    const id = groupId(this.#query, record);
    let group = this.#groups.get(id);
    if (group === undefined) {
      group = emptyGroup(this.#query, id, this.#query.keyOf(record));
      this.#groups.set(id, group);
    }
    return group;
  }
}

/** A list without a usable index is not read: the subscribers get the results again, which an index serves. */
async function unlessTooLarge(read: Promise<void>): Promise<void> {
  try {
    await read;
  } catch (error) {
    throw toLost(error);
  }
}

function readEnd(read: () => Awaitable<void>): Awaitable<void> {
  try {
    const reading = read();
    return reading instanceof Promise ? unlessTooLarge(reading) : reading;
  } catch (error) {
    throw toLost(error);
  }
}

function toLost(error: unknown): unknown {
  return error instanceof AppError && error.code === 'SCAN_TOO_LARGE' ? new WindowLostError() : error;
}

/** Text that names the group of a record: a JSON array of its values. */
export function groupId({ aggregate }: TotalsQuery, record: ChangedRecord): string {
  return JSON.stringify(aggregate.group.map(({ name }) => record[name] ?? null));
}

/** Makes the state from totals of the store. */
export function stateOf(
  query: TotalsQuery,
  totals: readonly GroupTotals[],
  idOf: (group: GroupTotals) => string,
): TotalsState {
  const groups = totals.map((group) => new GroupState(query, idOf(group), group));
  return new TotalsState(query, new Map(groups.map((group) => [group.id, group])));
}

function tooManyGroups(maxGroups: number): AppError {
  return new AppError(
    'TOO_MANY_GROUPS',
    `The query makes more than ${maxGroups} groups. Add a condition, group by a field with fewer values, or raise limits.groups.`,
  );
}
