import { AppError } from '../errors.ts';
import type { Authenticator } from './credentials/authenticator.ts';
import type { Identity, Principal } from './identity.ts';

/** Milliseconds between two looks at the clock: a connection ends at most this long after its token. */
const MAX_EXPIRY_DELAY_MS = 500;
/** Milliseconds before the end of a token at which its end is announced. */
const WARNING_MS = 60_000;
/** Milliseconds until the rights of a connection are looked up again after a failure. */
const RETRY_DELAY_MS = 250;
/** Connections that are reauthorised in one pass of the event loop: each may ask the store. */
const MAX_REAUTHORIZED_PER_PASS = 200;

/** An open connection, as the registry of its application sees it. */
export interface OpenConnection {
  /** The caller, with its current rights. */
  identity: Identity;
  /** The token expires soon; `expiresAt` in milliseconds since 1970. */
  expiring(expiresAt: number): void;
  /** The token has expired: nothing more may be sent. */
  expired(): void;
  /** The caller has lost its access. */
  revoked(): void;
  /** This server cannot serve the caller at the moment: the client connects again, perhaps to another one. */
  stop(): void;
  /**
   * Checks what is open against `identity`, which has other roles or claims now. Throws AppError when nothing of it is
   * allowed any more; `revoked` follows.
   */
  reauthorize(): void;
}

/**
 * Ends a connection whose token has expired; true when it has. Called before each message that is handled or sent,
 * since the timer of the registry looks at the clock twice a second only.
 */
export function endIfExpired(connection: Pick<OpenConnection, 'identity' | 'expired'>): boolean {
  const { identity } = connection;
  if (identity.type !== 'principal' || identity.expiresAt === undefined || identity.expiresAt > Date.now())
    return false;
  connection.expired();
  return true;
}

/**
 * The open connections of an application whose callers are authenticated: they end with their tokens, and follow
 * changes of their accounts. One timer serves all of them, since a timer of its own would fire at once for an end that
 * is 25 days away.
 */
export class ConnectionRegistry {
  readonly #authenticator: Pick<Authenticator, 'refresh'>;
  /** Each with the end that was announced. */
  readonly #connections = new Map<OpenConnection, number | undefined>();
  readonly #timer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;
  /** Connections whose accounts may have changed. */
  #outdated = new Set<OpenConnection>();
  #pass: NodeJS.Immediate | undefined;

  constructor(authenticator: Pick<Authenticator, 'refresh' | 'onChange'>) {
    this.#authenticator = authenticator;
    this.#timer = setInterval(() => this.#endExpired(), MAX_EXPIRY_DELAY_MS).unref();
    this.#unsubscribe = authenticator.onChange(() => {
      // Changes that come together are looked at once.
      this.#outdated = new Set(this.#connections.keys());
      this.#refreshSoon();
    });
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Adds the connection of an authenticated caller, and ignores one of an anonymous caller; `remove` it when it closes. */
  add(connection: OpenConnection): void {
    if (connection.identity.type !== 'principal') return;
    this.#connections.set(connection, undefined);
    // A change between the check of the credential and now was not noticed by this connection.
    this.#outdated.add(connection);
    this.#refreshSoon();
  }

  remove(connection: OpenConnection): void {
    this.#connections.delete(connection);
    this.#outdated.delete(connection);
  }

  /** Continues the connection with a newer token of the same subject. */
  renew(connection: OpenConnection, principal: Principal): void {
    if (!this.#connections.has(connection)) return;
    this.#connections.set(connection, undefined);
    adopt(connection, principal);
  }

  /** Asks all clients to connect again: the rights of their callers are not known any more. */
  endAll(): void {
    for (const connection of [...this.#connections.keys()]) {
      this.remove(connection);
      connection.stop();
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    clearImmediate(this.#pass);
    this.#unsubscribe();
  }

  #endExpired(): void {
    const now = Date.now();
    for (const [connection, announced] of this.#connections) {
      const { expiresAt } = connection.identity as Principal;
      if (expiresAt === undefined || expiresAt > now + WARNING_MS) continue;
      if (expiresAt <= now) {
        this.remove(connection);
        connection.expired();
      } else if (announced !== expiresAt) {
        this.#connections.set(connection, expiresAt);
        connection.expiring(expiresAt);
      }
    }
  }

  #refreshSoon(): void {
    this.#pass ??= setImmediate(() => {
      this.#pass = undefined;
      let left = MAX_REAUTHORIZED_PER_PASS;
      for (const connection of this.#outdated) {
        if (left-- === 0) return this.#refreshSoon();
        this.#outdated.delete(connection);
        this.#refresh(connection);
      }
    });
  }

  #refresh(connection: OpenConnection): void {
    try {
      const current = this.#authenticator.refresh(connection.identity as Principal);
      if (!(current instanceof Promise)) this.#adopt(connection, current);
      else current.then((found) => this.#adopt(connection, found)).catch(() => this.#retry(connection));
    } catch {
      this.#retry(connection);
    }
  }

  /** Asks again in a while: the store of the accounts cannot be read at the moment. */
  #retry(connection: OpenConnection): void {
    setTimeout(() => {
      if (!this.#connections.has(connection)) return;
      this.#outdated.add(connection);
      this.#refreshSoon();
    }, RETRY_DELAY_MS).unref();
  }

  #adopt(connection: OpenConnection, current: Principal | undefined): void {
    if (!this.#connections.has(connection)) return;
    if (current !== undefined) {
      adopt(connection, current);
    } else {
      this.remove(connection);
      connection.revoked();
    }
  }
}

function adopt(connection: OpenConnection, principal: Principal): void {
  if (connection.identity === principal) return;
  connection.identity = principal;
  try {
    connection.reauthorize();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    connection.revoked();
  }
}
