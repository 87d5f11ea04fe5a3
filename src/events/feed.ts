import type { Change } from '../store/store.ts';

export type FeedListener = (changes: readonly Change[]) => void;

/** Hands committed changes on in seq order, each once. */
export class Feed {
  #head: number;
  readonly #listeners: FeedListener[] = [];

  /** `head` is the log's head at the start: what is at or below it was delivered before. */
  constructor(head: number) {
    this.#head = head;
  }

  /** seq of the last change that was handed on. */
  get head(): number {
    return this.#head;
  }

  listen(listener: FeedListener): void {
    this.#listeners.push(listener);
  }

  /** Takes the changes of one commit. Throws when they are not after everything before: order is an invariant. */
  deliver(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    for (const { seq } of changes) {
      if (seq <= this.#head) throw new Error(`The feed got seq ${seq} after ${this.#head}.`);
      this.#head = seq;
    }
    for (const listener of this.#listeners) listener(changes);
  }
}
