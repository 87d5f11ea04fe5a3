import { type GroupTotals, resultOf } from '../../query/index.ts';
import type { Frame } from '../encode.ts';
import type { GroupState, ResultRow, TotalsQuery } from './group-state.ts';

/** Results that meet `having`, in order, and the window of them that clients have. */
export class ResultRows {
  readonly #query: TotalsQuery;
  readonly #rows: ResultRow[];

  /** Makes the results of groups. */
  constructor(query: TotalsQuery, groups: Iterable<GroupState>) {
    this.#query = query;
    this.#rows = [];
    for (const group of groups) {
      group.row = this.#rowOf(group);
      if (group.row !== undefined) this.#rows.push(group.row);
    }
    this.#rows.sort((one, other) => query.compare(one.position, other.position));
  }

  /** The window, in order. */
  get window(): readonly ResultRow[] {
    const { offset, limit } = this.#query;
    return this.#rows.slice(offset, offset + limit);
  }

  /** Makes the frames for a group whose totals have changed: at most one result leaves, and at most one comes in, besides its own. */
  update(group: GroupState, seq: number): readonly Frame[] {
    const old = group.row;
    const now = this.#rowOf(group);
    if (old?.json === now?.json) return [];
    group.row = now;
    const before = this.#ends();
    const from = old && this.#indexOf(old);
    if (old !== undefined) this.#rows.splice(this.#place(old), 1);
    if (now !== undefined) this.#rows.splice(this.#place(now), 0, now);
    const to = now && this.#indexOf(now);
    const after = this.#ends();
    const frames: Frame[] = [];
    if (from !== undefined && to === undefined) frames.push(this.#gone(group, old as ResultRow, seq));
    if (from === undefined) {
      const left = before.find((row) => row !== old && this.#indexOf(row) === undefined);
      if (left !== undefined) frames.push(this.#deletion(left, seq, 'window'));
    }
    if (to !== undefined)
      frames.push(update(now as ResultRow, { seq, at: to, op: from === undefined ? 'create' : 'update' }));
    else {
      const come = after.find((row) => row !== now && !this.#wasIn(row, before));
      if (come !== undefined)
        frames.push({ ...update(come, { seq, at: this.#indexOf(come) as number, op: 'update' }), reason: 'window' });
    }
    return frames;
  }

  /** First and last result of the window; none when it is empty. */
  #ends(): readonly ResultRow[] {
    const { offset, limit } = this.#query;
    const last = Math.min(this.#rows.length, offset + limit) - 1;
    return last < offset ? [] : [this.#rows[offset] as ResultRow, this.#rows[last] as ResultRow];
  }

  #wasIn({ position }: ResultRow, [first, last]: readonly ResultRow[]): boolean {
    const { compare } = this.#query;
    if (first === undefined || last === undefined) return false;
    return compare(position, first.position) >= 0 && compare(position, last.position) <= 0;
  }

  #gone(group: GroupState, row: ResultRow, seq: number): Frame {
    if (isEmpty(group.totals, this.#query)) return { ...this.#deletion(row, seq, 'empty'), op: 'delete' };
    return this.#deletion(row, seq, group.row === undefined ? 'having' : 'window');
  }

  #deletion({ id, result }: ResultRow, seq: number, reason: 'empty' | 'having' | 'window'): Frame {
    const key = Object.fromEntries(this.#query.aggregate.group.map(({ name }) => [name, result[name] ?? null]));
    return { type: 'Delete', op: 'update', id, data: JSON.stringify(key), seq, reason };
  }

  #rowOf({ id, totals }: GroupState): ResultRow | undefined {
    const { aggregate, isShown, positionOf } = this.#query;
    if (isEmpty(totals, this.#query)) return undefined;
    const result = resultOf(aggregate, totals);
    return isShown(result) ? { id, json: JSON.stringify(result), result, position: positionOf(result) } : undefined;
  }

  /** Index in the window; undefined outside. */
  #indexOf(row: ResultRow): number | undefined {
    const { offset, limit } = this.#query;
    const index = this.#place(row);
    return this.#rows[index] === row && index >= offset && index < offset + limit ? index - offset : undefined;
  }

  /** Index of the first result at the position or behind it. */
  #place({ position }: ResultRow): number {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#query.compare((this.#rows[middle] as ResultRow).position, position) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** True for a group without records; without `group` there is always one. */
export function isEmpty({ count }: GroupTotals, { aggregate }: TotalsQuery): boolean {
  return count === 0 && aggregate.group.length > 0;
}

function update(
  { id, json }: ResultRow,
  { seq, at, op }: { readonly seq: number; readonly at: number; readonly op: 'create' | 'update' },
): Frame {
  return { type: 'Update', op, id, data: json, seq, at };
}
