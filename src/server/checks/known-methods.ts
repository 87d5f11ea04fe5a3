import type { FastifyInstance } from 'fastify';
import { METHODS } from '../cors.ts';

const known = new WeakMap<FastifyInstance['server'], Map<string, Set<string>>>();

/** Notes which methods each address takes, from now on. Tables say it themselves, and addresses with parameters. */
export function trackMethods(app: FastifyInstance): void {
  const byPath = new Map<string, Set<string>>();
  known.set(app.server, byPath);
  app.addHook('onRoute', ({ url, method, constraints }) => {
    const { transport = 'rest' } = (constraints ?? {}) as { readonly transport?: string };
    if (transport !== 'rest' || /[:*]/.test(url)) return;
    const methods = byPath.get(url) ?? new Set();
    for (const each of [method].flat()) methods.add(each);
    byPath.set(url, methods);
  });
}

/** What `Allow` says of an address where something is, for a method that it does not take; else undefined. */
export function allowedAt({ server }: FastifyInstance, path: string, method: string): string | undefined {
  const methods = known.get(server)?.get(path);
  if (methods === undefined || methods.has(method)) return undefined;
  // One that answers to all of them refuses some by itself.
  if (METHODS.every((each) => each === 'HEAD' || methods.has(each))) return undefined;
  return METHODS.filter((each) => methods.has(each)).join(', ');
}
