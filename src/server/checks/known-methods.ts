import type { FastifyInstance } from 'fastify';

/** All that anything here takes, in the order in which they are named, beside OPTIONS. */
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route refuses what it takes: it says which methods there are. */
    refuses?: boolean;
    /** What `Accept-Patch` (RFC 5789 §3.1) says of the address. */
    acceptPatch?: string;
  }
}

/** What can be done at one address. */
export interface Offer {
  readonly methods: Set<string>;
  /** It opens a stream, and can be had in no other way. */
  isStream: boolean;
  acceptPatch?: string;
}

interface Known {
  readonly byPath: Map<string, Offer>;
  /** With parameters, those without a wildcard first. */
  readonly patterns: (Offer & { readonly url: string; readonly pattern: RegExp })[];
  /** Whether there is a file at a path. */
  readonly files: ((path: string) => boolean)[];
}

const FILE: Offer = { methods: new Set(['GET', 'HEAD']), isStream: false };
const servers = new WeakMap<FastifyInstance['server'], Known>();

/** Notes which methods each address takes, from now on. */
export function trackMethods(app: FastifyInstance): void {
  const known: Known = { byPath: new Map(), patterns: [], files: [] };
  servers.set(app.server, known);
  app.addHook('onRoute', ({ url, method, constraints, config }) => {
    const { transport } = (constraints ?? {}) as { readonly transport?: string };
    // Where files are, it is asked for each of them; and `*` is not an address, but the plugin's of CORS.
    const isOfFiles = transport === undefined && url.endsWith('*');
    if (config?.refuses === true || isOfFiles) return;
    const offer = offerOf(known, url);
    const isStream = transport === 'sse' || transport === 'ws';
    if (!isStream) {
      offer.isStream = false;
      for (const each of [method].flat()) offer.methods.add(each);
    }
    if (config?.acceptPatch !== undefined) offer.acceptPatch = config.acceptPatch;
  });
}

/** Notes where files are, which have no routes of their own. */
export function trackFiles({ server }: FastifyInstance, exists: (path: string) => boolean): void {
  servers.get(server)?.files.push(exists);
}

/** What can be done at an address, if anything is there. */
export function offerAt({ server }: FastifyInstance, path: string): Offer | undefined {
  const known = servers.get(server);
  if (known === undefined) return undefined;
  const { byPath, patterns, files } = known;
  const offer = byPath.get(path) ?? patterns.find(({ pattern }) => pattern.test(path));
  return offer ?? (files.some((exists) => exists(path)) ? FILE : undefined);
}

/** What `Allow` says of an address where something is, for a method that it does not take; else undefined. */
export function allowedAt(app: FastifyInstance, path: string, method: string): string | undefined {
  const offer = offerAt(app, path);
  return offer === undefined || offer.isStream || offer.methods.has(method) ? undefined : allowOf(offer);
}

/** The methods of an address for `Allow` (RFC 9110 §10.2.1). */
export function allowOf({ methods, isStream }: Offer): string {
  return listMethods(isStream ? ['GET'] : METHODS.filter((each) => methods.has(each)));
}

/** OPTIONS is answered everywhere. */
export function listMethods(methods: readonly string[]): string {
  return [...methods, 'OPTIONS'].join(', ');
}

function offerOf({ byPath, patterns }: Known, url: string): Offer {
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

/** A parameter is a segment, or begins within one. */
function patternOf(url: string): RegExp {
  const source = url
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/:\w+/g, '[^/]+')
    .replace(/\*/g, '.*');
  return new RegExp(`^${source}$`);
}
