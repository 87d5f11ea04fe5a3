import type { FastifyRequest } from 'fastify';
import type { Limits } from '../../config/config.ts';
import { AppError, stoppingError } from '../../errors.ts';
import { identityOf } from '../auth/identity-of.ts';
import { type AddressOf, makeAddressOf } from '../client-address.ts';

/** Whom an open connection counts for, beside the whole; to be given back when it closes. */
export interface Lease {
  readonly address: string | undefined;
  readonly principal: string | undefined;
}

export type AdmissionLimits = Pick<
  Limits,
  'connections' | 'connectionsPerAddress' | 'connectionsPerPrincipal' | 'rateLoopback'
>;

/** How many long-lived connections there may be, over all transports: in all, of one address, of one principal. */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #addressOf: AddressOf;
  readonly #byAddress = new Map<string, number>();
  readonly #byPrincipal = new Map<string, number>();
  #open = 0;
  #isClosed = false;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
    this.#addressOf = makeAddressOf(limits);
  }

  get open(): number {
    return this.#open;
  }

  /** Addresses and principals that have a connection open. */
  get holders(): number {
    return this.#byAddress.size + this.#byPrincipal.size;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The server stops: what is still on its way in is refused, by whichever transport. */
  close(): void {
    this.#isClosed = true;
  }

  /** Throws STOPPING, OVERLOADED when there is no place for another one, TOO_MANY_CONNECTIONS when its client has enough. */
  check(request: FastifyRequest): void {
    if (this.#isClosed) throw stoppingError();
    const { connections, connectionsPerAddress, connectionsPerPrincipal } = this.#limits;
    if (this.#open >= connections) {
      const message = `There are ${connections} open connections, as many as limits.connections allows.`;
      throw new AppError('OVERLOADED', message, { headers: { 'retry-after': '5' } });
    }
    const { address, principal } = this.#placeOf(request);
    if (isFull(this.#byAddress, address, connectionsPerAddress)) {
      throw tooMany('address', connectionsPerAddress);
    }
    if (isFull(this.#byPrincipal, principal, connectionsPerPrincipal)) {
      throw tooMany('principal', connectionsPerPrincipal);
    }
  }

  /** Counts a connection that `check` has let through; `leave` wants back what it returns, once. */
  enter(request: FastifyRequest): Lease {
    const place = this.#placeOf(request);
    this.#open++;
    count(this.#byAddress, place.address, 1);
    count(this.#byPrincipal, place.principal, 1);
    return place;
  }

  leave({ address, principal }: Lease): void {
    this.#open--;
    count(this.#byAddress, address, -1);
    count(this.#byPrincipal, principal, -1);
  }

  #placeOf(request: FastifyRequest): Lease {
    const identity = identityOf(request);
    const address = this.#addressOf(request);
    const isExempt = address === undefined;
    return { address, principal: isExempt || identity.type !== 'principal' ? undefined : identity.sub };
  }
}

function isFull(counts: ReadonlyMap<string, number>, key: string | undefined, limit: number): boolean {
  return key !== undefined && limit > 0 && (counts.get(key) ?? 0) >= limit;
}

/** Who has none open is forgotten. */
function count(counts: Map<string, number>, key: string | undefined, change: number): void {
  if (key === undefined) return;
  const open = (counts.get(key) ?? 0) + change;
  if (open > 0) counts.set(key, open);
  else counts.delete(key);
}

function tooMany(who: string, limit: number): AppError {
  const message = `This ${who} has ${limit} open connections, as many as limits.connections_per_${who} allows.`;
  return new AppError('TOO_MANY_CONNECTIONS', message, { headers: { 'retry-after': '5' } });
}
