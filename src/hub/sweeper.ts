import type { Group } from './group.ts';
import type { Subscription } from './subscription.ts';

/** Milliseconds that one slice may hold the event loop. */
const SLICE = 1;

export interface SweeperOptions {
  /** The most that may wait in a sink; a fuller one is not written to. */
  readonly clientBuffer: number;
  /** The feed's head: everything up to it is in the runs. */
  head(): number;
  /** The subscription cannot be served from the run any more. */
  fellBehind(subscription: Subscription): void;
}

/**
 * Writes to each live socket, in one write, everything since its own position, in slices of bounded time. Frames that
 * arrive while a sweep is under way ride along in it: the busier the server, the more frames per write.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  #queue: Group[] = [];
  #scheduled = false;
  readonly #slice = (): void => this.#runSlice();

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** The group has frames to send. They go out after what is running now, so that the writer is answered first. */
  serve(group: Group): void {
    if (!group.queued) {
      group.queued = true;
      this.#queue.push(group);
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#slice);
  }

  #runSlice(): void {
    const deadline = performance.now() + SLICE;
    const queue = this.#queue;
    let done = 0;
    while (done < queue.length && this.#sweep(queue[done] as Group, deadline)) done++;
    if (done === queue.length) {
      this.#queue = [];
      this.#scheduled = false;
      return;
    }
    // The group that was interrupted goes to the end: a channel with many sockets does not hold up the small ones.
    this.#queue = queue.slice(done + 1);
    this.#queue.push(queue[done] as Group);
    setImmediate(this.#slice);
  }

  /** True when all of the group's live subscriptions have everything. */
  #sweep(group: Group, deadline: number): boolean {
    const { live } = group;
    while (group.unvisited > 0 && live.length > 0) {
      if (group.next >= live.length) group.next = 0;
      const subscription = live[group.next] as Subscription;
      group.unvisited--;
      if (this.#visit(group, subscription)) group.next++;
      if (performance.now() > deadline) return group.unvisited === 0 && this.#finish(group);
    }
    return this.#finish(group);
  }

  #finish(group: Group): boolean {
    group.queued = false;
    group.unvisited = 0;
    group.swept(this.#options.head());
    return true;
  }

  /** False when the subscription left the live ones, so that another has taken its place. */
  #visit(group: Group, subscription: Subscription): boolean {
    const end = group.end;
    if (subscription.cursor >= end) return true;
    if (subscription.cursor < group.base || subscription.sink.pending > this.#options.clientBuffer) {
      this.#options.fellBehind(subscription);
      return false;
    }
    const to = group.writeEnd(subscription.cursor);
    deliver(group, subscription, to);
    if (to < end) group.unvisited = group.live.length;
    return true;
  }
}

function deliver(group: Group, subscription: Subscription, to: number): void {
  let from = subscription.cursor;
  // It may have read the first ones from the log before it joined.
  while (from < to && group.seqAt(from) <= subscription.position) from++;
  subscription.cursor = to;
  if (from === to) return;
  subscription.position = group.seqAt(to - 1);
  if (subscription.muted === undefined || subscription.muted.size === 0) {
    subscription.sink.write(group.join(from, to));
    return;
  }
  for (let cursor = from; cursor < to; cursor++) {
    if (!subscription.muted.delete(group.seqAt(cursor))) subscription.sink.write(group.frameAt(cursor));
  }
}
