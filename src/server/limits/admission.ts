import type { FastifyRequest } from 'fastify';
import type { Limits } from '../../config/config.ts';
import { AppError, stoppingError } from '../../errors.ts';
import { type AddressOf, makeAddressOf } from '../client-address.ts';
import { identityOf } from '../request.ts';
import type { ConnectionGroup } from './connection-list.ts';

/** Address and principal under which an open connection is counted. Pass it to `leave` when the connection closes. */
export interface Lease {
  readonly address: string | undefined;
  readonly principal: string | undefined;
}

export type AdmissionLimits = Pick<
  Limits,
  'connections' | 'connectionsPerAddress' | 'connectionsPerPrincipal' | 'rateLoopback'
>;

/** Bounds the open streams and sockets of all transports: in total, per address, per principal. */
export class Admission {
  /** The connections that it has admitted, for the list of administrators. */
  readonly groups: ConnectionGroup[] = [];
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

  /** Number of addresses and principals that have a connection open. */
  get holders(): number {
    return this.#byAddress.size + this.#byPrincipal.size;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Refuses all connections from now on, those that are being opened included. Called when the server stops. */
  close(): void {
    this.#isClosed = true;
  }

  /**
   * Throws STOPPING after `close`, OVERLOADED at the limit of all connections, TOO_MANY_CONNECTIONS at the limit of the
   * request's address or principal.
   */
  check(request: FastifyRequest): void {
    if (this.#isClosed) throw stoppingError();
    const { connections, connectionsPerAddress, connectionsPerPrincipal } = this.#limits;
    if (this.#open >= connections) {
      const message = `There are ${connections} open connections, as many as limits.connections allows.`;
      throw new AppError('OVERLOADED', message, { headers: { 'retry-after': '5' } });
    }
    const { address, principal } = this.#leaseOf(request);
    if (isFull(this.#byAddress, address, connectionsPerAddress)) {
      throw tooMany('address', connectionsPerAddress);
    }
    if (isFull(this.#byPrincipal, principal, connectionsPerPrincipal)) {
      throw tooMany('principal', connectionsPerPrincipal);
    }
  }

  /** Counts a connection that `check` has accepted. Pass the lease to `leave`, once. */
  enter(request: FastifyRequest): Lease {
    const lease = this.#leaseOf(request);
    this.#open++;
    count(this.#byAddress, lease.address, 1);
    count(this.#byPrincipal, lease.principal, 1);
    return lease;
  }

  leave({ address, principal }: Lease): void {
    this.#open--;
    count(this.#byAddress, address, -1);
    count(this.#byPrincipal, principal, -1);
  }

  #leaseOf(request: FastifyRequest): Lease {
    const identity = identityOf(request);
    const address = this.#addressOf(request);
    const isExempt = address === undefined;
    return { address, principal: isExempt || identity.type !== 'principal' ? undefined : identity.sub };
  }
}

function isFull(counts: ReadonlyMap<string, number>, key: string | undefined, limit: number): boolean {
  return key !== undefined && limit > 0 && (counts.get(key) ?? 0) >= limit;
}

/** Changes the count of a key; a key without open connections is removed. */
function count(counts: Map<string, number>, key: string | undefined, change: number): void {
  if (key === undefined) return;
  const open = (counts.get(key) ?? 0) + change;
  if (open > 0) counts.set(key, open);
  else counts.delete(key);
}

function tooMany(holder: 'address' | 'principal', limit: number): AppError {
  const message = `This ${holder} has ${limit} open connections, as many as limits.connections_per_${holder} allows.`;
  return new AppError('TOO_MANY_CONNECTIONS', message, { headers: { 'retry-after': '5' } });
}
