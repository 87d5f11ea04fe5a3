import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { CorsConfig } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { allowOf, METHODS, type Offer, offerAt } from './checks/known-methods.ts';
import { transportOf } from './request.ts';

/** Request headers that pages may send in addition to the ones that the Fetch standard allows. */
const REQUEST_HEADERS = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'If-None-Match',
  'Last-Event-ID',
  'Prefer',
  'X-Min-Position',
];
/** Response headers that pages may read in addition to the ones that the Fetch standard allows. */
const RESPONSE_HEADERS = [
  'Accept-Patch',
  'Accept-Query',
  'Allow',
  'ETag',
  'Idempotency-Replayed',
  'Link',
  'Location',
  'Preference-Applied',
  'Retry-After',
  'WWW-Authenticate',
  'X-Position',
  'X-Total-Count',
];
/** Seconds for which a browser may cache a preflight. */
const PREFLIGHT_MAX_AGE_S = 7200;

/** Lets pages of the configured origins read responses (Fetch §3.3). Without origins it costs requests nothing. */
export async function registerCors(
  app: FastifyInstance,
  { origins, credentials, allowedHeaders, exposedHeaders }: CorsConfig,
): Promise<void> {
  if (origins.length === 0) return;
  const { default: cors } = await import('@fastify/cors');
  const listed = new Set(origins);
  await app.register(cors, {
    // Other origins get no CORS headers, and their OPTIONS is answered as without CORS.
    origin: listed.has('*') ? '*' : (origin, done) => done(null, origin !== undefined && listed.has(origin) && origin),
    credentials,
    methods: METHODS,
    allowedHeaders: union(REQUEST_HEADERS, allowedHeaders),
    exposedHeaders: union(RESPONSE_HEADERS, exposedHeaders),
    maxAge: PREFLIGHT_MAX_AGE_S,
    strictPreflight: false,
    // `registerOptions` answers every OPTIONS, with these headers.
    preflightContinue: true,
  });
  if (listed.has('*')) return;
  // A route that sets Vary itself must not remove Origin: a cache would serve the response to other origins.
  app.addHook('onSend', (_request, reply, payload, done) => {
    const vary = String(reply.getHeader('vary') ?? '');
    if (!/(?:^|[\s,])(?:origin|\*)(?:$|[\s,])/i.test(vary))
      reply.header('vary', vary === '' ? 'Origin' : `${vary}, Origin`);
    done(null, payload);
  });
}

/** Joins two lists of header names without duplicates, ignoring case. */
function union(known: readonly string[], configured: readonly string[]): string[] {
  const names = new Map([...configured, ...known].map((name) => [name.toLowerCase(), name]));
  return [...names.values()].toSorted();
}

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
    if (offer?.acceptQuery !== undefined) reply.header('accept-query', offer.acceptQuery);
    reply.code(204).send();
  });
}

function isPreflight({ headers }: FastifyRequest, reply: FastifyReply): boolean {
  return headers['access-control-request-method'] !== undefined && reply.hasHeader('access-control-allow-origin');
}
