import type { Authenticator } from '../../auth/authenticator.ts';
import type { Identity, Principal } from '../../auth/identity.ts';

/** Milliseconds between two looks at the clock; a connection ends at most so long after its token. */
const SWEEP = 500;
/** How long before the end it is announced. */
const WARNING = 60_000;

/** An open connection whose opener has shown a token. */
export interface TokenHolder {
  identity: Identity;
  /** The token will expire soon; milliseconds since 1970. */
  expiring(expiresAt: number): void;
  /** The time of the token is over: nothing more may be sent. */
  expired(): void;
  /** The principal may do nothing any more. */
  revoked(): void;
  /** The principal has other roles or claims, which `identity` has by now. */
  changed(): void;
}

/** True when nothing may be done any more. A connection asks before each thing that it sends. */
export function hasExpired(identity: Identity): boolean {
  return identity.type === 'principal' && identity.expiresAt !== undefined && identity.expiresAt <= Date.now();
}

/**
 * Ends connections with their tokens, and follows what happens to their openers. One timer for all of them: one each
 * would also fire at once for an end in 25 days.
 */
export class TokenWatch {
  readonly #authenticator: Pick<Authenticator, 'refresh'>;
  /** With the end that was announced. */
  readonly #holders = new Map<TokenHolder, number | undefined>();
  readonly #timer: NodeJS.Timeout;
  readonly #forget: () => void;

  constructor(authenticator: Pick<Authenticator, 'refresh' | 'onChange'>) {
    this.#authenticator = authenticator;
    this.#timer = setInterval(() => this.#sweep(), SWEEP).unref();
    this.#forget = authenticator.onChange(() => {
      for (const holder of [...this.#holders.keys()]) this.#judge(holder);
    });
  }

  add(holder: TokenHolder): void {
    if (holder.identity.type !== 'principal') return;
    this.#holders.set(holder, undefined);
    // What has changed between the look at the token and now was not told to this one.
    this.#judge(holder);
  }

  remove(holder: TokenHolder): void {
    this.#holders.delete(holder);
  }

  /** A newer token of the same subject was shown. */
  renew(holder: TokenHolder, principal: Principal): void {
    if (!this.#holders.has(holder)) return;
    this.#holders.set(holder, undefined);
    holder.identity = principal;
    holder.changed();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#forget();
  }

  #sweep(): void {
    const now = Date.now();
    for (const [holder, announced] of [...this.#holders]) {
      const { expiresAt } = holder.identity as Principal;
      if (expiresAt === undefined || expiresAt > now + WARNING) continue;
      if (expiresAt <= now) {
        this.remove(holder);
        holder.expired();
      } else if (announced !== expiresAt) {
        this.#holders.set(holder, expiresAt);
        holder.expiring(expiresAt);
      }
    }
  }

  #judge(holder: TokenHolder): void {
    const present = this.#authenticator.refresh(holder.identity as Principal);
    if (present === undefined) {
      this.remove(holder);
      holder.revoked();
    } else if (present !== holder.identity) {
      holder.identity = present;
      holder.changed();
    }
  }
}
