import type { FastifyInstance } from 'fastify';

/**
 * Headers for what browsers show as pages: not in foreign frames, nothing of the address to other sites, not guessed at.
 * For a scope of its own, since each answer in it pays for them. The policy of its contents is the page's own affair, and
 * whether a host will always have TLS is known to whoever runs it.
 */
export async function registerPageHeaders(scope: FastifyInstance): Promise<void> {
  const { default: helmet } = await import('@fastify/helmet');
  await scope.register(helmet, { contentSecurityPolicy: false, strictTransportSecurity: false });
}
