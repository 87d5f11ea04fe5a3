import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../errors.ts';
import { allowOf, METHODS, type Offer, offerAt } from './checks/known-methods.ts';
import { transportOf } from './transport-constraint.ts';

/** Methods of the server as a whole, for `OPTIONS *` (RFC 9110 §9.3.7). */
const WHOLE: Offer = { methods: new Set(METHODS), isStream: false };

/**
 * Answers OPTIONS with the methods of the address in `Allow`. The CORS headers of a preflight are already set by then; a
 * preflight succeeds also where nothing is, so that the page can read the 404 of its request.
 */
export function registerOptions(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    if (request.raw.method !== 'OPTIONS' || transportOf(request.raw) === 'ws') return done();
    const [path = ''] = (request.raw.url as string).split('?', 1);
    const offer = path === '*' ? WHOLE : offerAt(app, path);
    if (offer === undefined && !isPreflight(request, reply)) {
      return done(new AppError('NOT_FOUND', 'There is nothing at this address.'));
    }
    if (offer !== undefined) reply.header('allow', allowOf(offer));
    if (offer?.acceptPatch !== undefined) reply.header('accept-patch', offer.acceptPatch);
    reply.code(204).send();
  });
}

function isPreflight({ headers }: FastifyRequest, reply: FastifyReply): boolean {
  return headers['access-control-request-method'] !== undefined && reply.hasHeader('access-control-allow-origin');
}
