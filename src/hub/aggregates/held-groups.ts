import { AppError } from '../../errors.ts';

/** Groups that all live totals of an application hold together, in memory. */
export class HeldGroups {
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  /** Adds groups that are held from now on, or less than 0 for those that are not any more. */
  add(groups: number): void {
    this.#count += groups;
  }

  /** Throws TOO_MANY_GROUPS when these would be too many besides those that are held. */
  check(groups: number): void {
    if (this.#count + groups <= this.#max) return;
    throw new AppError(
      'TOO_MANY_GROUPS',
      `The live totals of all subscriptions would hold more than ${this.#max} groups. Group by a field with fewer values, or raise limits.held_groups.`,
    );
  }
}
