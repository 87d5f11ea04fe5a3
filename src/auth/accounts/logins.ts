import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import { AppError } from '../../errors.ts';
import { type AccountStore, foldName, type User } from '../../store/accounts.ts';
import type { Awaitable } from '../../store/store.ts';
import {
  type DerivationInput,
  derive,
  makeNextSecret,
  makeSecret,
  parseSecret,
  REFRESH_FORM,
} from '../credentials/secrets.ts';
import type { TokenStamp, Tokens } from '../credentials/tokens.ts';
import type { Account } from './accounts.ts';
import { accountOf } from './local-accounts.ts';
import { type LoginThrottle, networkOf } from './login-throttle.ts';
import type { Passwords } from './passwords.ts';

const RETRY_PAUSE_MS = 20;
const NONCE_BYTES = 32;
/** Characters of a name that are compared; no valid name is as long. */
const MAX_COMPARED_CHARS = 256;

export interface LoginOptions {
  readonly store: AccountStore;
  readonly passwords: Passwords;
  readonly tokens: Pick<Tokens, 'issue'>;
  /** Counter of failed logins. */
  readonly attempts: LoginThrottle;
  /** Counter of sign-ups, successful or not. */
  readonly signups: LoginThrottle;
  /** Milliseconds. */
  readonly accessTokenLifetime: number;
  readonly refreshTokenLifetime: number;
  /** Milliseconds in which an exchanged refresh token is answered with the same tokens again. */
  readonly refreshTokenGrace: number;
  /** Refreshable logins per user. */
  readonly sessionsPerUser: number;
  /** Milliseconds that a login waits while another process writes. */
  readonly busyTimeout: number;
  /** Called when a refresh token was used twice, so that a copy of it exists. Its session has ended. */
  onReuse(userId: string): void;
}

/** Result of a login. */
export interface LoggedIn {
  readonly account: Account;
  readonly accessToken: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly refreshToken: string;
}

/** Password logins of built-in users: sign-up, login, refresh, logout and password change. */
export class Logins {
  readonly #options: LoginOptions;

  constructor(options: LoginOptions) {
    this.#options = options;
  }

  /**
   * Creates a user without roles and logs it in; expects a checked name and password. Throws CONFLICT,
   * TOO_MANY_ATTEMPTS.
   */
  async signUp(name: string, password: string, ip: string): Promise<LoggedIn> {
    const { store, passwords, signups } = this.#options;
    await signups.begin(networkOf(ip));
    const id = uuidv7();
    const user = { id, name, roles: [], claims: {}, disabled: false, created: Date.now() };
    const hashed = { ...user, password: await passwords.hash(password) };
    await this.#whenFree(() => store.addUser(hashed));
    return this.#open(hashed);
  }

  /** Logs a user in. Throws INVALID_CREDENTIALS, which does not say what was wrong, and TOO_MANY_ATTEMPTS. */
  async logIn(name: string, password: string, ip: string): Promise<LoggedIn> {
    return this.#open(await this.#check(() => this.#options.store.userByName(name), name, password, ip));
  }

  /**
   * Exchanges a refresh token, which then cannot be used again. Within the grace period it is answered with the same
   * tokens, for a client that lost the response or sent it from two pages. Throws INVALID_CREDENTIALS,
   * TOO_MANY_ATTEMPTS.
   */
  async refresh(token: string, ip: string): Promise<LoggedIn> {
    const { store, accessTokenLifetime, refreshTokenLifetime, refreshTokenGrace: grace, onReuse } = this.#options;
    const secret = parseSecret(REFRESH_FORM, token);
    if (secret === undefined) throw await this.#refuseToken(ip);
    const { id, hash: old } = secret;
    const fresh = { presented: token, nonce: randomBytes(NONCE_BYTES) };
    const next = makeNextSecret(REFRESH_FORM, id, fresh).hash;
    const now = Date.now();
    const rotation = { old, next, nonce: fresh.nonce, expires: now + refreshTokenLifetime, now, grace };
    const found = await this.#whenFree(() => store.rotateSession(id, rotation));
    if (found?.outcome === 'reused') onReuse(found.userId);
    const user = found === undefined || found.outcome === 'reused' ? undefined : await store.user(found.userId);
    if (found === undefined || user === undefined || user.disabled) throw await this.#refuseToken(ip);
    const from = found.outcome === 'repeated' ? { presented: token, nonce: found.nonce } : fresh;
    const at = found.outcome === 'repeated' && found.at + accessTokenLifetime > now ? found.at : now;
    return this.#issue(user, makeNextSecret(REFRESH_FORM, id, from).text, { at, id: idFrom(from) });
  }

  /** Ends the session of the token, if there is one. */
  async logOut(token: string): Promise<void> {
    const secret = parseSecret(REFRESH_FORM, token);
    if (secret !== undefined) await this.#whenFree(() => this.#options.store.endSession(secret.id));
  }

  /** Changes the password and ends all sessions except the new one. Throws as `logIn`. */
  async changePassword(sub: string, change: { old: string; next: string }, ip: string): Promise<LoggedIn> {
    const { store, passwords } = this.#options;
    const name = (await store.user(sub))?.name ?? '';
    const user = await this.#check(() => store.user(sub), name, change.old, ip);
    const password = await passwords.hash(change.next);
    const changed = await this.#whenFree(() => store.setPassword(user.id, password, user.password));
    if (!changed) throw invalid('The password has been changed meanwhile.');
    return this.#open({ ...user, password });
  }

  /** Returns the user if the password is correct. */
  async #check(find: () => Awaitable<User | undefined>, name: string, password: string, ip: string): Promise<User> {
    const attempt = await this.#options.attempts.begin(
      `login ip ${networkOf(ip)}`,
      `login name ${foldName(name.slice(0, MAX_COMPARED_CHARS))}`,
    );
    try {
      const user = name.length > MAX_COMPARED_CHARS ? undefined : await find();
      const right = await this.#options.passwords.verify(password, user?.password);
      if (user === undefined || !right || user.disabled) throw wrongPassword();
      await attempt.withdraw();
      return user;
    } catch (error) {
      // An error in looking up the user is not a wrong password.
      if (!(error instanceof AppError && error.code === 'INVALID_CREDENTIALS')) await attempt.withdraw();
      throw error;
    }
  }

  /** Opens a session for a user whose password was just verified. */
  async #open(user: User): Promise<LoggedIn> {
    const { store, refreshTokenLifetime, sessionsPerUser } = this.#options;
    const { id, hash, text } = makeSecret(REFRESH_FORM);
    const created = Date.now();
    const session = { id, userId: user.id, hash, created, expires: created + refreshTokenLifetime };
    const opened = await this.#whenFree(() => store.openSession(session, user.password, sessionsPerUser));
    if (!opened) throw wrongPassword();
    return this.#issue(user, text);
  }

  async #issue(user: User, refreshToken: string, stamp?: TokenStamp): Promise<LoggedIn> {
    const { tokens, accessTokenLifetime } = this.#options;
    const account = accountOf(user);
    const { sub, name, roles, claims } = account;
    const subject = { sub, roles, claims: { ...claims, name } };
    const { token, expiresAt } = await tokens.issue(subject, accessTokenLifetime, stamp);
    return { account, accessToken: token, expiresAt, refreshToken };
  }

  async #refuseToken(ip: string): Promise<AppError> {
    // A token cannot be guessed. The count is for clients that try anyway; it does not stop a valid token.
    const failure = invalid('The refresh token is not known, or was used before: log in again.');
    return this.#options.attempts.count(failure, `refresh ip ${networkOf(ip)}`);
  }

  /** Tries again, without blocking the event loop, while another process writes. */
  async #whenFree<T>(write: () => Awaitable<T>): Promise<T> {
    const deadline = performance.now() + this.#options.busyTimeout;
    for (;;) {
      try {
        return await write();
      } catch (error) {
        const busy = error instanceof AppError && error.code === 'STORAGE_BUSY';
        if (!busy || performance.now() > deadline) throw error;
      }
      await pause(RETRY_PAUSE_MS);
    }
  }
}

/** `jti` of the access token that comes with the next refresh token. */
function idFrom(from: DerivationInput): string {
  return derive(from, 'jti').toString('base64url').slice(0, 22);
}

/** Uses the same sentence for every reason, so that an attacker learns nothing from it. */
function wrongPassword(): AppError {
  return invalid('Name or password is wrong, or the user is disabled.');
}

function invalid(message: string): AppError {
  return new AppError('INVALID_CREDENTIALS', message, { headers: { 'www-authenticate': 'Bearer' } });
}
