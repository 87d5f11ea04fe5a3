import type { FastifyRequest } from 'fastify';
import type { AppAuth } from '../../auth/app-auth.ts';
import { unauthorized } from '../../auth/auth-errors.ts';
import type { Identity } from '../../auth/identity.ts';
import type { RoomAccess } from '../../auth/rooms/access.ts';
import { AppError } from '../../errors.ts';
import type { RoomsHandle } from '../../hub/rooms/rooms.ts';
import type { CodeTables } from '../../resources/transactions/code.ts';
import { identityOf, parseQuery, queryOf } from '../../server/request.ts';
import type { CallerRooms, RouteContext, RouteRooms, SystemAccess } from './define.ts';
import type { Route } from './route.ts';
import { validate } from './standard-schema.ts';

/** Shared state of all routes of one application. */
export interface RouteScope {
  readonly appId: string;
  readonly auth: AppAuth | undefined;
  readonly as: (identity: Identity) => CodeTables;
  readonly roomsOf: (identity: Identity) => RouteRooms;
  readonly system: SystemAccess;
  /** Asks the hooks of the application before the request; undefined where there are none. */
  readonly asked: ((context: RouteContext) => Promise<void>) | undefined;
  /** Clients receive the message of an error that a handler throws; otherwise only the log has it. */
  readonly showsDetails: boolean;
  /** Reports errors in code of the application. */
  readonly onError: (error: unknown) => void;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A context whose identity is updated when the credentials of its connection change. */
export type LiveContext = Mutable<RouteContext>;

/** Rooms by the name of their connector, without a prototype: any unknown name is undefined. */
function byName<Handle>(
  handles: ReadonlyMap<string, RoomsHandle>,
  make: (handle: RoomsHandle) => Handle,
): Readonly<Record<string, Handle>> {
  const rooms = [...handles].map(([name, handle]) => [name, Object.freeze(make(handle))]);
  return Object.freeze(Object.assign(Object.create(null), Object.fromEntries(rooms)));
}

/** Rooms with all rights. */
export function makeRooms(handles: ReadonlyMap<string, RoomsHandle>): SystemAccess['rooms'] {
  return byName(handles, toPublicHandle);
}

/** Rooms with the rights of a caller. */
export function makeCallerRooms(
  handles: ReadonlyMap<string, RoomsHandle>,
  access: RoomAccess | undefined,
  identity: Identity,
): RouteRooms {
  return byName<CallerRooms>(handles, (handle) => ({
    sendToRoom: async (room, data) => {
      await access?.check('send', room, identity);
      return handle.sendToRoom(room, data);
    },
    members: async (room) => {
      await access?.check('presence', room, identity);
      return handle.members(room);
    },
    broadcast: async (data) => handle.broadcast(data),
    sendToUser: async (user, data) => handle.sendToUser(user, data),
  }));
}

/** Makes a function whose result is kept for as long as the identity is in use. */
export function perIdentity<Result>(make: (identity: Identity) => Result): (identity: Identity) => Result {
  const made = new WeakMap<Identity, { readonly result: Result }>();
  return (identity) => {
    let known = made.get(identity);
    if (known === undefined) {
      known = { result: make(identity) };
      made.set(identity, known);
    }
    return known.result;
  };
}

/** Continues a context with the current rights of its caller. */
export function adoptIdentity(context: LiveContext, identity: Identity, scope: RouteScope): void {
  Object.assign(context, { identity, tables: scope.as(identity), rooms: scope.roomsOf(identity) });
}

/** Exposes the public methods only. */
function toPublicHandle(handle: RoomsHandle): RoomsHandle {
  return {
    broadcast: (data: unknown) => handle.broadcast(data),
    sendToRoom: (room: string, data: unknown) => handle.sendToRoom(room, data),
    sendToUser: (user: string, data: unknown) => handle.sendToUser(user, data),
    members: (room: string) => handle.members(room),
  };
}

/**
 * Checks access and the query string, and asks the hooks of the application. Throws UNAUTHORIZED, FORBIDDEN,
 * VALIDATION_ERROR, or the refusal of a hook.
 */
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
  const context: LiveContext = {
    method: request.method,
    path,
    params: { ...(request.params as Record<string, string>) },
    query,
    headers: request.headers,
    ip: request.ip,
    identity,
    context: {},
    tables: scope.as(identity),
    as: scope.as,
    rooms: scope.roomsOf(identity),
    system: scope.system,
    signal,
  };
  await scope.asked?.(context);
  return context;
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
