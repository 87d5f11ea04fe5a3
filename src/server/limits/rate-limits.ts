import type { FastifyInstance } from 'fastify';
import type { ServerConfig } from '../../config/config.ts';
import { isLoopback } from '../../config/loopback.ts';
import { AppError } from '../../errors.ts';
import { opensStream } from '../checks/origin.ts';
import { isHealth } from '../checks/request-head.ts';
import { makeAddressOf } from '../client-address.ts';
import { identityOf } from '../request.ts';
import { RateLimiter } from './rate-limiter.ts';

type RateLimitConfig = Pick<ServerConfig, 'host' | 'trustProxy' | 'limits'>;

/**
 * Limits the requests of an address or a principal before they are handled. The principal is known only after the address
 * has been counted; the address then gets its token back, and the principal pays with its own. For that, and for streams,
 * which are counted separately, no plugin is used: plugins have one rule for a route. Where every client is on this machine
 * and those are not limited, it costs requests nothing.
 */
export function registerRateLimits(app: FastifyInstance, { host, trustProxy, limits }: RateLimitConfig): void {
  if (isLoopback(host) && !trustProxy && !limits.rateLoopback) return;
  const addressOf = makeAddressOf(limits);
  const streams = makeLimiter(limits.newConnectionsPerSecond, limits.newConnectionsBurst);
  const anonymous = makeLimiter(limits.anonymousRequestsPerSecond, limits.anonymousRequestsBurst);
  const principals = makeLimiter(limits.requestsPerSecond, limits.requestsBurst);
  if (streams !== undefined || anonymous !== undefined) {
    app.addHook('onRequest', (request, _reply, done) => {
      const address = isHealth(request.raw.url) ? undefined : addressOf(request);
      const limiter = opensStream(request) ? streams : anonymous;
      done(address === undefined ? undefined : take(limiter, address));
    });
  }
  if (principals === undefined) return;
  // Authentication is certain to have run before this hook.
  app.addHook('preHandler', (request, _reply, done) => {
    const identity = identityOf(request);
    const address = identity.type !== 'principal' || opensStream(request) ? undefined : addressOf(request);
    if (address === undefined || identity.type !== 'principal') return done();
    anonymous?.giveBack(address);
    done(take(principals, identity.sub));
  });
}

/** Takes a token; returns RATE_LIMITED when there is none. */
function take(limiter: RateLimiter | undefined, key: string): AppError | undefined {
  const wait = limiter?.take(key) ?? 0;
  if (wait === 0) return undefined;
  return new AppError('RATE_LIMITED', 'You have sent more requests than the limits of this server allow.', {
    headers: { 'retry-after': String(Math.ceil(wait / 1000)) },
  });
}

function makeLimiter(perSecond: number, burst: number): RateLimiter | undefined {
  return perSecond === 0 ? undefined : new RateLimiter({ perSecond, burst });
}
