import type { FastifyRequest } from 'fastify';
import type { Principal } from '../auth/identity.ts';
import { AppError } from '../errors.ts';
import type { JsonValue } from '../schema/plan.ts';
import { identityOf } from '../server/request.ts';
import type { AdminApp } from './admin-hooks.ts';
import { readParameters } from './parameters.ts';

/** Caller that an administrator describes. */
export type DescribedCaller = Pick<Principal, 'sub' | 'roles' | 'claims'>;

const MEMBERS: ReadonlySet<string> = new Set(['sub', 'roles', 'claims']);

/**
 * Issues a token with which the administrator reads as another caller: the one that the body describes, or with `sub` alone
 * the built-in user of that id as it is now. Throws BAD_REQUEST, and NOT_FOUND where authentication is off.
 */
export async function issueView(request: FastifyRequest, { auth, config }: AdminApp): Promise<object> {
  readParameters(request, []);
  const viewer = identityOf(request);
  if (auth === undefined || viewer.type !== 'principal') {
    throw new AppError('NOT_FOUND', 'There are no callers to view as: authentication is off.');
  }
  const described = describeCallerIn(request.body);
  if (typeof described === 'string') throw new AppError('BAD_REQUEST', `The body ${described}.`);
  const caller = (await accountOf(request.body, auth)) ?? described;
  const { text, expiresAt } = auth.views.issue(viewer, caller);
  request.log.info({ app: config.appId, by: viewer.sub, sub: caller.sub, roles: caller.roles }, 'view token issued');
  const { sub, roles, claims } = caller;
  return { token: text, expires_at: new Date(expiresAt).toISOString(), sub, roles, claims };
}

/** Returns the built-in user, where the body names nothing but its id. */
async function accountOf(body: unknown, auth: NonNullable<AdminApp['auth']>): Promise<DescribedCaller | undefined> {
  if (!auth.config.users || Object.keys(body as object).length > 1) return undefined;
  const account = await auth.local.accounts.account((body as { readonly sub: string }).sub);
  if (account === undefined) return undefined;
  const { sub, name, roles, claims } = account;
  // As the tokens of the user have them.
  return { sub, roles, claims: { ...claims, name, sub, roles: [...roles] } };
}

/** Reads a caller from a JSON object with `sub`, `roles` and `claims`. Returns a sentence about what is wrong. */
export function describeCallerIn(value: unknown): DescribedCaller | string {
  if (!isObject(value)) return 'expected a JSON object such as {"sub":"u1","roles":["editor"]}';
  const { sub, roles = [], claims = {} } = value;
  const unknown = Object.keys(value).find((name) => !MEMBERS.has(name));
  if (unknown !== undefined) return `has sub, roles and claims, and not ${JSON.stringify(unknown.slice(0, 60))}`;
  if (typeof sub !== 'string' || sub === '') return 'needs sub, the subject of the caller';
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === 'string'))
    return 'roles must be a list of strings';
  if (!isObject(claims)) return 'claims is an object';
  return { sub, roles, claims: claims as Readonly<Record<string, JsonValue>> };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
