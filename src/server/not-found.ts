import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../errors.ts';
import { allowedAt, allowOf, listMethods, METHODS, offerAt } from './checks/known-methods.ts';
import { transportOf } from './request.ts';
import type { FallbackPages } from './web/start-page.ts';

/** Path of a table, and whether REST is on there. */
export interface KnownPath {
  readonly path: string;
  readonly rest: boolean;
}

const COLLECTION_METHODS = listMethods(METHODS.filter((method) => method !== 'PUT'));
export const RECORD_METHODS = listMethods(METHODS.filter((method) => method !== 'QUERY'));

export interface NotFoundOptions {
  readonly streams?: string;
  readonly pages?: FallbackPages;
}

/**
 * Answers every request that has no route: 405 with Allow when the address exists, else 404. `ambiguous`: paths without the
 * app id, with the paths that they may stand for. `streams`: where streams are opened, for the message. `pages`: what browsers
 * receive instead of a 404.
 */
export function registerNotFound(
  app: FastifyInstance,
  known: readonly KnownPath[],
  ambiguous: ReadonlyMap<string, readonly string[]> = new Map(),
  { streams = '/{app_id}/{Table}', pages }: NotFoundOptions = {},
): void {
  const rest = new Set(known.filter((table) => table.rest).map(({ path }) => path));
  const refuse = (request: FastifyRequest): never => {
    const [path = ''] = request.url.split('?', 1);
    // A collection has a slash at its end, too.
    const collection = rest.has(path.replace(/\/$/, ''));
    const record = !collection && rest.has(path.slice(0, path.lastIndexOf('/')));
    // TRACE would return what the browser has sent, its secrets included.
    if (request.method === 'TRACE') {
      const offer = offerAt(app, path);
      const allow = offer === undefined ? RECORD_METHODS : allowOf(offer);
      throw methodNotAllowed('TRACE is not supported.', allow);
    }
    // For HEAD the answer names the methods of the address, whatever transport the request asks for.
    const transport = request.method === 'HEAD' ? 'rest' : transportOf(request.raw);
    if (request.method !== 'GET' && transport === 'ws') {
      throw methodNotAllowed('A WebSocket is opened with GET.', 'GET');
    }
    if ((collection || record) && transport === 'rest') {
      const allow = collection ? COLLECTION_METHODS : RECORD_METHODS;
      throw methodNotAllowed(`${request.method} is not allowed at this address; it accepts ${allow}.`, allow);
    }
    const allow = transport === 'rest' ? allowedAt(app, path, request.method) : undefined;
    if (allow !== undefined) {
      throw methodNotAllowed(`${request.method} is not allowed at this address; it accepts ${allow}.`, allow);
    }
    const candidates = ambiguous.get(path);
    if (candidates !== undefined) {
      throw new AppError('NOT_FOUND', `There are several applications here; this is at ${candidates.join(', ')}.`);
    }
    throw new AppError('NOT_FOUND', notFoundMessage(request, path, streams));
  };
  const respond = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    try {
      return refuse(request);
    } catch (error) {
      const isMissing = error instanceof AppError && error.code === 'NOT_FOUND' && transportOf(request.raw) === 'rest';
      if (isMissing && pages?.send(request, reply)) return reply;
      throw error;
    }
  };
  app.register(async (scope) => {
    // Refused before the body is read, since no route accepts it.
    scope.addHook('onRequest', respond);
    scope.setNotFoundHandler(respond);
  });
}

function methodNotAllowed(message: string, allow: string): AppError {
  return new AppError('METHOD_NOT_ALLOWED', message, { headers: { allow } });
}

function notFoundMessage(request: FastifyRequest, path: string, streams: string): string {
  if (path.startsWith('/socket.io')) {
    return `This server does not speak Socket.IO or Engine.IO. Open a plain WebSocket or EventSource on ${streams}.`;
  }
  const transport = transportOf(request.raw);
  return transport === 'rest'
    ? 'There is nothing at this address.'
    : `There is no ${transport} channel at this address.`;
}
