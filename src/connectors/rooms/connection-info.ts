import type { FastifyRequest } from 'fastify';
import type { AppAuth } from '../../auth/app-auth.ts';
import { unauthorized } from '../../auth/auth-errors.ts';
import type { Identity } from '../../auth/identity.ts';
import { identityOf, parseQuery, queryOf, readUserId } from '../../server/request.ts';
import type { ConnectionInfo } from './connection-events.ts';
import type { Openness, RoomSettings } from './settings.ts';

/** Parameters that flows do not get: credentials, the unverified `user_id`, and the one that selects the transport. */
const HIDDEN_PARAMETERS = ['token', 'ticket', 'user_id', 'stream'];

interface ConnectionInfoOptions {
  /** Undefined where authentication is off. */
  readonly auth: AppAuth | undefined;
  readonly settings: Pick<RoomSettings, 'access'>;
  /** Characters of a user's id. */
  readonly id: number;
}

/** Reads the client of a request. Throws UNAUTHORIZED for one that must be authenticated, INVALID_QUERY for a bad `user_id`. */
export function readConnectionInfo(
  request: FastifyRequest,
  { auth, settings, id }: ConnectionInfoOptions,
): ConnectionInfo {
  const identity = identityOf(request);
  checkAccess(identity, { auth, settings });
  const query = queryOf(request);
  // Where authentication is on, an unverified `user_id` is ignored.
  const user = identity.type === 'principal' ? identity.sub : auth === undefined ? readUserId(query, id) : undefined;
  return { identity, user, query: parseQuery(query, HIDDEN_PARAMETERS) };
}

/** Throws UNAUTHORIZED for a client that must be authenticated to connect. */
export function checkAccess(identity: Identity, { auth, settings }: Omit<ConnectionInfoOptions, 'id'>): void {
  checkOpenness(settings.access ?? (auth === undefined ? 'anyone' : 'authenticated'), identity);
}

/** Throws UNAUTHORIZED for an anonymous client where that is not enough. */
export function checkOpenness(openness: Openness, identity: Identity): void {
  if (openness === 'authenticated' && identity.type !== 'principal') {
    throw unauthorized('Only authenticated callers may do this.');
  }
}
