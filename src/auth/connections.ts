import type { Authenticator } from './credentials/authenticator.ts';
import type { Identity, Principal } from './identity.ts';

/** Milliseconds between two checks; a connection ends at most this long after its token. */
const CHECK_INTERVAL_MS = 500;
/** Milliseconds before the end at which it is announced. */
const EXPIRY_WARNING_MS = 60_000;
/** Connections that are checked in one turn of the event loop: each check may read the store. */
const MAX_DECISIONS_PER_TURN = 200;

/** Open connection, as its transport implements it. */
export interface OpenConnection {
  /** Caller, with its current rights. */
  identity: Identity;
  /** Announces that the token will expire soon; milliseconds since 1970. */
  expiring(expiresAt: number): void;
  /** Called when the token has expired: nothing more may be sent. */
  expired(): void;
  /** Called when the principal has no rights any more. */
  revoked(): void;
  /**
   * Called when the principal's roles or claims, and so `identity`, have changed: open subscriptions are decided again.
   */
  rejudge(): void;
}

/** True when the identity's token has expired. A connection checks this before each message that it sends. */
export function hasExpired(identity: Identity): boolean {
  return identity.type === 'principal' && identity.expiresAt !== undefined && identity.expiresAt <= Date.now();
}

/**
 * Open connections of an application whose caller is a principal: they end with their tokens and follow changes of the
 * accounts. All share one timer, since a timer per connection would fire at once for an end in more than 25 days.
 */
export class ConnectionRegistry {
  readonly #authenticator: Pick<Authenticator, 'refresh'>;
  /** Connections with the end that was announced. */
  readonly #connections = new Map<OpenConnection, number | undefined>();
  readonly #timer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;
  /** Connections whose rights are to be decided again. */
  #undecided = new Set<OpenConnection>();
  #scheduled: NodeJS.Immediate | undefined;

  constructor(authenticator: Pick<Authenticator, 'refresh' | 'onChange'>) {
    this.#authenticator = authenticator;
    this.#timer = setInterval(() => this.#checkExpiry(), CHECK_INTERVAL_MS).unref();
    this.#unsubscribe = authenticator.onChange(() => {
      // Changes that come together are handled at once.
      this.#undecided = new Set(this.#connections.keys());
      this.#schedule();
    });
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Adds a connection if its caller is a principal; call `remove` when it is closed. */
  add(connection: OpenConnection): void {
    if (connection.identity.type !== 'principal') return;
    this.#connections.set(connection, undefined);
    // A change between the check of the credential and this call was not reported to this connection.
    this.#undecided.add(connection);
    this.#schedule();
  }

  remove(connection: OpenConnection): void {
    this.#connections.delete(connection);
    this.#undecided.delete(connection);
  }

  /** Continues the connection with a newer token of the same subject. */
  renew(connection: OpenConnection, principal: Principal): void {
    if (!this.#connections.has(connection)) return;
    this.#connections.set(connection, undefined);
    this.#adopt(connection, principal);
  }

  stop(): void {
    clearInterval(this.#timer);
    clearImmediate(this.#scheduled);
    this.#unsubscribe();
  }

  #checkExpiry(): void {
    const now = Date.now();
    for (const [connection, announced] of this.#connections) {
      const { expiresAt } = connection.identity as Principal;
      if (expiresAt === undefined || expiresAt > now + EXPIRY_WARNING_MS) continue;
      if (expiresAt <= now) {
        this.remove(connection);
        connection.expired();
      } else if (announced !== expiresAt) {
        this.#connections.set(connection, expiresAt);
        connection.expiring(expiresAt);
      }
    }
  }

  #schedule(): void {
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      let left = MAX_DECISIONS_PER_TURN;
      for (const connection of this.#undecided) {
        if (left-- === 0) return this.#schedule();
        this.#undecided.delete(connection);
        this.#decide(connection);
      }
    });
  }

  #decide(connection: OpenConnection): void {
    const current = this.#authenticator.refresh(connection.identity as Principal);
    if (current !== undefined) {
      this.#adopt(connection, current);
    } else {
      this.remove(connection);
      connection.revoked();
    }
  }

  #adopt(connection: OpenConnection, principal: Principal): void {
    if (connection.identity === principal) return;
    connection.identity = principal;
    connection.rejudge();
  }
}
