import type { FastifyRequest } from 'fastify';
import { ANONYMOUS, type Identity } from '../../auth/identity.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by authentication; null where authentication is off. Read it with `identityOf`. */
    identity: Identity | null;
  }
}

/** Returns the caller of a request: anonymous where authentication is off. */
export function identityOf(request: FastifyRequest): Identity {
  return request.identity ?? ANONYMOUS;
}
