import { timingSafeEqual } from 'node:crypto';
import { thenOrNow } from '../../runtime/event-loop.ts';
import type { AccountStore, ApiKey, User } from '../../store/accounts.ts';
import type { Awaitable } from '../../store/store.ts';
import { KEY_FORM, parseSecret } from '../credentials/secrets.ts';
import type { Tickets } from '../credentials/tickets.ts';
import type { Principal } from '../identity.ts';
import type { Account, Accounts } from './accounts.ts';

export interface LocalAccountsOptions {
  readonly store: AccountStore;
  readonly tickets: Tickets;
  /** True when the application has built-in users; it always has keys. */
  readonly users: boolean;
}

/** Users, and keys, in memory: reading one again costs as much as checking a token. */
const MAX_CACHED_ITEMS = 10_000;

/** Accounts in the application's own store. A change by another process counts as soon as the store reports it. */
export class LocalAccounts implements Accounts {
  readonly #store: AccountStore;
  readonly #usersById = new Map<string, User>();
  readonly #keysById = new Map<string, ApiKey>();
  readonly #tickets: Tickets;
  readonly #users: boolean;
  /** Number of changes so far. */
  #version = 0;

  constructor({ store, tickets, users }: LocalAccountsOptions) {
    this.#store = store;
    this.#tickets = tickets;
    this.#users = users;
    // Registered first: the listeners after it read the accounts again at once.
    store.onChange(() => {
      this.#version++;
      this.#usersById.clear();
      this.#keysById.clear();
    });
  }

  account(sub: string): Awaitable<Account | undefined> {
    return thenOrNow(this.#user(sub), (user) => (user === undefined || user.disabled ? undefined : accountOf(user)));
  }

  key(text: string): Awaitable<Principal | undefined> {
    const secret = parseSecret(KEY_FORM, text);
    if (secret === undefined) return undefined;
    return thenOrNow(this.#key(secret.id), (key) =>
      key !== undefined && timingSafeEqual(key.hash, secret.hash) ? this.#principalOf(key) : undefined,
    );
  }

  keyById(id: string): Awaitable<Principal | undefined> {
    return thenOrNow(this.#key(id), (key) => (key === undefined ? undefined : this.#principalOf(key)));
  }

  /** Returns all users in the order of their names; none without built-in users. */
  users(): Awaitable<readonly User[]> {
    return this.#users ? this.#store.users() : [];
  }

  /** Returns all API keys in the order of their creation, also the revoked ones. */
  keys(): Awaitable<readonly ApiKey[]> {
    return this.#store.keys();
  }

  /** Returns a new ticket for the principal, and its lifetime in milliseconds. Throws OVERLOADED when too many wait. */
  issueTicket(principal: Principal): Awaitable<{ text: string; lifetime: number }> {
    return this.#tickets.issue(principal);
  }

  redeemTicket(text: string): Awaitable<Principal | undefined> {
    return thenOrNow(this.#tickets.redeem(text), (principal) => this.#currentOf(principal));
  }

  onChange(listener: () => void): () => void {
    return this.#store.onChange(listener);
  }

  /** Returns the principal of a ticket with its rights of now; undefined when it has none any more. */
  #currentOf(principal: Principal | undefined): Awaitable<Principal | undefined> {
    if (principal === undefined || (principal.expiresAt ?? Number.POSITIVE_INFINITY) <= Date.now()) return undefined;
    if (principal.keyId !== undefined) return this.keyById(principal.keyId);
    // Without built-in users the principal comes from another issuer.
    if (!this.#users) return principal;
    return thenOrNow(this.account(principal.sub), (account) => {
      if (account === undefined) return undefined;
      const { sub, name, roles, claims } = account;
      return { ...principal, roles, claims: { ...claims, name, sub, roles } };
    });
  }

  #user(sub: string): Awaitable<User | undefined> {
    return this.#users ? this.#cached(this.#usersById, sub, (id) => this.#store.user(id)) : undefined;
  }

  #key(id: string): Awaitable<ApiKey | undefined> {
    return this.#cached(this.#keysById, id, (it) => this.#store.key(it));
  }

  /** Principal of a key; a key that belongs to a user ends with the user. */
  #principalOf({ id, sub, roles, claims, revoked }: ApiKey): Awaitable<Principal | undefined> {
    if (revoked !== undefined) return undefined;
    return thenOrNow(this.#user(sub), (user) => {
      if (user?.disabled === true) return undefined;
      return { type: 'principal', sub, roles, claims: { ...claims, sub, roles }, expiresAt: undefined, keyId: id };
    });
  }

  #cached<T>(
    known: Map<string, T>,
    id: string,
    read: (id: string) => Awaitable<T | undefined>,
  ): Awaitable<T | undefined> {
    const found = known.get(id);
    if (found !== undefined) return found;
    const version = this.#version;
    return thenOrNow(read(id), (item) => {
      // A value that was read before a change is dropped after it.
      if (item === undefined || version !== this.#version) return item;
      if (known.size >= MAX_CACHED_ITEMS) known.clear();
      known.set(id, item);
      return item;
    });
  }
}

export function accountOf({ id, name, roles, claims }: User): Account {
  return { sub: id, name, roles, claims };
}
