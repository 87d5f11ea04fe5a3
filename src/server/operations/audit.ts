import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AppAuth } from '../../auth/app-auth.ts';
import type { CompressionConfig } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { AuditTrail } from '../../resources/audit/trail.ts';
import { makeAuthentication } from '../auth/authentication.ts';
import { makeCompressHook } from '../content/compress-hook.ts';
import { identityOf, queryOf } from '../request.ts';
import { makeNextLink } from '../response-headers.ts';

export interface AuditRoutes {
  /** `/{app_id}/audit`, and `/audit` when there is no other application. */
  readonly paths: readonly string[];
  readonly trail: AuditTrail;
  /** Undefined where authentication is off. */
  readonly auth: AppAuth | undefined;
  readonly compression: CompressionConfig;
}

const REST = { constraints: { transport: 'rest' } };
const OTHER_METHODS = ['POST', 'PUT', 'PATCH', 'DELETE'];

/** Registers `GET` of the audit log, which is read-only. */
export function registerAudit(app: FastifyInstance, { paths, trail, auth, compression }: AuditRoutes): void {
  const onRequest = auth === undefined ? [] : [makeAuthentication(auth)];
  void app.register(async (scope) => {
    scope.addHook('onSend', makeCompressHook(compression));
    for (const path of paths) {
      scope.get(path, { ...REST, onRequest }, (request, reply) => answer(trail, request, reply));
      const config = { refuses: true };
      scope.route({ ...REST, config, method: OTHER_METHODS, url: path, onRequest: refuse, handler: refuse });
    }
  });
}

async function answer(trail: AuditTrail, request: FastifyRequest, reply: FastifyReply): Promise<string> {
  const rawQuery = queryOf(request);
  // The response depends on the caller and changes with the next write.
  reply.header('cache-control', 'no-store').type('application/json; charset=utf-8');
  const { json, next } = await trail.read(identityOf(request), rawQuery);
  if (next !== undefined) reply.header('link', makeNextLink(rawQuery, ['before'])(String(next)));
  return json;
}

async function refuse({ method }: FastifyRequest): Promise<never> {
  throw new AppError(
    'METHOD_NOT_ALLOWED',
    `${method} is not allowed at this address; the audit log can only be read.`,
    {
      headers: { allow: 'GET, HEAD, OPTIONS' },
    },
  );
}
