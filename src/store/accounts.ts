import type { JsonValue } from '../schema/plan.ts';
import type { StorageHealth } from './storage-health.ts';

/** What a person or a program may be asked about in rules: `$auth.<name>`. */
export type Claims = Readonly<Record<string, JsonValue>>;

/** A built-in user as stored. */
export interface User {
  /** A UUIDv7; the `sub` of its tokens. */
  readonly id: string;
  /** As it was written; two names that differ in case alone are the same name. */
  readonly name: string;
  /** With salt and parameters, as `hashPassword` makes it. */
  readonly password: string;
  readonly roles: readonly string[];
  readonly claims: Claims;
  readonly disabled: boolean;
  /** Milliseconds since 1970. */
  readonly created: number;
}

/** An API key as stored: all but the secret, of which there is only the hash. */
export interface ApiKey {
  readonly id: string;
  /** SHA-256 of the secret. */
  readonly hash: Buffer;
  /** For people. */
  readonly name: string;
  readonly sub: string;
  readonly roles: readonly string[];
  readonly claims: Claims;
  readonly created: number;
  /** When it was revoked; undefined while it can be used. */
  readonly revoked: number | undefined;
}

/** One login and the refresh tokens that follow from it, of which the last one alone can be used (RFC 9700 §4.14.2). */
export interface Session {
  readonly id: string;
  readonly userId: string;
  /** SHA-256 of the secret of the token that can be used. */
  readonly hash: Buffer;
  readonly created: number;
  readonly expires: number;
}

export interface UserStore {
  /** Throws CONFLICT when the name is taken. */
  addUser(user: User): void;
  user(id: string): User | undefined;
  userByName(name: string): User | undefined;
  /** In the order of their names. */
  users(): readonly User[];
  setRoles(id: string, roles: readonly string[]): void;
  /** A user that is disabled loses its sessions. */
  setDisabled(id: string, disabled: boolean): void;
  /** Ends the user's sessions. False, and nothing is changed, when the password is no longer `old`, where that is given. */
  setPassword(id: string, password: string, old?: string): boolean;
}

export interface KeyStore {
  addKey(key: ApiKey): void;
  key(id: string): ApiKey | undefined;
  /** In the order in which they were made. */
  keys(): readonly ApiKey[];
  /** False when there is no such key, or it was revoked before. */
  revokeKey(id: string, now: number): boolean;
}

export interface Rotation {
  readonly old: Buffer;
  readonly next: Buffer;
  /** What the next token was made of, beside the old one. */
  readonly nonce: Buffer;
  readonly expires: number;
  readonly now: number;
  /** Milliseconds for which the old token may come again. */
  readonly grace: number;
}

/** What became of a refresh token that was shown. */
export type RotationOutcome =
  | { readonly outcome: 'rotated' | 'reused'; readonly userId: string }
  /** It came again soon after `at`, when it was exchanged, and the token that it was exchanged for was not used yet. */
  | { readonly outcome: 'repeated'; readonly userId: string; readonly nonce: Buffer; readonly at: number };

export interface SessionStore {
  /**
   * False, and nothing is stored, when the user is disabled or has another password than `password` by now. The oldest
   * sessions of the user beyond `most` end.
   */
  openSession(session: Session, password: string, most: number): boolean;
  /**
   * Puts the next token in the place of the old one. The one before the last is `repeated` within the grace, and changes
   * nothing; any other token that is not the last one ends its session: `reused`.
   */
  rotateSession(id: string, rotation: Rotation): RotationOutcome | undefined;
  /** The session's user; undefined when there was none. */
  endSession(id: string): string | undefined;
}

/**
 * Users, API keys and sessions of one application, which other processes may change at the same time. Everything throws
 * STORAGE_BUSY while another one writes, and STORAGE_FULL when nothing can be written.
 */
export interface AccountStore extends UserStore, KeyStore, SessionStore {
  /** Calls back after users or keys were changed here, and soon after another process changed anything. */
  onChange(listener: () => void): () => void;
  close(): void;
}

export interface AccountStoreOptions {
  readonly health?: StorageHealth | undefined;
  /** The data directory; it must exist. */
  readonly dir: string;
  /** Milliseconds that a call blocks while another process writes; 0 where nothing may block. */
  readonly busyTimeout: number;
  /** Milliseconds between looks for what other processes changed; undefined when nobody wants to know. */
  readonly poll?: number;
  /** Faults while looking. */
  onError?(error: unknown): void;
}

/** A user's name as it is compared. */
export function foldName(name: string): string {
  return name.normalize('NFKC').toLowerCase();
}
