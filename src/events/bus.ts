import type { Change, CommitResult } from '../store/store.ts';

/** Says that the log has grown. */
export interface Bell {
  /** Position of the log before the changes. */
  readonly after: number;
  /** Position of the log now. */
  readonly head: number;
  /** The changes between the two, where the ringer has them at hand; a feed that has read up to `after` need not read them. */
  readonly changes?: readonly Change[];
}

/**
 * Connects the feeds of one log: those of several applications, or of several processes. A bell is only a hint. The log
 * is the truth, so a bell that is lost, doubled or out of order delays a change, and never loses or repeats one.
 */
export interface Bus {
  ring(bell: Bell): void;
  /** Calls back for every bell, also for those that were rung here. Returns a function that ends it. */
  listen(listener: (bell: Bell) => void): () => void;
}

/** The bus of feeds in one process: bells arrive at once, in order, with their changes. */
export class MemoryBus implements Bus {
  readonly #listeners = new Set<(bell: Bell) => void>();

  ring(bell: Bell): void {
    for (const listener of this.#listeners) listener(bell);
  }

  listen(listener: (bell: Bell) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** Rings for the changes of a commit; there must be some. */
export function ring(bus: Bus, { changes, after }: CommitResult): void {
  bus.ring({ after, head: changes.at(-1)?.seq ?? after, changes });
}
