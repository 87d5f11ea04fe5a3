import type { Environment } from '../connection/environment.ts';
import { readJson, request } from '../connection/http.ts';
import { asError } from '../error.ts';
import { isFit, type User } from './auth.ts';
import type { Session, SessionStore } from './session-store.ts';

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  /** Seconds. */
  readonly expires_in: number;
  readonly user: User;
}

/** Part of `Auth` that asks the server; loaded when it has to be asked. */
export class Login {
  readonly #environment: Environment;
  readonly #store: SessionStore;
  /** Settled when the last locked function has ended. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(environment: Environment, store: SessionStore) {
    this.#environment = { ...environment, token: async () => undefined, canRenew: false };
    this.#store = store;
  }

  async enter(path: 'signup' | 'login', name: string, password: string): Promise<User> {
    const tokens = await this.#post<Tokens>(path, { name, password });
    this.#store.save(sessionOf(tokens));
    return tokens.user;
  }

  /** Ends the session on the server. Without an answer the refresh token is left to its end. */
  async leave({ refresh_token }: Session): Promise<void> {
    await this.#post('logout', { refresh_token }).catch(() => undefined);
  }

  /** Returns a token that fits, by a refresh unless another tab has had one meanwhile. */
  renewed(renew: boolean): Promise<string | undefined> {
    return this.#locked(async () => {
      const current = this.#store.reload();
      if (current === undefined || isFit(current, renew)) return current?.access_token;
      return this.#refresh(current);
    });
  }

  async #refresh({ refresh_token, user }: Session): Promise<string | undefined> {
    try {
      const tokens = await this.#post<Tokens>('refresh', { refresh_token });
      // Not over a login or logout that came meanwhile.
      if (this.#store.session?.user.id === user.id) this.#store.save(sessionOf(tokens));
      return this.#store.session?.access_token;
    } catch (thrown) {
      if (asError(thrown).status !== 401) throw thrown;
      this.#store.save(undefined);
      return undefined;
    }
  }

  async #post<T>(path: string, body: object): Promise<T> {
    const url = new URL(`_/auth/${path}`, this.#environment.base).href;
    return readJson(await request(this.#environment, url, { method: 'POST', body, repeatable: false }));
  }

  /** Runs one function at a time, in all tabs where the browser has Web Locks, which it has on https and localhost. */
  #locked<T>(run: () => Promise<T>): Promise<T> {
    const { locks } = (globalThis as unknown as BrowserLike).navigator ?? {};
    const start = () => (locks === undefined ? run() : locks.request(this.#store.key, run));
    const done = this.#last.then(start, start);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

interface BrowserLike {
  readonly navigator?: {
    readonly locks?: { request<T>(name: string, run: () => Promise<T>): Promise<T> };
  };
}

function sessionOf(tokens: Tokens): Session {
  return { ...tokens, obtained: Date.now() };
}
