import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { LocalAccounts } from '../../auth/accounts/local-accounts.ts';
import type { LoggedIn, Logins } from '../../auth/accounts/logins.ts';
import type { AppAuth } from '../../auth/app-auth.ts';
import { unauthorized } from '../../auth/auth-errors.ts';
import type { Principal } from '../../auth/identity.ts';
import type { AppAuthWithAccounts } from '../../auth/open-app-auth.ts';
import { nameProblem, passwordProblem } from '../../auth/policy/account-rules.ts';
import { AppError } from '../../errors.ts';
import { ignoreEmptyBody } from '../body.ts';
import { identityOf } from '../request.ts';
import { makeAuthentication } from './authentication.ts';
import { readTexts } from './body.ts';

export interface AuthRoutes {
  readonly paths: readonly string[];
  readonly accounts: LocalAccounts;
  /** Undefined without built-in users: then the only route is `ticket`. */
  readonly logins: Logins | undefined;
  /** True when anonymous callers may create an account. */
  readonly signup: boolean;
  /** Authentication of the routes that need a caller. */
  readonly authenticate: onRequestHookHandler;
}

type RouteResult = Promise<object | undefined> | object;

interface AuthRoute {
  readonly name: string;
  /** True when the caller has to be authenticated. */
  readonly known?: boolean;
  /** Returns the body; undefined for 204. */
  readonly answer: (request: FastifyRequest, reply: FastifyReply) => RouteResult;
}

const OTHER_METHODS = ['GET', 'PUT', 'PATCH', 'DELETE'];
const anyString = () => undefined;

/** Registers all routes below `paths`: `/{app_id}/auth`, and `/auth` when there is no other application. */
export function registerAccounts(server: FastifyInstance, paths: readonly string[], auth: AppAuthWithAccounts): void {
  const { accounts, logins } = auth.local;
  for (const path of paths) registerAuthMe(server, path, auth);
  registerAuthRoutes(server, {
    paths,
    accounts,
    logins: logins(auth.tokens),
    signup: auth.config.signup,
    // A ticket opens one stream: it must not get its holder tokens, which last longer.
    authenticate: makeAuthentication(auth),
  });
}

/** Registers the routes that log users in, renew and end sessions, and issue tickets. All accept POST only. */
export function registerAuthRoutes(app: FastifyInstance, routes: AuthRoutes): void {
  const { paths, accounts, logins, authenticate } = routes;
  const ticketRoute: AuthRoute = { name: 'ticket', known: true, answer: (request) => issueTicket(accounts, request) };
  const all = [ticketRoute, ...(logins === undefined ? [] : loginRoutes(routes, logins))];
  for (const path of paths) for (const route of all) register(app, `${path}/${route.name}`, { route, authenticate });
}

function register(
  app: FastifyInstance,
  url: string,
  { route, authenticate }: Pick<AuthRoutes, 'authenticate'> & { route: AuthRoute },
): void {
  const forbidCaching: onRequestHookHandler = (_request, reply, done) => {
    // Neither the request nor the response may be stored by a cache (RFC 6749 §5.1).
    reply.header('cache-control', 'no-store');
    done();
  };
  const onRequest = route.known === true ? [forbidCaching, ignoreEmptyBody, authenticate] : [forbidCaching];
  app.post(url, { onRequest }, async (request, reply) => {
    const answer = await route.answer(request, reply);
    return answer ?? reply.code(204).send();
  });
  app.route({
    method: OTHER_METHODS,
    url,
    config: { refuses: true },
    onRequest: forbidCaching,
    handler: (request) => {
      const message = `${request.method} is not allowed at this address; it accepts POST.`;
      throw new AppError('METHOD_NOT_ALLOWED', message, { headers: { allow: 'POST, OPTIONS' } });
    },
  });
}

function loginRoutes({ accounts, signup }: AuthRoutes, logins: Logins): AuthRoute[] {
  return [
    {
      name: 'signup',
      answer: async ({ body, ip }, reply) => {
        if (!signup) throw new AppError('FORBIDDEN', 'Signup is off; an operator of this server creates accounts.');
        const { name, password } = readTexts(body, { name: nameProblem, password: passwordProblem });
        const answer = toTokenResponse(await logins.signUp(name, password, ip));
        reply.code(201);
        return answer;
      },
    },
    {
      name: 'login',
      answer: async ({ body, ip }) => {
        const { name, password } = readTexts(body, { name: anyString, password: anyString });
        return toTokenResponse(await logins.logIn(name, password, ip));
      },
    },
    {
      name: 'refresh',
      answer: async ({ body, ip }) => {
        const { refresh_token: token } = readTexts(body, { refresh_token: anyString });
        return toTokenResponse(await logins.refresh(token, ip));
      },
    },
    {
      name: 'logout',
      answer: async ({ body }) => {
        await logins.logOut(readTexts(body, { refresh_token: anyString }).refresh_token);
        return undefined;
      },
    },
    { name: 'password', known: true, answer: (request) => changePassword(accounts, logins, request) },
  ];
}

async function changePassword(accounts: LocalAccounts, logins: Logins, request: FastifyRequest): Promise<object> {
  const { sub, keyId } = principalOf(request);
  const passwords = readTexts(request.body, { old: anyString, new: passwordProblem });
  if (keyId !== undefined || (await accounts.account(sub)) === undefined) {
    throw new AppError('FORBIDDEN', 'Only a built-in user who has logged in can change a password.');
  }
  return toTokenResponse(await logins.changePassword(sub, { old: passwords.old, next: passwords.new }, request.ip));
}

async function issueTicket(accounts: LocalAccounts, request: FastifyRequest): Promise<object> {
  const principal = principalOf(request);
  if (request.body !== undefined) readTexts(request.body, {});
  const { text, lifetime } = await accounts.issueTicket(principal);
  const left = (principal.expiresAt ?? Number.POSITIVE_INFINITY) - Date.now();
  return { ticket: text, expires_in: Math.max(0, Math.floor(Math.min(lifetime, left) / 1000)) };
}

function principalOf(request: FastifyRequest): Principal {
  const identity = identityOf(request);
  if (identity.type === 'principal') return identity;
  throw unauthorized('Send a token or an API key: Authorization: Bearer …');
}

/** Makes a token response of OAuth 2.0 (RFC 6749 §5.1), with the user added. */
function toTokenResponse({ account, accessToken, expiresAt, refreshToken }: LoggedIn): object {
  const { sub, name, roles, claims } = account;
  return {
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: Math.max(0, Math.floor((expiresAt - Date.now()) / 1000)),
    refresh_token: refreshToken,
    user: { id: sub, name, roles, claims },
  };
}

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
