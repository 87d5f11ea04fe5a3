import type { FastifyInstance } from 'fastify';
import type { AppAuth } from '../../auth/app-auth.ts';
import { unauthorized } from '../../auth/auth-errors.ts';
import { makeAuthentication } from './authentication.ts';
import { identityOf } from './identity-of.ts';

/** Registers `GET {path}/me`, which returns the identity of the caller: `/{app_id}/auth/me`. */
export function registerAuthMe(server: FastifyInstance, path: string, auth: AppAuth): void {
  const onRequest = makeAuthentication(auth);
  server.get(`${path}/me`, { onRequest }, (request, reply) => {
    const identity = identityOf(request);
    if (identity.type !== 'principal') throw unauthorized('Send a token or key: Authorization: Bearer …');
    const { sub, roles, claims, expiresAt } = identity;
    reply.header('cache-control', 'no-store');
    return { sub, roles, claims, expires_at: expiresAt === undefined ? null : new Date(expiresAt).toISOString() };
  });
}
