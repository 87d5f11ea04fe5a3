import type { FastifyInstance } from 'fastify';
import type { CorsConfig } from '../config/config.ts';
import { METHODS } from './checks/known-methods.ts';

/** Beside those that every page may send. */
const REQUEST_HEADERS = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'If-None-Match',
  'Last-Event-ID',
  'Prefer',
];
/** Beside those that every page may read. */
const ANSWER_HEADERS = [
  'Accept-Patch',
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
/** Seconds for which a browser need not ask again. */
const PREFLIGHT_AGE = 7200;

/** Lets pages of the configured origins read answers (Fetch §3.3). Without any, no request pays for it. */
export async function registerCors(
  app: FastifyInstance,
  { origins, credentials, allowedHeaders, exposedHeaders }: CorsConfig,
): Promise<void> {
  if (origins.length === 0) return;
  const { default: cors } = await import('@fastify/cors');
  const listed = new Set(origins);
  await app.register(cors, {
    // Others get no headers at all, and their OPTIONS is answered as without CORS.
    origin: listed.has('*') ? '*' : (origin, done) => done(null, origin !== undefined && listed.has(origin) && origin),
    credentials,
    methods: METHODS,
    allowedHeaders: union(REQUEST_HEADERS, allowedHeaders),
    exposedHeaders: union(ANSWER_HEADERS, exposedHeaders),
    maxAge: PREFLIGHT_AGE,
    strictPreflight: false,
    // The answer to OPTIONS is the same for all, with these header fields.
    preflightContinue: true,
  });
  if (listed.has('*')) return;
  // A route that says what else its answer depends on must not take this away: a cache would give it to other origins.
  app.addHook('onSend', (_request, reply, payload, done) => {
    const vary = String(reply.getHeader('vary') ?? '');
    if (!/(?:^|[\s,])(?:origin|\*)(?:$|[\s,])/i.test(vary))
      reply.header('vary', vary === '' ? 'Origin' : `${vary}, Origin`);
    done(null, payload);
  });
}

/** Names of header fields, each once, whatever its case. */
function union(ours: readonly string[], more: readonly string[]): string[] {
  const names = new Map([...more, ...ours].map((name) => [name.toLowerCase(), name]));
  return [...names.values()].toSorted();
}
