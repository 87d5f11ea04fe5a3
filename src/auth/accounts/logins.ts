import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import { AppError } from '../../errors.ts';
import { type AccountStore, foldName, type User } from '../../store/accounts.ts';
import {
  type Derivation,
  derive,
  makeNextSecret,
  makeSecret,
  parseSecret,
  REFRESH_FORM,
} from '../credentials/secrets.ts';
import type { Made, Tokens } from '../credentials/tokens.ts';
import type { Account } from './accounts.ts';
import { accountOf } from './local-accounts.ts';
import { type LoginThrottle, networkOf } from './login-throttle.ts';
import type { Passwords } from './passwords.ts';

const RETRY_AFTER = 20;
const NONCE_BYTES = 32;
/** Longer than any name that there is. */
const COMPARED = 256;

export interface LoginOptions {
  readonly store: AccountStore;
  readonly passwords: Passwords;
  readonly tokens: Pick<Tokens, 'issue'>;
  /** Failed logins. */
  readonly attempts: LoginThrottle;
  /** New accounts, whether or not they came about. */
  readonly signups: LoginThrottle;
  /** Milliseconds. */
  readonly accessTokenLifetime: number;
  readonly refreshTokenLifetime: number;
  /** Milliseconds for which a refresh token that was exchanged is answered with the same tokens again. */
  readonly refreshTokenGrace: number;
  /** Logins of one user that can be refreshed. */
  readonly sessionsPerUser: number;
  /** Milliseconds that a login waits while another process writes. */
  readonly busyTimeout: number;
  /** A refresh token came a second time: somebody has a copy. Its session has ended. */
  onReuse(userId: string): void;
}

/** What somebody has who is logged in. */
export interface LoggedIn {
  readonly account: Account;
  readonly accessToken: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly refreshToken: string;
}

/** Built-in users with passwords: how they come in, stay in and leave. */
export class Logins {
  readonly #options: LoginOptions;

  constructor(options: LoginOptions) {
    this.#options = options;
  }

  /** Makes a user without roles and logs it in. Name and password were checked. Throws CONFLICT, TOO_MANY_ATTEMPTS. */
  async signUp(name: string, password: string, ip: string): Promise<LoggedIn> {
    const { store, passwords, signups } = this.#options;
    signups.begin(networkOf(ip));
    const id = uuidv7();
    const user = { id, name, roles: [], claims: {}, disabled: false, created: Date.now() };
    const hashed = { ...user, password: await passwords.hash(password) };
    await this.#whenFree(() => store.addUser(hashed));
    return this.#open(hashed);
  }

  /** Throws INVALID_CREDENTIALS, which does not tell what was wrong, and TOO_MANY_ATTEMPTS. */
  async logIn(name: string, password: string, ip: string): Promise<LoggedIn> {
    return this.#open(await this.#check(() => this.#options.store.userByName(name), name, password, ip));
  }

  /**
   * The next tokens for a refresh token, which cannot be used again; but within the grace it is answered with the same ones,
   * for a client that lost the answer, or sent it from two pages. Throws INVALID_CREDENTIALS, TOO_MANY_ATTEMPTS.
   */
  async refresh(token: string, ip: string): Promise<LoggedIn> {
    const { store, accessTokenLifetime, refreshTokenLifetime, refreshTokenGrace: grace, onReuse } = this.#options;
    const shown = parseSecret(REFRESH_FORM, token);
    if (shown === undefined) throw this.#refuseToken(ip);
    const { id, hash: old } = shown;
    const fresh = { shown: token, nonce: randomBytes(NONCE_BYTES) };
    const next = makeNextSecret(REFRESH_FORM, id, fresh).hash;
    const now = Date.now();
    const rotation = { old, next, nonce: fresh.nonce, expires: now + refreshTokenLifetime, now, grace };
    const found = await this.#whenFree(() => store.rotateSession(id, rotation));
    if (found?.outcome === 'reused') onReuse(found.userId);
    const user = found === undefined || found.outcome === 'reused' ? undefined : store.user(found.userId);
    if (found === undefined || user === undefined || user.disabled) throw this.#refuseToken(ip);
    const from = found.outcome === 'repeated' ? { shown: token, nonce: found.nonce } : fresh;
    const at = found.outcome === 'repeated' && found.at + accessTokenLifetime > now ? found.at : now;
    return this.#answer(user, makeNextSecret(REFRESH_FORM, id, from).text, { at, id: idFrom(from) });
  }

  /** Ends the session that the token belongs to, if there is one. */
  async logOut(token: string): Promise<void> {
    const shown = parseSecret(REFRESH_FORM, token);
    if (shown !== undefined) await this.#whenFree(() => this.#options.store.endSession(shown.id));
  }

  /** Changes the password and ends all sessions but the one that begins here. Throws as logIn does. */
  async changePassword(sub: string, words: { old: string; next: string }, ip: string): Promise<LoggedIn> {
    const { store, passwords } = this.#options;
    const name = store.user(sub)?.name ?? '';
    const user = await this.#check(() => store.user(sub), name, words.old, ip);
    const password = await passwords.hash(words.next);
    const changed = await this.#whenFree(() => store.setPassword(user.id, password, user.password));
    if (!changed) throw invalid('The password has been changed meanwhile.');
    return this.#open({ ...user, password });
  }

  /** The user, when the password is right. */
  async #check(find: () => User | undefined, name: string, password: string, ip: string): Promise<User> {
    const attempt = this.#options.attempts.begin(
      `login ip ${networkOf(ip)}`,
      `login name ${foldName(name.slice(0, COMPARED))}`,
    );
    try {
      const user = name.length > COMPARED ? undefined : find();
      const right = await this.#options.passwords.verify(password, user?.password);
      if (user === undefined || !right || user.disabled) throw wrongPassword();
      attempt.withdraw();
      return user;
    } catch (error) {
      // What could not be looked at was not wrong.
      if (!(error instanceof AppError && error.code === 'INVALID_CREDENTIALS')) attempt.withdraw();
      throw error;
    }
  }

  /** Begins a session of somebody whose password has just been right. */
  async #open(user: User): Promise<LoggedIn> {
    const { store, refreshTokenLifetime, sessionsPerUser } = this.#options;
    const { id, hash, text } = makeSecret(REFRESH_FORM);
    const created = Date.now();
    const session = { id, userId: user.id, hash, created, expires: created + refreshTokenLifetime };
    const opened = await this.#whenFree(() => store.openSession(session, user.password, sessionsPerUser));
    if (!opened) throw wrongPassword();
    return this.#answer(user, text);
  }

  async #answer(user: User, refreshToken: string, made?: Made): Promise<LoggedIn> {
    const { tokens, accessTokenLifetime } = this.#options;
    const account = accountOf(user);
    const { sub, name, roles, claims } = account;
    const subject = { sub, roles, claims: { ...claims, name } };
    const { token, expiresAt } = await tokens.issue(subject, accessTokenLifetime, made);
    return { account, accessToken: token, expiresAt, refreshToken };
  }

  #refuseToken(ip: string): AppError {
    // It cannot be guessed; the count is for those who try nevertheless, and does not stop those with a good one.
    const failure = invalid('The refresh token is not known, or was used before: log in again.');
    return this.#options.attempts.count(failure, `refresh ip ${networkOf(ip)}`);
  }

  /** Tries again, without blocking the event loop, while another process writes. */
  async #whenFree<T>(write: () => T): Promise<T> {
    const deadline = performance.now() + this.#options.busyTimeout;
    for (;;) {
      try {
        return write();
      } catch (error) {
        const busy = error instanceof AppError && error.code === 'STORAGE_BUSY';
        if (!busy || performance.now() > deadline) throw error;
      }
      await pause(RETRY_AFTER);
    }
  }
}

/** The `jti` of the token that comes with the next refresh token. */
function idFrom(from: Derivation): string {
  return derive(from, 'jti').toString('base64url').slice(0, 22);
}

/** One sentence for every reason: who tries learns nothing from it. */
function wrongPassword(): AppError {
  return invalid('Name or password is wrong, or the user is disabled.');
}

function invalid(message: string): AppError {
  return new AppError('INVALID_CREDENTIALS', message, { headers: { 'www-authenticate': 'Bearer' } });
}
