import { suggest } from '../../config/files/suggest.ts';
import type { Wrong } from '../../config/keys/units.ts';
import type { HttpHandler, RouteHooks, RouteMethod, SseHandler, WsHandler } from './define.ts';
import { METHODS, type Route } from './route.ts';
import { isSchema, type StandardSchema } from './standard-schema.ts';

type Members = Readonly<Record<string, unknown>>;

const KINDS = ['http', 'sse', 'ws'] as const;
const SCHEMAS = ['query', 'message', 'body', 'input'] as const;
const MEMBERS: Readonly<Record<(typeof KINDS)[number], readonly string[]>> = {
  http: ['kind', 'method', 'query', 'body', 'input', 'access', 'hooks', 'handler'],
  sse: ['kind', 'query', 'input', 'access', 'hooks', 'handler'],
  ws: ['kind', 'query', 'message', 'input', 'access', 'renew', 'hooks', 'handler'],
};
const HOOKS = ['before', 'after', 'cleanup'] as const;
const CALLBACKS = ['onOpen', 'onMessage', 'onClose', 'onError'] as const;
const SEGMENT = /^(?::[A-Za-z_][A-Za-z0-9_]*|[A-Za-z0-9_~-][A-Za-z0-9._~-]*)$/;

/** Origin of a route, and the receiver of its errors. */
export interface RouteOrigin {
  readonly key: string;
  readonly module: string;
  /** Hooks of the module. */
  readonly hooks: RouteHooks | undefined;
  readonly wrong: (wrong: Wrong) => void;
}

/** Checks a route. Returns undefined after reporting its errors to `wrong`. */
export function parseRoute(value: unknown, { key, module, hooks, wrong }: RouteOrigin): Route | undefined {
  const errors: Wrong[] = [];
  const route = isMembers(value) ? value : {};
  if (!isMembers(value)) errors.push({ message: 'is not a route', hint: 'make it with defineRoute({ … })' });
  if (!key.split('/').every((segment) => SEGMENT.test(segment))) {
    const hint = 'segments of letters, digits, "-", "_", "." and "~", or ":name", with "/" between them';
    errors.push({ message: 'is not a path', hint });
  }
  const kind = KINDS.find((name) => name === (route.kind ?? 'http'));
  if (kind === undefined) errors.push({ message: 'has an invalid kind', hint: "'http', 'sse' or 'ws'" });
  else if (errors.length === 0) errors.push(...checkMembers(route, kind));
  for (const error of errors) wrong({ ...error, message: `route "${key}" ${error.message}` });
  if (errors.length > 0) return undefined;
  const own = route.hooks as RouteHooks | undefined;
  const all = [hooks, own].filter((each) => each !== undefined);
  return build(route, { key, module, hooks: all });
}

/** Errors in the hooks of a route or of a module. */
export function checkHooks(value: unknown): Wrong[] {
  if (value === undefined) return [];
  if (!isMembers(value)) return [{ message: 'has hooks that are not an object', hint: `{ ${HOOKS.join(', ')} }` }];
  const wrong = Object.entries(value).find(([name, hook]) => {
    const isKnown = HOOKS.some((known) => known === name);
    return !isKnown || (hook !== undefined && ![hook].flat().every((one) => typeof one === 'function'));
  })?.[0];
  if (wrong === undefined) return [];
  if (HOOKS.some((known) => known === wrong)) return [{ message: `has a hook "${wrong}" that is not a function` }];
  return [{ message: `has an unknown hook "${wrong}"`, hint: suggest(wrong, HOOKS) ?? `one of ${HOOKS.join(', ')}` }];
}

function checkMembers(route: Members, kind: Route['kind']): Wrong[] {
  const known = MEMBERS[kind];
  const unknown = Object.keys(route).filter((name) => !known.includes(name));
  const { access } = route;
  return [
    ...unknown.map((name) => ({
      message: `has "${name}", which ${kind} routes do not have`,
      hint: suggest(name, known) ?? `they have ${known.join(', ')}`,
    })),
    ...SCHEMAS.filter((name) => route[name] !== undefined && !isSchema(route[name])).map((name) => ({
      message: `has a ${name} that is not a schema`,
      hint: 'a schema of a library that has Standard Schema v1, such as z.object({ … })',
    })),
    ...checkMethods(route, kind),
    ...(access === undefined || access === 'authenticated' || isStrings(access)
      ? []
      : [{ message: 'has an invalid access', hint: "'authenticated', or a list of roles" }]),
    ...(route.renew === undefined || typeof route.renew === 'boolean'
      ? []
      : [{ message: 'has an invalid renew', hint: 'true or false' }]),
    ...checkHooks(route.hooks),
    ...(kind === 'ws' ? checkCallbacks(route.handler) : []),
    ...(kind === 'ws' || typeof route.handler === 'function'
      ? []
      : [{ message: 'has no handler', hint: kind === 'http' ? 'a function' : 'an async generator function' }]),
  ];
}

function checkMethods({ method }: Members, kind: Route['kind']): Wrong[] {
  if (kind !== 'http' || method === undefined) return [];
  const methods = [method].flat();
  const isValid = methods.length > 0 && methods.every((name) => METHODS.some((known) => known === name));
  return isValid ? [] : [{ message: 'has an invalid method', hint: `one or several of ${METHODS.join(', ')}` }];
}

function checkCallbacks(handler: unknown): Wrong[] {
  if (!isMembers(handler)) {
    return [
      { message: 'has no handler', hint: `an object of ${CALLBACKS.join(', ')}, of which onMessage must be there` },
    ];
  }
  const names = Object.keys(handler);
  const unknown = names.filter((name) => !CALLBACKS.some((known) => known === name));
  const others = CALLBACKS.filter((name) => handler[name] !== undefined && typeof handler[name] !== 'function');
  return [
    ...unknown.map((name) => ({
      message: `has "${name}" in its handler`,
      hint: suggest(name, CALLBACKS) ?? `it has ${CALLBACKS.join(', ')}`,
    })),
    ...others.map((name) => ({ message: `has an ${name} that is not a function` })),
    ...(handler.onMessage === undefined
      ? [{ message: 'has no onMessage', hint: 'a ws route needs it: onMessage(message, connection) { … }' }]
      : []),
  ];
}

function build(route: Members, found: Pick<Route, 'key' | 'module' | 'hooks'>): Route {
  const { kind = 'http', method, query, message, body, input, handler } = route;
  const access = route.access as Route['access'];
  const base = { ...found, access, query: query as StandardSchema | undefined };
  if (kind === 'ws') {
    const schema = (message ?? input) as StandardSchema | undefined;
    return { ...base, kind, message: schema, renew: route.renew !== false, handler: handler as WsHandler };
  }
  if (kind === 'sse') {
    const schema = (query ?? input) as StandardSchema | undefined;
    return { ...base, kind, query: schema, handler: handler as SseHandler };
  }
  const schema = (body ?? input) as StandardSchema | undefined;
  const methods = [method ?? (schema === undefined ? 'GET' : 'POST')].flat() as RouteMethod[];
  return { ...base, kind: 'http', methods, body: schema, handler: handler as HttpHandler };
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isStrings(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string' && item !== '');
}
