import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify';
import { networkOf } from '../../auth/accounts/login-throttle.ts';
import type { AppAuth } from '../../auth/app-auth.ts';
import type { AuthenticateOptions, Credential } from '../../auth/credentials/authenticator.ts';
import { KEY_PREFIX } from '../../auth/credentials/token-authenticator.ts';
import { ANONYMOUS } from '../../auth/identity.ts';
import { isView } from '../../auth/policy/access.ts';
import { AppError } from '../../errors.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { Awaitable } from '../../store/store.ts';
import { type QueryCredentials, takeCredential } from './credential.ts';

/** Characters of an API key that are no secret: its prefix and its id. */
const KEY_ID_CHARS = 12;
/** Methods that a view token is for. */
const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'QUERY']);

/** A table whose requests are authenticated. */
export interface GuardedTable {
  /** `/{app_id}/{Export}` */
  readonly path: string;
  readonly table: TablePlan;
  readonly auth: AppAuth;
}

/**
 * Makes a hook that authenticates a request before anything else is done with it: it sets `request.identity`, or fails
 * with UNAUTHORIZED. A request without credentials is anonymous. View tokens are accepted only where `options` says so.
 */
export function makeAuthentication(
  auth: AppAuth,
  inQuery?: QueryCredentials,
  options?: AuthenticateOptions,
): onRequestHookHandler {
  return (request, _reply, done) => {
    const credential = attempt(() => takeCredential(request.raw, inQuery));
    if (credential instanceof Error) {
      done(credential);
    } else if (credential === undefined) {
      request.identity = ANONYMOUS;
      done();
    } else {
      auth.authenticator.authenticate(credential, options).then(
        (principal) => {
          request.identity = principal;
          done(isGone(request) ? new AppError('BAD_REQUEST', 'The connection was closed.') : undefined);
        },
        async (failure) => done(await countWrongKey(auth, failure, { credential, ip: request.ip })),
      );
    }
  };
}

/** Adds authentication to every route of these tables. Must run before their routes are registered. */
export function registerAuthentication(server: FastifyInstance, tables: readonly GuardedTable[]): void {
  const hooks = new Map(
    tables.map(({ path, table, auth }) => {
      const names = new Set(table.fields.map(({ name }) => name));
      const inQuery = { ticket: !names.has('ticket'), token: auth.config.queryToken && !names.has('token') };
      return [path, refuseViewedWrites(makeAuthentication(auth, inQuery, { acceptsViews: true }))] as const;
    }),
  );
  server.addHook('onRoute', (route) => {
    const hook = hooks.get(route.url.replace(/\/(?::id)?$/, ''));
    if (hook !== undefined) route.onRequest = [hook, ...[route.onRequest ?? []].flat()];
  });
}

/** Refuses a write with a view token before anything is looked up for it, an earlier answer to the same key included. */
function refuseViewedWrites(authenticate: onRequestHookHandler): onRequestHookHandler {
  return function (request, reply, done) {
    authenticate.call(this, request, reply, (failure?: Error) => {
      const isRefused = failure === undefined && isView(request.identity ?? ANONYMOUS) && !READS.has(request.method);
      done(isRefused ? new AppError('FORBIDDEN', 'A view token only reads.') : failure);
    });
  };
}

function attempt<T>(run: () => T): T | Error {
  try {
    return run();
  } catch (error) {
    return error as Error;
  }
}

interface PresentedCredential {
  readonly credential: Credential;
  readonly ip: string;
}

/**
 * Counts an API key that is not valid. Keys cannot be guessed: the count slows down clients that try nevertheless, and does
 * not stop clients with a valid key.
 */
function countWrongKey({ attempts }: AppAuth, failure: Error, presented: PresentedCredential): Awaitable<Error> {
  const { text } = presented.credential;
  const wrong = failure instanceof AppError && failure.code === 'UNAUTHORIZED' && text.startsWith(KEY_PREFIX);
  if (!wrong || attempts === undefined) return failure;
  return attempts.count(failure, `key ip ${networkOf(presented.ip)}`, `key ${text.slice(0, KEY_ID_CHARS)}`);
}

/** True when the client has disconnected. A stream that is opened after that would never get its `close` event. */
function isGone({ raw }: FastifyRequest): boolean {
  return raw.destroyed || raw.socket.destroyed;
}
