import { timingSafeEqual } from 'node:crypto';
import type { AccountStore, ApiKey, User } from '../../store/accounts.ts';
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

  constructor({ store, tickets, users }: LocalAccountsOptions) {
    this.#store = store;
    this.#tickets = tickets;
    this.#users = users;
    // Registered first: the listeners after it read the accounts again at once.
    store.onChange(() => {
      this.#usersById.clear();
      this.#keysById.clear();
    });
  }

  account(sub: string): Account | undefined {
    const user = this.#user(sub);
    return user === undefined || user.disabled ? undefined : accountOf(user);
  }

  key(text: string): Principal | undefined {
    const secret = parseSecret(KEY_FORM, text);
    if (secret === undefined) return undefined;
    const key = this.#key(secret.id);
    return key !== undefined && timingSafeEqual(key.hash, secret.hash) ? this.#principalOf(key) : undefined;
  }

  keyById(id: string): Principal | undefined {
    const key = this.#key(id);
    return key === undefined ? undefined : this.#principalOf(key);
  }

  /** Returns a new ticket for the principal, and its lifetime in milliseconds. Throws OVERLOADED when too many wait. */
  issueTicket(principal: Principal): { text: string; lifetime: number } {
    return this.#tickets.issue(principal);
  }

  redeemTicket(text: string): Principal | undefined {
    const principal = this.#tickets.redeem(text);
    if (principal === undefined || (principal.expiresAt ?? Number.POSITIVE_INFINITY) <= Date.now()) return undefined;
    if (principal.keyId !== undefined) return this.keyById(principal.keyId);
    // Without built-in users the principal comes from another issuer.
    if (!this.#users) return principal;
    const account = this.account(principal.sub);
    if (account === undefined) return undefined;
    const { sub, name, roles, claims } = account;
    return { ...principal, roles, claims: { ...claims, name, sub, roles } };
  }

  onChange(listener: () => void): () => void {
    return this.#store.onChange(listener);
  }

  #user(sub: string): User | undefined {
    return this.#users ? readCached(this.#usersById, sub, (id) => this.#store.user(id)) : undefined;
  }

  #key(id: string): ApiKey | undefined {
    return readCached(this.#keysById, id, (it) => this.#store.key(it));
  }

  /** Principal of a key; a key that belongs to a user ends with the user. */
  #principalOf({ id, sub, roles, claims, revoked }: ApiKey): Principal | undefined {
    if (revoked !== undefined || this.#user(sub)?.disabled === true) return undefined;
    return { type: 'principal', sub, roles, claims: { ...claims, sub, roles }, expiresAt: undefined, keyId: id };
  }
}

function readCached<T>(known: Map<string, T>, id: string, read: (id: string) => T | undefined): T | undefined {
  const found = known.get(id) ?? read(id);
  if (found === undefined || known.has(id)) return found;
  if (known.size >= MAX_CACHED_ITEMS) known.clear();
  known.set(id, found);
  return found;
}

export function accountOf({ id, name, roles, claims }: User): Account {
  return { sub: id, name, roles, claims };
}
