import type { FastifyRequest } from 'fastify';
import type { AppAuth } from '../../auth/app-auth.ts';
import { unauthorized } from '../../auth/auth-errors.ts';
import type { Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import type { RoomsHandle } from '../../hub/rooms/rooms.ts';
import type { CodeTables } from '../../resources/transactions/code.ts';
import { identityOf, parseQuery, queryOf } from '../../server/request.ts';
import type { RouteContext, RouteRooms } from './define.ts';
import type { Route } from './route.ts';
import { validate } from './standard-schema.ts';

/** Shared state of all routes of one application. */
export interface RouteScope {
  readonly appId: string;
  readonly auth: AppAuth | undefined;
  readonly tables: CodeTables;
  readonly as: (identity: Identity) => CodeTables;
  readonly rooms: RouteRooms;
  /** Clients receive the message of an error that a handler throws; otherwise only the log has it. */
  readonly showsDetails: boolean;
  /** Reports errors in code of the application. */
  readonly onError: (error: unknown) => void;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A context whose identity is updated when the credentials of its connection change. */
export type LiveContext = Mutable<RouteContext>;

/** Rooms by the name of their connector, without a prototype: any unknown name is undefined. */
export function makeRooms(handles: ReadonlyMap<string, RoomsHandle>): RouteRooms {
  const rooms = [...handles].map(([name, handle]) => [name, toPublicHandle(handle)]);
  return Object.freeze(Object.assign(Object.create(null), Object.fromEntries(rooms)));
}

/** Exposes the public methods only. */
function toPublicHandle(handle: RoomsHandle): RoomsHandle {
  return Object.freeze({
    broadcast: (data: unknown) => handle.broadcast(data),
    sendToRoom: (room: string, data: unknown) => handle.sendToRoom(room, data),
    sendToUser: (user: string, data: unknown) => handle.sendToUser(user, data),
    members: (room: string) => handle.members(room),
  });
}

/** Checks access and the query string. Throws UNAUTHORIZED, FORBIDDEN or VALIDATION_ERROR. */
export async function makeContext(
  request: FastifyRequest,
  route: Route,
  { scope, signal }: { readonly scope: RouteScope; readonly signal: AbortSignal },
): Promise<LiveContext> {
  const identity = identityOf(request);
  checkAccess(route, identity, scope.auth);
  const raw = parseQuery(queryOf(request), route.kind === 'sse' ? ['stream'] : []);
  const query = await validate(route.query, raw, 'query string');
  const [path = ''] = (request.raw.url ?? '').split('?', 1);
  return {
    method: request.method,
    path,
    params: { ...(request.params as Record<string, string>) },
    query,
    headers: request.headers,
    ip: request.ip,
    identity,
    context: {},
    tables: scope.tables,
    as: scope.as,
    rooms: scope.rooms,
    signal,
  };
}

/** Throws UNAUTHORIZED for an anonymous caller, FORBIDDEN for a caller without any of the roles. */
export function checkAccess({ access }: Pick<Route, 'access'>, identity: Identity, auth: AppAuth | undefined): void {
  if (access === undefined) return;
  if (identity.type !== 'principal') throw unauthorized('This address is for authenticated callers.');
  if (access === 'authenticated') return;
  const { roles } = identity;
  if (!roles.some((role) => access.includes(role) || role === auth?.config.adminRole)) {
    throw new AppError('FORBIDDEN', 'This address is for other roles.');
  }
}
