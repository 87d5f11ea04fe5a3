import type { FastifyRequest } from 'fastify';

/** The raw query string of a request, still percent-encoded, without its question mark. */
export function queryOf({ raw: { url } }: Pick<FastifyRequest, 'raw'>): string {
  const start = url?.indexOf('?') ?? -1;
  return start < 0 ? '' : (url as string).slice(start + 1);
}

/** The parameters of a query string: names that stand several times have a list; `reserved` ones are left out. */
export function parseQuery(rawQuery: string, reserved: readonly string[]): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of new URLSearchParams(rawQuery)) {
    if (reserved.includes(name)) continue;
    const before = query[name];
    query[name] = before === undefined ? value : [before, value].flat();
  }
  // Schemas look at prototypes, and a member `__proto__` is one of its own here.
  return Object.defineProperties({}, Object.getOwnPropertyDescriptors(query));
}
