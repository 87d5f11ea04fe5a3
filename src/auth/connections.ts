import type { Authenticator } from './credentials/authenticator.ts';
import type { Identity, Principal } from './identity.ts';

/** Milliseconds between two looks at the clock; a connection ends at most so long after its token. */
const SWEEP = 500;
/** How long before the end it is announced. */
const WARNING = 60_000;
/** Connections that are judged in one turn of the event loop: each may ask the store. */
const SLICE = 200;

/** An open connection, as its transport has it. */
export interface OpenConnection {
  /** Who opened it, with the rights of now. */
  identity: Identity;
  /** The token will expire soon; milliseconds since 1970. */
  expiring(expiresAt: number): void;
  /** The time of the token is over: nothing more may be sent. */
  expired(): void;
  /** The principal may do nothing any more. */
  revoked(): void;
  /** The principal has other roles or claims now, and `identity` has them: what is open is judged anew. */
  rejudge(): void;
}

/** True when nothing may be done any more. A connection asks before each thing that it sends. */
export function hasExpired(identity: Identity): boolean {
  return identity.type === 'principal' && identity.expiresAt !== undefined && identity.expiresAt <= Date.now();
}

/**
 * The open connections of an application whose opener is known: they end with their tokens, and follow what happens to
 * their accounts. One timer for all of them, since a timer of its own would fire at once for an end in 25 days.
 */
export class ConnectionRegistry {
  readonly #authenticator: Pick<Authenticator, 'refresh'>;
  /** With the end that was announced. */
  readonly #connections = new Map<OpenConnection, number | undefined>();
  readonly #timer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;
  /** Those that are to be judged anew. */
  #unjudged = new Set<OpenConnection>();
  #judging: NodeJS.Immediate | undefined;

  constructor(authenticator: Pick<Authenticator, 'refresh' | 'onChange'>) {
    this.#authenticator = authenticator;
    this.#timer = setInterval(() => this.#sweep(), SWEEP).unref();
    this.#unsubscribe = authenticator.onChange(() => {
      // Changes that come together are looked at once.
      this.#unjudged = new Set(this.#connections.keys());
      this.#judgeSoon();
    });
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Keeps it if its opener is somebody; `remove` it when it is closed. */
  add(connection: OpenConnection): void {
    if (connection.identity.type !== 'principal') return;
    this.#connections.set(connection, undefined);
    // What has changed between the look at the credential and now was not told to this one.
    this.#unjudged.add(connection);
    this.#judgeSoon();
  }

  remove(connection: OpenConnection): void {
    this.#connections.delete(connection);
    this.#unjudged.delete(connection);
  }

  /** A newer token of the same subject was shown: the connection goes on with it. */
  renew(connection: OpenConnection, principal: Principal): void {
    if (!this.#connections.has(connection)) return;
    this.#connections.set(connection, undefined);
    this.#adopt(connection, principal);
  }

  stop(): void {
    clearInterval(this.#timer);
    clearImmediate(this.#judging);
    this.#unsubscribe();
  }

  #sweep(): void {
    const now = Date.now();
    for (const [connection, announced] of this.#connections) {
      const { expiresAt } = connection.identity as Principal;
      if (expiresAt === undefined || expiresAt > now + WARNING) continue;
      if (expiresAt <= now) {
        this.remove(connection);
        connection.expired();
      } else if (announced !== expiresAt) {
        this.#connections.set(connection, expiresAt);
        connection.expiring(expiresAt);
      }
    }
  }

  #judgeSoon(): void {
    this.#judging ??= setImmediate(() => {
      this.#judging = undefined;
      let left = SLICE;
      for (const connection of this.#unjudged) {
        if (left-- === 0) return this.#judgeSoon();
        this.#unjudged.delete(connection);
        this.#judge(connection);
      }
    });
  }

  #judge(connection: OpenConnection): void {
    const present = this.#authenticator.refresh(connection.identity as Principal);
    if (present !== undefined) {
      this.#adopt(connection, present);
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
