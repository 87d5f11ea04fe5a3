import { isIPv6 } from 'node:net';
import { AppError } from '../../errors.ts';
import type { SharedLogins } from '../../store/accounts.ts';
import type { Awaitable } from '../../store/store.ts';
import { hashSecret } from '../credentials/secrets.ts';

const WINDOW_MS = 60_000;
/** Addresses and names in memory; beyond that the oldest ones are dropped. */
const MAX_KEYS = 100_000;

export interface LoginAttempt {
  /** Takes the attempt back: it was not a failure. */
  withdraw(): Awaitable<void>;
}

/** Counts the failures of the last minute by name: an address, or a user's name. */
export interface LoginThrottle {
  /**
   * Begins an attempt, which counts as a failure until it is withdrawn: otherwise many concurrent attempts would all
   * pass. Throws TOO_MANY_ATTEMPTS, with Retry-After, when one of the names has failed too often.
   */
  begin(...names: readonly string[]): Awaitable<LoginAttempt>;
  /** Counts a failure that cost no work to detect. Returns the failure, or TOO_MANY_ATTEMPTS beyond the limit. */
  count(failure: AppError, ...names: readonly string[]): Awaitable<AppError>;
}

/** Counter of the failures at one server. */
export class MemoryThrottle implements LoginThrottle {
  readonly #limit: number;
  readonly #times = new Map<string, number[]>();

  /** Allows `limit` failures per minute for each name. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  begin(...names: readonly string[]): LoginAttempt {
    const now = performance.now();
    for (const name of names) this.#check(name, now);
    for (const name of names) this.#add(name, now);
    const withdraw = () => {
      for (const name of names) this.#remove(name, now);
    };
    return { withdraw };
  }

  count(failure: AppError, ...names: readonly string[]): AppError {
    try {
      this.begin(...names);
      return failure;
    } catch (tooMany) {
      return tooMany as AppError;
    }
  }

  #check(name: string, now: number): void {
    const times = this.#recent(name, now);
    if (times.length < this.#limit) return;
    throw tooManyAttempts((times[times.length - this.#limit] as number) + WINDOW_MS - now);
  }

  #recent(name: string, now: number): number[] {
    const times = (this.#times.get(name) ?? []).filter((time) => time > now - WINDOW_MS);
    if (times.length === 0) this.#times.delete(name);
    else this.#times.set(name, times);
    return times;
  }

  #add(name: string, now: number): void {
    if (!this.#times.has(name)) this.#makeRoom(now);
    this.#times.set(name, [...(this.#times.get(name) ?? []), now]);
  }

  #remove(name: string, time: number): void {
    const times = this.#times.get(name) ?? [];
    const index = times.indexOf(time);
    if (index >= 0) times.splice(index, 1);
    if (times.length === 0) this.#times.delete(name);
  }

  #makeRoom(now: number): void {
    for (const [name, times] of this.#times) {
      const over = (times.at(-1) ?? 0) <= now - WINDOW_MS;
      if (!over && this.#times.size < MAX_KEYS) return;
      this.#times.delete(name);
    }
  }
}

/** Counter of the failures at all servers of an application. */
export class SharedThrottle implements LoginThrottle {
  readonly #limit: number;
  readonly #store: SharedLogins;
  readonly #purpose: string;
  /** Times until which a name has too many failures, so that further attempts ask nothing of the store. */
  readonly #full = new Map<string, number>();

  /** Allows `limit` failures per minute for each name; counters with different purposes are apart. */
  constructor(limit: number, store: SharedLogins, purpose: string) {
    this.#limit = limit;
    this.#store = store;
    this.#purpose = purpose;
  }

  async begin(...names: readonly string[]): Promise<LoginAttempt> {
    const counted = names.map((name) => hashSecret(`${this.#purpose} ${name}`).toString('base64'));
    for (const name of counted) this.#check(name);
    const begun = await this.#store.beginAttempt(counted, { limit: this.#limit, window: WINDOW_MS });
    if ('wait' in begun) {
      if (this.#full.size >= MAX_KEYS) this.#full.clear();
      this.#full.set(begun.name, performance.now() + begun.wait);
      throw tooManyAttempts(begun.wait);
    }
    // A failure that is not withdrawn counts for a minute.
    return { withdraw: () => this.#store.withdrawAttempt(begun.id).catch(() => {}) };
  }

  async count(failure: AppError, ...names: readonly string[]): Promise<AppError> {
    try {
      await this.begin(...names);
      return failure;
    } catch (error) {
      return error instanceof AppError && error.code === 'TOO_MANY_ATTEMPTS' ? error : failure;
    }
  }

  #check(name: string): void {
    const wait = (this.#full.get(name) ?? 0) - performance.now();
    if (wait > 0) throw tooManyAttempts(wait);
    this.#full.delete(name);
  }
}

function tooManyAttempts(wait: number): AppError {
  const seconds = Math.max(1, Math.ceil(wait / 1000));
  return new AppError('TOO_MANY_ATTEMPTS', `Too many attempts have failed; try again in ${seconds} s.`, {
    headers: { 'retry-after': String(seconds) },
  });
}

/**
 * Returns the unit that is counted as one address: for IPv6 the /64 network, since one client can use all 2^64
 * addresses in it. Connections that are closed already have no address and count together as one.
 */
export function networkOf(ip: string | undefined): string {
  const [address = ''] = (ip ?? 'gone').split('%', 1);
  const mapped = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(address)?.[1];
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address;
  const [head = '', tail = ''] = address.split('::', 2);
  const left = head === '' ? [] : head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  const zeros = address.includes('::') ? Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0') : [];
  const groups = [...left, ...zeros, ...right].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}
