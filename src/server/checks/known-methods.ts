import type { FastifyInstance } from 'fastify';

/** Methods that any route may accept, in the order of `Allow`; OPTIONS comes in addition. */
export const METHODS = ['GET', 'HEAD', 'QUERY', 'POST', 'PUT', 'PATCH', 'DELETE'];

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True when the route only answers 405: its methods do not count as allowed. */
    refuses?: boolean;
    /** Value of `Accept-Patch` (RFC 5789 §3.1) for the address. */
    acceptPatch?: string;
    /** Value of `Accept-Query` (RFC 10008) for the address. */
    acceptQuery?: string;
  }
}

/** Methods of one address. */
export interface Offer {
  readonly methods: Set<string>;
  /** True when the address only opens streams. */
  isStream: boolean;
  acceptPatch?: string;
  acceptQuery?: string;
}

interface MethodTable {
  readonly byPath: Map<string, Offer>;
  /** Addresses with parameters; addresses without a wildcard come first. */
  readonly patterns: (Offer & { readonly url: string; readonly pattern: RegExp })[];
  /** Functions that return true when a file is at a path. */
  readonly files: ((path: string) => boolean)[];
}

const FILE: Offer = { methods: new Set(['GET', 'HEAD']), isStream: false };
const servers = new WeakMap<FastifyInstance['server'], MethodTable>();

/** Records the methods of every route that is registered after this call. */
export function trackMethods(app: FastifyInstance): void {
  const known: MethodTable = { byPath: new Map(), patterns: [], files: [] };
  servers.set(app.server, known);
  app.addHook('onRoute', ({ url, method, constraints, config }) => {
    const { transport } = (constraints ?? {}) as { readonly transport?: string };
    // Files are looked up one by one (`trackFiles`), and `*` is the route of the CORS plugin, not an address.
    const isOfFiles = transport === undefined && url.endsWith('*');
    if (config?.refuses === true || isOfFiles) return;
    const offer = offerOf(known, url);
    const isStream = transport === 'sse' || transport === 'ws';
    if (!isStream) {
      offer.isStream = false;
      for (const each of [method].flat()) offer.methods.add(each);
    }
    if (config?.acceptPatch !== undefined) offer.acceptPatch = config.acceptPatch;
    if (config?.acceptQuery !== undefined) offer.acceptQuery = config.acceptQuery;
  });
}

/** Records where static files are, since they have no routes of their own. */
export function trackFiles({ server }: FastifyInstance, exists: (path: string) => boolean): void {
  servers.get(server)?.files.push(exists);
}

/** Returns the methods of an address; undefined when nothing is there. */
export function offerAt({ server }: FastifyInstance, path: string): Offer | undefined {
  const known = servers.get(server);
  if (known === undefined) return undefined;
  const { byPath, patterns, files } = known;
  const offer = byPath.get(path) ?? patterns.find(({ pattern }) => pattern.test(path));
  return offer ?? (files.some((exists) => exists(path)) ? FILE : undefined);
}

/** Returns the value of `Allow` when the address exists and does not accept the method; else undefined. */
export function allowedAt(app: FastifyInstance, path: string, method: string): string | undefined {
  const offer = offerAt(app, path);
  return offer === undefined || offer.isStream || offer.methods.has(method) ? undefined : allowOf(offer);
}

/** Formats the methods of an address for `Allow` (RFC 9110 §10.2.1). */
export function allowOf({ methods, isStream }: Offer): string {
  return listMethods(isStream ? ['GET'] : METHODS.filter((each) => methods.has(each)));
}

/** Formats methods for `Allow`, with OPTIONS, which every address answers. */
export function listMethods(methods: readonly string[]): string {
  return [...methods, 'OPTIONS'].join(', ');
}

function offerOf({ byPath, patterns }: MethodTable, url: string): Offer {
  const found = byPath.get(url) ?? patterns.find((each) => each.url === url);
  if (found !== undefined) return found;
  const offer: Offer = { methods: new Set(), isStream: true };
  if (!/[:*]/.test(url)) {
    byPath.set(url, offer);
    return offer;
  }
  const made = { ...offer, url, pattern: patternOf(url) };
  if (url.includes('*')) patterns.push(made);
  else patterns.unshift(made);
  return made;
}

/** Makes the pattern of a route. A parameter is a whole segment or the rest of one. */
function patternOf(url: string): RegExp {
  const source = url
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/:\w+/g, '[^/]+')
    .replace(/\*/g, '.*');
  return new RegExp(`^${source}$`);
}
