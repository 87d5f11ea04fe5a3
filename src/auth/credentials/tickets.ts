import { AppError } from '../../errors.ts';
import type { SharedLogins } from '../../store/accounts.ts';
import type { Awaitable } from '../../store/store.ts';
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

/** Tickets that stand for a principal in a URL, once and for a short time. */
export interface Tickets {
  /** Returns a new ticket, and its lifetime in milliseconds. Throws OVERLOADED when too many wait. */
  issue(principal: Principal): Awaitable<{ text: string; lifetime: number }>;
  /** Returns the principal of a ticket; undefined when it is unknown, has expired, or was used. */
  redeem(text: string): Awaitable<Principal | undefined>;
}

/** Tickets of one server in memory: a restart ends them. */
export class MemoryTickets implements Tickets {
  readonly #options: TicketOptions;
  /** Tickets by the hash of their text, oldest first. */
  readonly #tickets = new Map<string, IssuedTicket>();
  readonly #bySub = new Map<string, Set<IssuedTicket>>();

  constructor(options: TicketOptions) {
    this.#options = options;
  }

  issue(principal: Principal): { text: string; lifetime: number } {
    this.#removeExpired();
    const { maxTickets, maxPerPrincipal } = this.#options;
    const own = this.#bySub.get(principal.sub) ?? new Set();
    const [oldest] = own;
    if (oldest !== undefined && own.size >= maxPerPrincipal) this.#remove(oldest);
    if (this.#tickets.size >= maxTickets) throw tooManyTickets(maxTickets);
    const { lifetime } = this.#options;
    const text = PREFIX + randomText(RANDOM_CHARS);
    const ticket = { id: idOf(text), principal, expires: performance.now() + lifetime };
    this.#tickets.set(ticket.id, ticket);
    this.#bySub.set(principal.sub, own.add(ticket));
    return { text, lifetime };
  }

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

/** Tickets that are valid at every server of an application: in its store. */
export class SharedTickets implements Tickets {
  readonly #options: TicketOptions;
  readonly #store: SharedLogins;

  constructor(options: TicketOptions, store: SharedLogins) {
    this.#options = options;
    this.#store = store;
  }

  async issue(principal: Principal): Promise<{ text: string; lifetime: number }> {
    const { lifetime, maxTickets } = this.#options;
    const text = PREFIX + randomText(RANDOM_CHARS);
    const ticket = { id: idOf(text), sub: principal.sub, principal: JSON.stringify(principal), lifetime };
    if (!(await this.#store.addTicket(ticket, this.#options))) throw tooManyTickets(maxTickets);
    return { text, lifetime };
  }

  async redeem(text: string): Promise<Principal | undefined> {
    const principal = await this.#store.takeTicket(idOf(text));
    return principal === undefined ? undefined : (JSON.parse(principal) as Principal);
  }
}

function tooManyTickets(maxTickets: number): AppError {
  return new AppError('OVERLOADED', `${maxTickets} tickets wait to be used, as many as limits.tickets allows.`);
}

/** Key of a ticket: a hash, so that the time of a look-up reveals nothing about existing tickets. */
function idOf(text: string): string {
  return hashSecret(text).toString('base64');
}
