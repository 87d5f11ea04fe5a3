import type { Change, CommitResult } from '../store/store.ts';

/** Notification that the log has grown. */
export interface Bell {
  /** Position of the log before the changes. */
  readonly after: number;
  /** Position of the log now. */
  readonly head: number;
  /** Changes between the two, where the sender has them in memory; a feed that has read up to `after` need not read them. */
  readonly changes?: readonly Change[];
}

/**
 * Connection between the feeds of one log: those of several applications, or of several processes. A bell is only a
 * hint. The log is the truth, so a bell that is lost, doubled or out of order delays a change, and never loses or repeats one.
 */
export interface Bus {
  ring(bell: Bell): void;
  /** Calls back for every bell, including those that this process rings. Returns a function that ends it. */
  listen(listener: (bell: Bell) => void): () => void;
}

/** Bus of feeds in one process: bells arrive synchronously, in order, with their changes. */
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

/** Rings for the changes of a commit, which must have some. */
export function ring(bus: Bus, { changes, after }: CommitResult): void {
  bus.ring({ after, head: changes.at(-1)?.seq ?? after, changes });
}
