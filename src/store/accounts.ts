import type { JsonValue } from '../schema/plan.ts';
import type { StorageHealth } from './storage-health.ts';
import type { Awaitable } from './store.ts';

/** Claims of a user or an API key, which access rules read as `$auth.<name>`. */
export type Claims = Readonly<Record<string, JsonValue>>;

/** Built-in user, as stored. */
export interface User {
  /** UUIDv7; the `sub` of the user's tokens. */
  readonly id: string;
  /** Name as it was given; names that differ only in case are the same. */
  readonly name: string;
  /** Hash with salt and parameters, as returned by `hashPassword`. */
  readonly password: string;
  readonly roles: readonly string[];
  readonly claims: Claims;
  readonly disabled: boolean;
  /** Milliseconds since 1970. */
  readonly created: number;
}

/** API key, as stored: with a hash in place of the secret. */
export interface ApiKey {
  readonly id: string;
  /** SHA-256 of the secret. */
  readonly hash: Buffer;
  /** Label for people. */
  readonly name: string;
  readonly sub: string;
  readonly roles: readonly string[];
  readonly claims: Claims;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** Time of the revocation, in milliseconds since 1970; undefined while the key can be used. */
  readonly revoked: number | undefined;
}

/** Login and the refresh tokens that follow from it, of which only the last one can be used (RFC 9700 §4.14.2). */
export interface Session {
  readonly id: string;
  readonly userId: string;
  /** SHA-256 of the secret of the token that can be used. */
  readonly hash: Buffer;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

export interface UserStore {
  /** Throws CONFLICT when the name is taken. */
  addUser(user: User): Awaitable<void>;
  user(id: string): Awaitable<User | undefined>;
  userByName(name: string): Awaitable<User | undefined>;
  /** Returns all users in the order of their names. */
  users(): Awaitable<readonly User[]>;
  setRoles(id: string, roles: readonly string[]): Awaitable<void>;
  /** Enables or disables a user; disabling ends the user's sessions. */
  setDisabled(id: string, disabled: boolean): Awaitable<void>;
  /** Sets the password and ends the user's sessions. With `old`, returns false and changes nothing when that is not the password any more. */
  setPassword(id: string, password: string, old?: string): Awaitable<boolean>;
}

export interface KeyStore {
  addKey(key: ApiKey): Awaitable<void>;
  key(id: string): Awaitable<ApiKey | undefined>;
  /** Returns all keys in the order of their creation. */
  keys(): Awaitable<readonly ApiKey[]>;
  /** Revokes a key at `now` (milliseconds since 1970). False when there is no such key, or it was revoked before. */
  revokeKey(id: string, now: number): Awaitable<boolean>;
}

export interface Rotation {
  readonly old: Buffer;
  readonly next: Buffer;
  /** Random bytes from which, with the old token, the next one was derived. */
  readonly nonce: Buffer;
  readonly expires: number;
  readonly now: number;
  /** Milliseconds for which the old token is accepted once more. */
  readonly grace: number;
}

/** Outcome of the use of a refresh token. */
export type RotationOutcome =
  | { readonly outcome: 'rotated' | 'reused'; readonly userId: string }
  /** The token was sent again soon after it was exchanged at `at` (milliseconds since 1970), and its successor was not used yet. */
  | { readonly outcome: 'repeated'; readonly userId: string; readonly nonce: Buffer; readonly at: number };

export interface SessionStore {
  /**
   * Stores a session. False, and nothing is stored, when the user is disabled or has another password than `password` by
   * now. The oldest sessions of the user beyond `maxSessions` end.
   */
  openSession(session: Session, password: string, maxSessions: number): Awaitable<boolean>;
  /**
   * Replaces the old token by the next one. The token before the last one is `repeated` within the grace period, and
   * changes nothing; any other token that is not the last one ends its session: `reused`. Undefined when there is no
   * such session.
   */
  rotateSession(id: string, rotation: Rotation): Awaitable<RotationOutcome | undefined>;
  /** Ends a session. Returns the id of its user; undefined when there was no such session. */
  endSession(id: string): Awaitable<string | undefined>;
}

/** Ticket of one use, as stored: with a hash in place of its text. */
export interface StoredTicket {
  readonly id: string;
  readonly sub: string;
  /** JSON text of the principal. */
  readonly principal: string;
  /** Milliseconds. */
  readonly lifetime: number;
}

/** Number of an attempt, or the milliseconds until one of its names may try again. */
export type AttemptOutcome = { readonly id: number } | { readonly wait: number; readonly name: string };

/** State of logins that all servers of an application share. */
export interface SharedLogins {
  /**
   * Stores a ticket; the oldest ones of its principal beyond `maxPerPrincipal` end. False, and nothing is stored, when
   * `maxTickets` wait to be used.
   */
  addTicket(
    ticket: StoredTicket,
    limits: { readonly maxTickets: number; readonly maxPerPrincipal: number },
  ): Promise<boolean>;
  /** Returns the principal of a ticket that has not expired, once. */
  takeTicket(id: string): Promise<string | undefined>;
  /** Counts an attempt of each name, unless one of them has `limit` in the last `window` milliseconds. */
  beginAttempt(
    names: readonly string[],
    bounds: { readonly limit: number; readonly window: number },
  ): Promise<AttemptOutcome>;
  withdrawAttempt(id: number): Promise<void>;
}

/**
 * Users, API keys and sessions of one application, which other processes may change at the same time. Every method
 * throws, or rejects with, STORAGE_BUSY while another process writes, and STORAGE_FULL when nothing can be written.
 */
export interface AccountStore extends UserStore, KeyStore, SessionStore {
  /** State of logins that several servers share; undefined where one process has it in memory. */
  readonly shared?: SharedLogins;
  /** Calls back after this process changed users or keys, and soon after another one changed anything. Returns a function that ends it. */
  onChange(listener: () => void): () => void;
  close(): Awaitable<void>;
}

export interface AccountStoreOptions {
  readonly health?: StorageHealth | undefined;
  /** The data directory; it must exist. */
  readonly dir: string;
  /** Milliseconds for which a call blocks while another process writes; 0 where nothing may block. */
  readonly busyTimeout: number;
  /** Milliseconds between checks for changes of other processes; undefined for no checks. */
  readonly poll?: number;
  /** Receives errors of these checks. */
  onError?(error: unknown): void;
}

/** Returns the form of a user's name in which names are compared. */
export function foldName(name: string): string {
  return name.normalize('NFKC').toLowerCase();
}
