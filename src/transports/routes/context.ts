import type { FastifyRequest } from 'fastify';
import type { AppAuth } from '../../auth/app-auth.ts';
import { unauthorized } from '../../auth/auth-errors.ts';
import { type Identity, SERVER } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import type { RoomsHandle } from '../../hub/rooms/rooms.ts';
import { makeHandles } from '../../resources/table/handle.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { NamedTables } from '../../resources/tables.ts';
import { identityOf } from '../../server/auth/identity-of.ts';
import { parseQuery, queryOf } from '../../server/query-of.ts';
import type { RouteContext, RouteRooms } from './define.ts';
import type { Route } from './route.ts';
import { validate } from './standard-schema.ts';

/** What all routes of one application share. */
export interface RouteScope {
  readonly auth: AppAuth | undefined;
  readonly tables: NamedTables;
  readonly as: (identity: Identity) => NamedTables;
  readonly rooms: RouteRooms;
  /** Whether clients are told what was wrong in a handler; otherwise only the log is. */
  readonly showsDetails: boolean;
  /** Faults in code of the application. */
  readonly onError: (error: unknown) => void;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A context whose identity follows its opener. */
export type LiveContext = Mutable<RouteContext>;

export function makeTables(resources: ReadonlyMap<string, TableResource>, identity: Identity = SERVER): NamedTables {
  // Without a prototype: a name that is no table is undefined, whatever it is.
  return Object.freeze(Object.assign(Object.create(null), Object.fromEntries(makeHandles(resources, identity))));
}

/** By the name of their connector; a name that is none is undefined, whatever it is. */
export function makeRooms(handles: ReadonlyMap<string, RoomsHandle>): RouteRooms {
  const rooms = [...handles].map(([name, handle]) => [name, bound(handle)]);
  return Object.freeze(Object.assign(Object.create(null), Object.fromEntries(rooms)));
}

/** No more than is promised. */
function bound(handle: RoomsHandle): RoomsHandle {
  return Object.freeze({
    broadcast: (data: unknown) => handle.broadcast(data),
    sendToRoom: (room: string, data: unknown) => handle.sendToRoom(room, data),
    sendToUser: (user: string, data: unknown) => handle.sendToUser(user, data),
    members: (room: string) => handle.members(room),
  });
}

/** Checks who asks and the query string. Throws UNAUTHORIZED, FORBIDDEN or VALIDATION_ERROR. */
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

/** Throws UNAUTHORIZED when nobody has shown who he is, FORBIDDEN when he has none of the roles. */
export function checkAccess({ access }: Pick<Route, 'access'>, identity: Identity, auth: AppAuth | undefined): void {
  if (access === undefined) return;
  if (identity.type !== 'principal') throw unauthorized('This address is for those who have shown who they are.');
  if (access === 'authenticated') return;
  const { roles } = identity;
  if (!roles.some((role) => access.includes(role) || role === auth?.config.adminRole)) {
    throw new AppError('FORBIDDEN', 'This address is for other roles.');
  }
}
