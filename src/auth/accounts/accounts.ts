import type { JsonValue } from '../../schema/plan.ts';
import type { Awaitable } from '../../store/store.ts';
import type { Principal } from '../identity.ts';

/** Public data of a built-in user. */
export interface Account {
  /** `sub` of the user's tokens. */
  readonly sub: string;
  readonly name: string;
  readonly roles: readonly string[];
  /** Claims that rules can read besides `sub` and `roles`. */
  readonly claims: Readonly<Record<string, JsonValue>>;
}

/** Users, API keys and stream tickets of one application; each call returns the current state. */
export interface Accounts {
  /** Returns the user; undefined when there is no such user, or it is disabled. */
  account(sub: string): Awaitable<Account | undefined>;
  /**
   * Returns the principal of an API key; undefined when the key is unknown, was revoked, or belongs to a disabled user.
   */
  key(text: string): Awaitable<Principal | undefined>;
  /** Returns the principal of a key that was authenticated before, by its id; undefined as with `key`. */
  keyById(id: string): Awaitable<Principal | undefined>;
  /**
   * Returns the principal of a ticket, with its current rights; undefined when the ticket is not valid. A ticket works
   * once.
   */
  redeemTicket(text: string): Awaitable<Principal | undefined>;
  /** Calls `listener` when one of the above may answer differently than before; returns the function that ends that. */
  onChange(listener: () => void): () => void;
}
