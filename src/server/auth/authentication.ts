import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify';
import { networkOf } from '../../auth/accounts/login-throttle.ts';
import type { AppAuth } from '../../auth/app-auth.ts';
import type { Credential } from '../../auth/credentials/authenticator.ts';
import { KEY_PREFIX } from '../../auth/credentials/key-prefix.ts';
import { ANONYMOUS } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import type { TablePlan } from '../../schema/plan.ts';
import { type QueryCredentials, takeCredential } from './credential.ts';

/** Prefix and id of a key: what may be seen of it. */
const SHOWN_PART = 12;

/** A table where it is found out who is asking. */
export interface GuardedTable {
  /** `/{app_id}/{Export}` */
  readonly path: string;
  readonly table: TablePlan;
  readonly auth: AppAuth;
}

/**
 * Finds out who is asking before anything else is done with a request: sets `request.identity`, or refuses with
 * UNAUTHORIZED. A request that shows nothing is anonymous.
 */
export function makeAuthentication(auth: AppAuth, doors: QueryCredentials): onRequestHookHandler {
  return (request, _reply, done) => {
    const credential = attempt(() => takeCredential(request.raw, doors));
    if (credential instanceof Error) {
      done(credential);
    } else if (credential === undefined) {
      request.identity = ANONYMOUS;
      done();
    } else {
      auth.authenticator.authenticate(credential).then(
        (principal) => {
          request.identity = principal;
          done(isGone(request) ? new AppError('BAD_REQUEST', 'The connection was closed.') : undefined);
        },
        (failure) => done(countWrongKey(auth, failure, { credential, ip: request.ip })),
      );
    }
  };
}

/** Has every door of these tables ask; to be called before their routes are made. */
export function registerAuthentication(server: FastifyInstance, tables: readonly GuardedTable[]): void {
  const hooks = new Map(
    tables.map(({ path, table, auth }) => {
      const names = new Set(table.fields.map(({ name }) => name));
      const doors = { ticket: !names.has('ticket'), token: auth.config.queryToken && !names.has('token') };
      return [path, makeAuthentication(auth, doors)] as const;
    }),
  );
  server.addHook('onRoute', (route) => {
    const hook = hooks.get(route.url.replace(/\/(?::id)?$/, ''));
    if (hook !== undefined) route.onRequest = [hook, ...[route.onRequest ?? []].flat()];
  });
}

function attempt<T>(run: () => T): T | Error {
  try {
    return run();
  } catch (error) {
    return error as Error;
  }
}

interface Shown {
  readonly credential: Credential;
  readonly ip: string;
}

/** Keys cannot be guessed: the count is for those who try nevertheless, and does not stop those with a good one. */
function countWrongKey({ attempts }: AppAuth, failure: Error, { credential: { text }, ip }: Shown): Error {
  const wrong = failure instanceof AppError && failure.code === 'UNAUTHORIZED' && text.startsWith(KEY_PREFIX);
  if (!wrong || attempts === undefined) return failure;
  return attempts.count(failure, `key ip ${networkOf(ip)}`, `key ${text.slice(0, SHOWN_PART)}`);
}

/** A stream that is opened for somebody who has left meanwhile would never hear of that. */
function isGone({ raw }: FastifyRequest): boolean {
  return raw.destroyed || raw.socket.destroyed;
}
