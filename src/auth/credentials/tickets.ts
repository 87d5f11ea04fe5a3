import { AppError } from '../../errors.ts';
import type { Principal } from '../identity.ts';
import { hashSecret, randomText } from './secrets.ts';

const PREFIX = 'tct_';
const RANDOM_CHARS = 32;

export interface TicketOptions {
  /** Milliseconds for which a ticket is valid. */
  readonly lifetime: number;
  /** Tickets that wait to be used, at most. */
  readonly maxTickets: number;
  /** Tickets of one principal, at most; one more ends its oldest. */
  readonly maxPerPrincipal: number;
}

interface IssuedTicket {
  readonly id: string;
  readonly principal: Principal;
  readonly expires: number;
}

/**
 * Tickets that stand for a principal in a URL, once and for a short time. They are in memory only: a restart ends them.
 */
export class Tickets {
  readonly #options: TicketOptions;
  /** Tickets by the hash of their text, oldest first. */
  readonly #tickets = new Map<string, IssuedTicket>();
  readonly #bySub = new Map<string, Set<IssuedTicket>>();

  constructor(options: TicketOptions) {
    this.#options = options;
  }

  /** Returns a new ticket, and its lifetime in milliseconds. Throws OVERLOADED when too many wait. */
  issue(principal: Principal): { text: string; lifetime: number } {
    this.#removeExpired();
    const { maxTickets, maxPerPrincipal } = this.#options;
    const own = this.#bySub.get(principal.sub) ?? new Set();
    const [oldest] = own;
    if (oldest !== undefined && own.size >= maxPerPrincipal) this.#remove(oldest);
    if (this.#tickets.size >= maxTickets) {
      throw new AppError('OVERLOADED', `${maxTickets} tickets wait to be used, as many as limits.tickets allows.`);
    }
    const { lifetime } = this.#options;
    const text = PREFIX + randomText(RANDOM_CHARS);
    const ticket = { id: idOf(text), principal, expires: performance.now() + lifetime };
    this.#tickets.set(ticket.id, ticket);
    this.#bySub.set(principal.sub, own.add(ticket));
    return { text, lifetime };
  }

  /** Returns the principal of a ticket; undefined when it is unknown, has expired, or was used. */
  redeem(text: string): Principal | undefined {
    const ticket = this.#tickets.get(idOf(text));
    if (ticket === undefined) return undefined;
    this.#remove(ticket);
    return ticket.expires > performance.now() ? ticket.principal : undefined;
  }

  #removeExpired(): void {
    const now = performance.now();
    for (const ticket of this.#tickets.values()) {
      if (ticket.expires > now) return;
      this.#remove(ticket);
    }
  }

  #remove(ticket: IssuedTicket): void {
    const { sub } = ticket.principal;
    this.#tickets.delete(ticket.id);
    const own = this.#bySub.get(sub);
    own?.delete(ticket);
    if (own?.size === 0) this.#bySub.delete(sub);
  }
}

/** Key of a ticket: a hash, so that the time of a look-up reveals nothing about existing tickets. */
function idOf(text: string): string {
  return hashSecret(text).toString('base64');
}
