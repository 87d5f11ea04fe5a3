import type { Frame } from '../live/frames.ts';
import { framesOf, type WireMessage } from './messages.ts';

/** Message that one subscription has received. */
interface Received {
  readonly message: WireMessage;
  readonly frames: readonly Frame<unknown>[];
  /** True until the transaction or the change of the message is complete. */
  isOpen: boolean;
}

/** Receives a message for the subscription with this id; `frames` are those of the message. */
export type Deliver = (id: number, message: WireMessage, frames: readonly Frame<unknown>[]) => void;

/**
 * Holds the messages of a transaction until all subscriptions of the connection have theirs, and then hands them on together
 * (PROTOCOL.md §7.3, commits). Messages behind them wait for their turn.
 */
export class CommitBuffer {
  readonly #waiting = new Map<number, Received[]>();
  readonly #deliver: Deliver;

  constructor(deliver: Deliver) {
    this.#deliver = deliver;
  }

  /** Takes a message for the subscriptions that it names. */
  take(message: WireMessage): void {
    const frames = framesOf<unknown>(message);
    const isOpen = message.open === true || message.more === true;
    for (const id of message.s ?? []) {
      const queue = this.#waiting.get(id);
      if (queue !== undefined) queue.push({ message, frames, isOpen });
      else if (isOpen) this.#waiting.set(id, [{ message, frames, isOpen }]);
      else this.#deliver(id, message, frames);
      // The last message of a change, or of a transaction that no other subscription receives.
      if (queue !== undefined && !isOpen) this.#release(message.tx, [id]);
    }
  }

  /** Hands on the messages of a transaction that is complete for all subscriptions. `isFirst` names those to serve first. */
  commit(tx: string | undefined, isFirst: (id: number) => boolean): void {
    const ids = [...this.#waiting.keys()];
    this.#release(tx, [...ids.filter(isFirst), ...ids.filter((id) => !isFirst(id))]);
  }

  /** Drops what waits for a subscription that has ended: the transaction comes again with the next one. */
  forget(id: number): void {
    this.#waiting.delete(id);
  }

  clear(): void {
    this.#waiting.clear();
  }

  #release(tx: string | undefined, ids: readonly number[]): void {
    const due = ids.map((id) => [id, this.#shift(id, tx)] as const);
    for (const [id, released] of due) {
      for (const { message, frames } of released) this.#deliver(id, message, frames);
    }
  }

  /** Removes the messages up to the first one that waits for another transaction. */
  #shift(id: number, tx: string | undefined): readonly Received[] {
    const queue = this.#waiting.get(id) ?? [];
    for (const received of queue) if (received.message.tx === tx) received.isOpen = false;
    const end = queue.findIndex(({ isOpen }) => isOpen);
    const released = queue.splice(0, end < 0 ? queue.length : end);
    if (queue.length === 0) this.#waiting.delete(id);
    return released;
  }
}
