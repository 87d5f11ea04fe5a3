import type { FastifyInstance } from 'fastify';

/**
 * Registers security headers for pages: no frames of other sites, no referrer to other sites, no content sniffing. For a
 * scope of its own, since they cost every response in it. Content-Security-Policy belongs to each page, and only the
 * operator knows whether a host will always have TLS.
 */
export async function registerPageHeaders(scope: FastifyInstance): Promise<void> {
  const { default: helmet } = await import('@fastify/helmet');
  await scope.register(helmet, { contentSecurityPolicy: false, strictTransportSecurity: false });
}
