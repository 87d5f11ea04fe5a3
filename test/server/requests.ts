import type { FastifyRequest } from 'fastify';
import type { Identity } from '../../src/auth/identity.ts';

/** Makes the parts of a request that the checks before a route read. */
export function requestFrom(ip: string | undefined, identity: Identity | null = null): FastifyRequest {
  return { ip, identity } as unknown as FastifyRequest;
}

export function principal(sub: string): Identity {
  return { type: 'principal', sub, roles: [], claims: {}, expiresAt: undefined };
}
