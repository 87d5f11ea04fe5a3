import type { FastifyRequest } from 'fastify';
import type { AppAuth } from '../../auth/app-auth.ts';
import { unauthorized } from '../../auth/auth-errors.ts';
import type { Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import { identityOf } from '../../server/auth/identity-of.ts';
import { parseQuery, queryOf } from '../../server/query-of.ts';
import type { ConnectionInfo } from './connection-events.ts';
import type { Openness, RoomSettings } from './settings.ts';

/** Parameters that are credentials, and the one that says who somebody is where nobody is asked. */
const NOT_TOLD = ['token', 'ticket', 'user_id', 'stream'];

interface VisitorRules {
  readonly auth: AppAuth | undefined;
  readonly settings: Pick<RoomSettings, 'access'>;
  /** Characters of a user's id. */
  readonly id: number;
}

/** Who connects. Throws UNAUTHORIZED where that has to be shown, INVALID_QUERY for a `user_id` that cannot be one. */
export function readConnectionInfo(request: FastifyRequest, { auth, settings, id }: VisitorRules): ConnectionInfo {
  const identity = identityOf(request);
  checkOpenness(settings.access ?? (auth === undefined ? 'anyone' : 'authenticated'), identity);
  const query = queryOf(request);
  // Where callers show who they are, nobody is believed who only says it.
  const user = identity.type === 'principal' ? identity.sub : auth === undefined ? readUserId(query, id) : undefined;
  return { identity, user, query: parseQuery(query, NOT_TOLD) };
}

/** Throws UNAUTHORIZED. */
export function checkOpenness(openness: Openness, identity: Identity): void {
  if (openness === 'authenticated' && identity.type !== 'principal') {
    throw unauthorized('This is for those who have shown who they are.');
  }
}

function readUserId(query: string, longest: number): string | undefined {
  const [user, another] = new URLSearchParams(query).getAll('user_id');
  if (user === undefined || user === '') return undefined;
  if (another !== undefined) throw new AppError('INVALID_QUERY', 'user_id is given twice.');
  if (user.length > longest) throw new AppError('INVALID_QUERY', `user_id may have ${longest} characters at most.`);
  return user;
}
