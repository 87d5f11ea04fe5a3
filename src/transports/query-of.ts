import type { FastifyRequest } from 'fastify';

/** The raw query string of a request, still percent-encoded, without its question mark. */
export function queryOf({ raw: { url } }: Pick<FastifyRequest, 'raw'>): string {
  const start = url?.indexOf('?') ?? -1;
  return start < 0 ? '' : (url as string).slice(start + 1);
}
