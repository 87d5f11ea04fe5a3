import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { LocalAccounts } from '../../auth/accounts/local-accounts.ts';
import type { LoggedIn, Logins } from '../../auth/accounts/logins.ts';
import { unauthorized } from '../../auth/auth-errors.ts';
import type { Principal } from '../../auth/identity.ts';
import type { AppAuthWithAccounts } from '../../auth/open-app-auth.ts';
import { nameProblem, passwordProblem } from '../../auth/policy/account-rules.ts';
import { AppError } from '../../errors.ts';
import { ignoreEmptyBody } from '../checks/empty-body.ts';
import { makeAuthentication } from './authentication.ts';
import { readTexts } from './body.ts';
import { identityOf } from './identity-of.ts';
import { registerAuthMe } from './me.ts';

export interface AuthRoutes {
  readonly paths: readonly string[];
  readonly accounts: LocalAccounts;
  /** Undefined without built-in users: then there are tickets only. */
  readonly logins: Logins | undefined;
  /** Whether anybody may make an account. */
  readonly signup: boolean;
  /** Finds out who asks, where that has to be known. */
  readonly authenticate: onRequestHookHandler;
}

type Answer = Promise<object | undefined> | object;

interface AuthRoute {
  readonly name: string;
  /** Whether only somebody may ask. */
  readonly known?: boolean;
  readonly answer: (request: FastifyRequest, reply: FastifyReply) => Answer;
}

const OTHER_METHODS = ['GET', 'PUT', 'PATCH', 'DELETE'];
const any = () => undefined;

/** Everything below `paths`: `/{app_id}/auth`, and `/auth` where it is the only application. */
export function registerAccounts(server: FastifyInstance, paths: readonly string[], auth: AppAuthWithAccounts): void {
  const { accounts, logins } = auth.local;
  for (const path of paths) registerAuthMe(server, path, auth);
  registerAuthRoutes(server, {
    paths,
    accounts,
    logins: logins(auth.tokens),
    signup: auth.config.signup,
    // A ticket is for one stream, and for nothing that lasts.
    authenticate: makeAuthentication(auth, { ticket: false, token: false }),
  });
}

/** The addresses where users come in, stay in and leave, and where tickets are had. All take POST alone. */
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
    // Neither what was asked nor what is answered is for anybody's cache (RFC 6749 §5.1).
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
      const message = `${request.method} is not for this address; it takes POST.`;
      throw new AppError('METHOD_NOT_ALLOWED', message, { headers: { allow: 'POST, OPTIONS' } });
    },
  });
}

function loginRoutes({ accounts, signup }: AuthRoutes, logins: Logins): AuthRoute[] {
  return [
    {
      name: 'signup',
      answer: async ({ body, ip }, reply) => {
        if (!signup) throw new AppError('FORBIDDEN', 'Accounts are made by those who run this server.');
        const { name, password } = readTexts(body, { name: nameProblem, password: passwordProblem });
        const answer = describe(await logins.signUp(name, password, ip));
        reply.code(201);
        return answer;
      },
    },
    {
      name: 'login',
      answer: async ({ body, ip }) => {
        const { name, password } = readTexts(body, { name: any, password: any });
        return describe(await logins.logIn(name, password, ip));
      },
    },
    {
      name: 'refresh',
      answer: async ({ body, ip }) => {
        const { refresh_token: token } = readTexts(body, { refresh_token: any });
        return describe(await logins.refresh(token, ip));
      },
    },
    {
      name: 'logout',
      answer: async ({ body }) => {
        await logins.logOut(readTexts(body, { refresh_token: any }).refresh_token);
        return undefined;
      },
    },
    { name: 'password', known: true, answer: (request) => changePassword(accounts, logins, request) },
  ];
}

async function changePassword(accounts: LocalAccounts, logins: Logins, request: FastifyRequest): Promise<object> {
  const { sub, keyId } = principalOf(request);
  const words = readTexts(request.body, { old: any, new: passwordProblem });
  if (keyId !== undefined || accounts.account(sub) === undefined) {
    throw new AppError('FORBIDDEN', 'Only a user of this server who has logged in has a password here.');
  }
  return describe(await logins.changePassword(sub, { old: words.old, next: words.new }, request.ip));
}

function issueTicket(accounts: LocalAccounts, request: FastifyRequest): object {
  const principal = principalOf(request);
  if (request.body !== undefined) readTexts(request.body, {});
  const { text, lifetime } = accounts.issueTicket(principal);
  const left = (principal.expiresAt ?? Number.POSITIVE_INFINITY) - Date.now();
  return { ticket: text, expires_in: Math.max(0, Math.floor(Math.min(lifetime, left) / 1000)) };
}

function principalOf(request: FastifyRequest): Principal {
  const identity = identityOf(request);
  if (identity.type === 'principal') return identity;
  throw unauthorized('Send a token or an API key: Authorization: Bearer …');
}

/** As OAuth 2.0 has it (RFC 6749 §5.1), with the user. */
function describe({ account, accessToken, expiresAt, refreshToken }: LoggedIn): object {
  const { sub, name, roles, claims } = account;
  return {
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: Math.max(0, Math.floor((expiresAt - Date.now()) / 1000)),
    refresh_token: refreshToken,
    user: { id: sub, name, roles, claims },
  };
}
