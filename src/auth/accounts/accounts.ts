import type { JsonValue } from '../../schema/plan.ts';
import type { Principal } from '../identity.ts';

/** A built-in user as others may know it. */
export interface Account {
  /** The `sub` of its tokens. */
  readonly sub: string;
  readonly name: string;
  readonly roles: readonly string[];
  /** What rules may ask beside `sub` and `roles`. */
  readonly claims: Readonly<Record<string, JsonValue>>;
}

/** The users, API keys and stream tickets of one application, as they are at the moment of the call. */
export interface Accounts {
  /** Undefined when there is no such user, or it is disabled. */
  account(sub: string): Account | undefined;
  /** Whose key this is; undefined when it is none, was revoked, or stands for a user that is disabled. */
  key(text: string): Principal | undefined;
  /** The same for the id of a key that was shown before. */
  keyById(id: string): Principal | undefined;
  /** Whose ticket this is, with the rights that he has now. It cannot be used again. */
  redeemTicket(text: string): Principal | undefined;
  /** Calls back when one of the above may answer differently than before; what it returns ends that. */
  onChange(listener: () => void): () => void;
}
