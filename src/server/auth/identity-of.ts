import type { FastifyRequest } from 'fastify';
import { ANONYMOUS, type Identity } from '../../auth/identity.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, where somebody was asked; `identityOf` reads it. */
    identity: Identity | null;
  }
}

/** Who sent a request. */
export function identityOf(request: FastifyRequest): Identity {
  return request.identity ?? ANONYMOUS;
}
