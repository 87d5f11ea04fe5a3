import type { FastifyInstance } from 'fastify';
import { AppError } from '../../errors.ts';
import { parseJson } from '../../resources/body/json.ts';

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
