import { AppError } from '../errors.ts';

/** How many long-lived connections there may be, over all transports. */
export class Admission {
  readonly #limit: number;
  #open = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get open(): number {
    return this.#open;
  }

  /** Throws OVERLOADED when there is no place for another one. */
  check(): void {
    if (this.#open < this.#limit) return;
    throw new AppError(
      'OVERLOADED',
      `There are ${this.#limit} open connections, as many as limits.connections allows.`,
      {
        headers: { 'retry-after': '5' },
      },
    );
  }

  enter(): void {
    this.#open++;
  }

  leave(): void {
    this.#open--;
  }
}
