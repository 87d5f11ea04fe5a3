import type { User } from './auth.ts';

/** Storage of a login: `localStorage`, or anything with its three functions. */
export interface SessionStorage {
  getItem(key: string): string | null;
  setItem(key: string, text: string): void;
  removeItem(key: string): void;
}

export interface Session {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
  /** Milliseconds since 1970 at which the tokens came. */
  readonly obtained: number;
  readonly user: User;
}

interface BrowserLike {
  readonly document?: unknown;
  readonly localStorage?: SessionStorage;
  readonly BroadcastChannel?: new (
    name: string,
  ) => { onmessage: (() => void) | null; postMessage(message: unknown): void; close(): void; unref?(): void };
}

const BROWSER = globalThis as unknown as BrowserLike;

/** Session of a user, the same in all tabs: kept in the storage; a BroadcastChannel reports changes. */
export class SessionStore {
  /** Key in the storage, and name of the channel. */
  readonly key: string;
  readonly #storage: SessionStorage | undefined;
  readonly #channel: InstanceType<NonNullable<BrowserLike['BroadcastChannel']>> | undefined;
  readonly #onChange: () => void;
  #session: Session | undefined;

  constructor(key: string, storage: SessionStorage | undefined, onChange: () => void) {
    this.key = key;
    this.#storage = storage ?? pageStorage();
    this.#onChange = onChange;
    if (this.#storage !== undefined && BROWSER.BroadcastChannel !== undefined) {
      this.#channel = new BROWSER.BroadcastChannel(key);
      this.#channel.unref?.();
      this.#channel.onmessage = () => {
        this.reload();
        this.#onChange();
      };
    }
    this.reload();
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** Reads the session again, which another tab may have changed. */
  reload(): Session | undefined {
    if (this.#storage === undefined) return this.#session;
    try {
      const text = this.#storage.getItem(this.key);
      this.#session = text === null ? undefined : (JSON.parse(text) as Session);
    } catch {
      // Storage that is blocked or spoilt: the session of this tab counts.
    }
    return this.#session;
  }

  /** Keeps the session, or none, and tells the other tabs. */
  save(session: Session | undefined): void {
    this.#session = session;
    try {
      if (session === undefined) this.#storage?.removeItem(this.key);
      else this.#storage?.setItem(this.key, JSON.stringify(session));
    } catch {
      // Without storage the session lasts as long as the page.
    }
    this.#channel?.postMessage('changed');
    this.#onChange();
  }

  close(): void {
    if (this.#channel !== undefined) this.#channel.onmessage = null;
    this.#channel?.close();
  }
}

/** Storage of the page; undefined in Node, and where the browser blocks it. */
function pageStorage(): SessionStorage | undefined {
  try {
    return BROWSER.document === undefined ? undefined : BROWSER.localStorage;
  } catch {
    return undefined;
  }
}
