import { inspect } from 'node:util';

interface Waiter {
  /** Looks at everything that has come, again after each arrival; true when it is satisfied. */
  readonly check: () => boolean;
  readonly fail: (error: Error) => void;
}

/** Milliseconds for what is to come. Long: it is waited for no longer than it takes, on a machine that others use, too. */
export const WAIT = 30_000;

/** What a client has received, in order, and a way to await what has not come yet. */
export class Mailbox<T> {
  readonly items: T[] = [];
  readonly #name: string;
  readonly #waiters = new Set<Waiter>();
  readonly #listeners: ((item: T) => void)[] = [];
  #cursor = 0;
  #end: string | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /** Calls `take` with everything that has come, and with each item to come. */
  each(take: (item: T) => void): void {
    for (const item of this.items) take(item);
    this.#listeners.push(take);
  }

  push(item: T): void {
    this.items.push(item);
    for (const take of this.#listeners) take(item);
    this.#settle();
  }

  /** Nothing more will come: whoever waits is told so at once instead of at its time limit. */
  end(reason: string): void {
    this.#end ??= reason;
    this.#settle();
  }

  /** A new connection feeds the same mailbox. */
  reopen(): void {
    this.#end = undefined;
  }

  /** The first item after the one that the last `next` gave for which `matches` holds; items before it are passed over. */
  next(matches: (item: T) => boolean = () => true, timeout: number = WAIT): Promise<T> {
    return this.#wait(timeout, 'an item', () => {
      for (let index = this.#cursor; index < this.items.length; index += 1) {
        const item = this.items[index] as T;
        if (!matches(item)) continue;
        this.#cursor = index + 1;
        return { value: item };
      }
      return undefined;
    });
  }

  /** Waits until at least `count` items have come and gives all that have come by then. */
  atLeast(count: number, timeout: number = WAIT): Promise<readonly T[]> {
    return this.#wait(timeout, `${count} items`, () =>
      this.items.length >= count ? { value: [...this.items] } : undefined,
    );
  }

  #wait<V>(timeout: number, what: string, find: () => { value: V } | undefined): Promise<V> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        reject(error);
      };
      const waiter: Waiter = {
        check: () => {
          const found = find();
          if (found === undefined) return false;
          clearTimeout(timer);
          resolve(found.value);
          return true;
        },
        fail,
      };
      const timer = setTimeout(() => fail(this.#missing(`${what} did not come within ${timeout} ms`)), timeout);
      this.#waiters.add(waiter);
      this.#settle();
    });
  }

  #settle(): void {
    for (const waiter of [...this.#waiters]) {
      if (waiter.check()) this.#waiters.delete(waiter);
      else if (this.#end !== undefined) waiter.fail(this.#missing(`ended (${this.#end})`));
    }
  }

  #missing(what: string): Error {
    const last = this.items.slice(-10);
    return new Error(
      `${this.#name}: ${what}; ${this.items.length} came, the last of them: ${inspect(last, { depth: 5 })}`,
    );
  }
}
