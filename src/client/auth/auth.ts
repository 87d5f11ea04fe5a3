import type { Environment } from '../connection/environment.ts';
import type { Login } from './login.ts';
import { type Session, type SessionStorage, SessionStore } from './session-store.ts';

/** User that has logged in. */
export interface User {
  readonly id: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Milliseconds before its end at which a token is replaced. */
const EARLY_MS = 10_000;
/** Milliseconds in which a new token is not replaced again: a refusal in that time is still about the one before. */
const FRESH_MS = 10_000;

/**
 * Login of a user (docs/reference/auth/users.md), shared by all tabs of the browser. The tokens are used for every request and
 * connection, unless the client has an option `token`, and replaced before they end, once for all tabs.
 *
 * @example
 * ```ts
 * // page.ts
 * import { connect } from 'tablecast/client';
 *
 * const { auth, tables } = connect('https://example.com/my-app');
 * auth.onChange((user) => console.log(user === undefined ? 'logged out' : `logged in as ${user.name}`));
 * await auth.login('ada', 'correct horse');
 * console.log(await tables.Task?.list());
 * await auth.logout();
 * ```
 */
export class Auth {
  readonly #environment: Environment;
  readonly #store: SessionStore;
  readonly #listeners = new Set<(user: User | undefined) => void>();
  readonly #onSwitch: () => void;
  #known: string | undefined;
  #login: Promise<Login> | undefined;

  /** `onSwitch` is called when another user is logged in, or none. */
  constructor(environment: Environment, storage: SessionStorage | undefined, onSwitch: () => void) {
    this.#environment = environment;
    this.#onSwitch = onSwitch;
    this.#store = new SessionStore(`tablecast:${environment.base.href}`, storage, () => this.#changed());
    this.#known = this.user?.id;
  }

  /** User that is logged in; undefined when there is none. */
  get user(): User | undefined {
    return this.#store.session?.user;
  }

  /**
   * Creates a user and logs in.
   *
   * @throws TablecastError `CONFLICT` when the name is taken, `FORBIDDEN` where signing up is off
   */
  async signup(name: string, password: string): Promise<User> {
    return (await this.#server()).enter('signup', name, password);
  }

  /** @throws TablecastError `INVALID_CREDENTIALS`, `TOO_MANY_ATTEMPTS` */
  async login(name: string, password: string): Promise<User> {
    return (await this.#server()).enter('login', name, password);
  }

  /** Logs out in all tabs, also where the server cannot be reached. */
  async logout(): Promise<void> {
    const { session } = this.#store;
    this.#store.save(undefined);
    if (session !== undefined) await (await this.#server()).leave(session);
  }

  /** Adds a listener for logins and logouts, those of other tabs too. Returns a function that removes it. */
  onChange(listener: (user: User | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Returns the token for a request; with `renew`, another one than that which was refused or ends soon. */
  async token(renew: boolean): Promise<string | undefined> {
    const { session } = this.#store;
    if (session === undefined || isFit(session, renew)) return session?.access_token;
    return (await this.#server()).renewed(renew);
  }

  /** Ends the listening to other tabs. */
  close(): void {
    this.#store.close();
  }

  #server(): Promise<Login> {
    this.#login ??= import('./login.ts').then(({ Login }) => new Login(this.#environment, this.#store));
    return this.#login;
  }

  #changed(): void {
    const { user } = this;
    if (user?.id === this.#known) return;
    this.#known = user?.id;
    this.#onSwitch();
    for (const listener of [...this.#listeners]) listener(user);
  }
}

/** True when the token of a session need not be replaced: with `renew` only a new one, which was not refused yet. */
export function isFit({ obtained, expires_in }: Session, renew: boolean): boolean {
  const age = Date.now() - obtained;
  return renew ? age < FRESH_MS : age < expires_in * 1000 - EARLY_MS;
}
