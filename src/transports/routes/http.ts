import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Limits } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { parseJson } from '../../resources/body/json.ts';
import { checkJson, throwInvalid } from '../../resources/body/values.ts';
import { listMethods } from '../../server/checks/known-methods.ts';
import { cacheControlFor } from '../../server/response-headers.ts';
import { makeContext, type RouteScope } from './context.ts';
import type { HttpContext } from './define.ts';
import { toFailure } from './failures.ts';
import { RouteHookRun } from './hook-run.ts';
import { type HttpRoute, METHODS } from './route.ts';
import { validate } from './standard-schema.ts';

export interface HttpOptions {
  readonly route: HttpRoute;
  readonly scope: RouteScope;
  readonly limits: Limits;
}

type Reply = ReturnType<FastifyReply['send']>;

/** Answers one request with the result of the handler. */
export async function answerRequest(
  request: FastifyRequest,
  reply: FastifyReply,
  options: HttpOptions,
): Promise<Reply> {
  const { route, scope } = options;
  const abort = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) abort.abort();
  });
  try {
    const context = await prepare(request, abort.signal, options);
    const hooks = new RouteHookRun(route.hooks, context, scope.onError);
    await hooks.before();
    try {
      const result = await route.handler(context);
      await hooks.after(result);
      // A Response with a header of its own overrides this.
      reply.header('cache-control', cacheControlFor(scope.auth));
      return send(reply, result);
    } finally {
      await hooks.cleanup();
    }
  } catch (error) {
    // There is no client to answer.
    if (abort.signal.aborted && !(error instanceof AppError)) throw new AppError('BAD_REQUEST', 'The client has gone.');
    throw toFailure(error, scope);
  }
}

async function prepare(
  request: FastifyRequest,
  signal: AbortSignal,
  { route, scope, limits }: HttpOptions,
): Promise<HttpContext> {
  const context = await makeContext(request, route, { scope, signal });
  if (!Buffer.isBuffer(request.body)) checkJson(limits)(request.body, 'body', throwInvalid);
  return { ...context, body: await validate(route.body, request.body, 'body') };
}

function send(reply: FastifyReply, result: unknown): Reply {
  if (result === undefined) return reply.code(204).send();
  if (result instanceof Response) return reply.send(result);
  if (result instanceof Uint8Array) {
    const bytes = Buffer.from(result.buffer, result.byteOffset, result.byteLength);
    return reply.header('content-type', 'application/octet-stream').send(bytes);
  }
  const json: string | undefined = JSON.stringify(result);
  if (json === undefined)
    throw new TypeError(`a handler returns what is JSON, bytes or a Response, not a ${typeof result}`);
  return reply.header('content-type', 'application/json; charset=utf-8').send(json);
}

/** Parses bodies of http routes: JSON unless it is empty, text as a string, anything else as bytes. Refuses compression. */
export function registerRouteBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parsers: readonly (readonly [string | RegExp, (body: Buffer) => unknown])[] = [
    [/^application\/(?:json|[\w.-]+\+json)(?:;|$)/i, (body) => (body.length === 0 ? undefined : parseJson(body))],
    [/^text\//i, (body) => body.toString('utf8')],
    ['*', (body) => body],
  ];
  for (const [type, parse] of parsers) {
    app.addContentTypeParser(type as string, { parseAs: 'buffer' }, (request, body, done) => {
      try {
        const encoding = request.headers['content-encoding'];
        if (encoding !== undefined && encoding !== 'identity') {
          throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'Send the body without a Content-Encoding.');
        }
        done(null, parse(body as Buffer));
      } catch (error) {
        done(error as Error);
      }
    });
  }
}

const REST = { transport: 'rest' };

/** Refuses the other methods of an address, and names the allowed ones. `taken`: methods that it serves. */
export function refuseOthers(app: FastifyInstance, url: string, taken: readonly string[]): void {
  const others = METHODS.filter(
    (method) => !taken.includes(method) && !app.hasRoute({ url, method, constraints: REST }),
  );
  if (others.length === 0) return;
  const allow = listMethods([...taken, ...(taken.includes('GET') ? ['HEAD'] : [])]);
  const handler = (request: FastifyRequest) => {
    throw new AppError('METHOD_NOT_ALLOWED', `${request.method} is not allowed at this address; it accepts ${allow}.`, {
      headers: { allow },
    });
  };
  app.route({ method: others, url, constraints: REST, config: { refuses: true }, exposeHeadRoute: false, handler });
}
