import type { FastifyRequest } from 'fastify';

/** Returns the raw query string of a request, percent-encoded, without its question mark. */
export function queryOf({ raw: { url } }: Pick<FastifyRequest, 'raw'>): string {
  const start = url?.indexOf('?') ?? -1;
  return start < 0 ? '' : (url as string).slice(start + 1);
}

/** Parses a query string: a repeated name has an array; names in `reserved` are left out. */
export function parseQuery(rawQuery: string, reserved: readonly string[]): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of new URLSearchParams(rawQuery)) {
    if (reserved.includes(name)) continue;
    const before = query[name];
    query[name] = before === undefined ? value : [before, value].flat();
  }
  // Schema validators need a prototype, and `__proto__` is an own property here.
  return Object.defineProperties({}, Object.getOwnPropertyDescriptors(query));
}
