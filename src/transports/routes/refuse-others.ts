import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { listMethods } from '../../server/checks/known-methods.ts';
import { METHODS } from './route.ts';

const REST = { transport: 'rest' };

/** Refuses the other methods of an address, and names the allowed ones. `taken`: methods that it serves. */
export function refuseOthers(app: FastifyInstance, url: string, taken: readonly string[]): void {
  const others = METHODS.filter(
    (method) => !taken.includes(method) && !app.hasRoute({ url, method, constraints: REST }),
  );
  if (others.length === 0) return;
  const allow = listMethods([...taken, ...(taken.includes('GET') ? ['HEAD'] : [])]);
  const handler = (request: FastifyRequest) => {
    throw new AppError('METHOD_NOT_ALLOWED', `${request.method} is not for this address; it takes ${allow}.`, {
      headers: { allow },
    });
  };
  app.route({ method: others, url, constraints: REST, config: { refuses: true }, exposeHeadRoute: false, handler });
}
