/** Where a first path segment of the server's own is found. */
interface Reserved {
  /** At the root of the server: no application can have this id. */
  readonly root: boolean;
  /** Below `/{app_id}`: neither a route nor a flow can begin with it. */
  readonly app: boolean;
}

/** First path segments that the server uses itself. Tables have further rules of their own (schema/names.ts). */
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
  return find(appId.toLowerCase())?.root === true;
}

/** True when the short address of the only application would take one of the server. `/api` is meant for it. */
export function isReservedAtRoot(segment: string): boolean {
  return segment !== 'api' && find(segment)?.root === true;
}

export function isReservedInApp(segment: string): boolean {
  return find(segment)?.app === true;
}
