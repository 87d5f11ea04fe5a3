/** First segment of every address of the server's own: `/{app_id}/_/…`, and `/_/…` for the whole server. */
export const OWN_SEGMENT = '_';

/** Name of the address of transactions among those of the server's own. */
export const TRANSACTION_NAME = 'transaction';

/** Returns an address of the server's own below an application: `/{app_id}/_/auth`. */
export function ownPath(appId: string, name: string): string {
  return `/${appId}/${OWN_SEGMENT}/${name}`;
}

/** True for a segment that is the server's own, now or later: tables, applications and routes do not begin with it. */
export function beginsAsOwn(segment: string): boolean {
  return segment.startsWith(OWN_SEGMENT);
}

/** Places where the server uses a first path segment itself. */
interface Reserved {
  /** True when it is used at the root of the server: no application can have this id. */
  readonly root: boolean;
  /** True when it is used below `/{app_id}`: neither a route nor a flow can begin with it. */
  readonly app: boolean;
}

/**
 * First path segments of aliases: addresses that the server had before `_`, and keeps. Names of tables have further rules
 * (schema/names.ts).
 */
const RESERVED: Readonly<Record<string, Reserved>> = {
  // An app id `api` would hide the short addresses of routes and of the multiplexed protocol.
  api: { root: true, app: false },
  auth: { root: true, app: true },
  health: { root: true, app: false },
  metrics: { root: true, app: false },
  'socket.io': { root: true, app: false },
  docs: { root: false, app: true },
  'openapi.json': { root: false, app: true },
  'asyncapi.json': { root: false, app: true },
  'client.js': { root: false, app: true },
  flows: { root: false, app: true },
};

function find(segment: string): Reserved | undefined {
  return Object.hasOwn(RESERVED, segment) ? RESERVED[segment] : undefined;
}

export function isReservedAppId(appId: string): boolean {
  return beginsAsOwn(appId) || find(appId.toLowerCase())?.root === true;
}

/** True when a path without app id would take one of the server's paths. `/api` is reserved for such paths. */
export function isReservedAtRoot(segment: string): boolean {
  return beginsAsOwn(segment) || (segment !== 'api' && find(segment)?.root === true);
}

export function isReservedInApp(segment: string): boolean {
  return beginsAsOwn(segment) || find(segment)?.app === true;
}
