import type { FastifyInstance } from 'fastify';
import type { ServerConfig } from '../../config/config.ts';
import { isLoopback } from '../../config/loopback.ts';
import { AppError } from '../../errors.ts';
import { identityOf } from '../auth/identity-of.ts';
import { isHealth } from '../checks/host.ts';
import { opensStream } from '../checks/origin.ts';
import { makeAddressOf } from '../client-address.ts';
import { RateLimiter } from './rate-limiter.ts';

type Limited = Pick<ServerConfig, 'host' | 'trustProxy' | 'limits'>;

/**
 * Bounds how often an address or a principal may ask, before anything is done for them. Who it is shows only after the
 * address has been counted; a principal gets that token back and pays with his own. That, and streams that are counted
 * apart, is why the limits are our own: a plugin has one rule for a route. Where every client is on this machine and those
 * are not limited, no request pays for it.
 */
export function registerRateLimits(app: FastifyInstance, { host, trustProxy, limits }: Limited): void {
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
  // Only here it is certain that whoever finds out who asks has done so.
  app.addHook('preHandler', (request, _reply, done) => {
    const identity = identityOf(request);
    const address = identity.type !== 'principal' || opensStream(request) ? undefined : addressOf(request);
    if (address === undefined || identity.type !== 'principal') return done();
    anonymous?.giveBack(address);
    done(take(principals, identity.sub));
  });
}

/** The refusal, when there is no token left. */
function take(limiter: RateLimiter | undefined, key: string): AppError | undefined {
  const wait = limiter?.take(key) ?? 0;
  if (wait === 0) return undefined;
  return new AppError('RATE_LIMITED', 'You ask more often than the limits of this server allow.', {
    headers: { 'retry-after': String(Math.ceil(wait / 1000)) },
  });
}

function makeLimiter(perSecond: number, burst: number): RateLimiter | undefined {
  return perSecond === 0 ? undefined : new RateLimiter({ perSecond, burst });
}
