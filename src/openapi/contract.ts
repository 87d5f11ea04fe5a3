import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Compression } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { makeCompressHook } from '../server/content/compress-hook.ts';
import { registerPageHeaders } from '../server/web/page-headers.ts';
import type { ContractSource } from './openapi.ts';

/** The files of the API page; only these are served. */
export interface DocumentText {
  readonly text: string | Buffer;
  readonly type: string;
  /** Content-Security-Policy of a page. */
  readonly policy?: string;
}

interface Document extends DocumentText {
  readonly etag: string;
}

const PAGE_FILE_AGE = 'public, max-age=31536000, immutable';

/**
 * `/{app}/openapi.json`, `/{app}/asyncapi.json` and the page `/{app}/docs`. Nothing is loaded or made before the first
 * request for it; then it is kept.
 */
export function registerContract(app: FastifyInstance, source: ContractSource, compression: Compression): void {
  const path = `/${source.plan.appId}`;
  const openApi = once(async () => asDocument(json((await import('./openapi.ts')).makeOpenApi(source))));
  const asyncApi = once(async () => asDocument(json((await import('./asyncapi/asyncapi.ts')).makeAsyncApi(source))));
  const page = once(async () => asDocument(await (await import('./page/page.ts')).makePage(source.plan)));
  void app.register(async (scope) => {
    await registerPageHeaders(scope);
    scope.addHook('onSend', makeCompressHook(compression));
    scope.get(`${path}/openapi.json`, async (request, reply) => send(request, reply, await openApi()));
    scope.get(`${path}/asyncapi.json`, async (request, reply) => send(request, reply, await asyncApi()));
    scope.get(`${path}/docs`, async (request, reply) => send(request, reply, await page()));
    scope.get(`${path}/docs/`, (_request, reply) => reply.redirect('../docs', 308));
    scope.get(`${path}/docs/:file`, async (request, reply) => {
      const { file } = request.params as { file: string };
      const found = await (await import('./page/files.ts')).readPageFile(file);
      if (found === undefined) throw new AppError('NOT_FOUND', 'There is nothing at this address.');
      return reply.header('cache-control', PAGE_FILE_AGE).type(found.type).send(found.text);
    });
  });
}

/** The same promise for everybody who asks; one that failed is tried again. */
function once(make: () => Promise<Document>): () => Promise<Document> {
  let made: Promise<Document> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

function json(value: unknown): DocumentText {
  return { text: JSON.stringify(value), type: 'application/json; charset=utf-8' };
}

function asDocument(document: DocumentText): Document {
  const tag = createHash('sha256').update(document.text).digest('base64url').slice(0, 16);
  // Weak: compressed or not, it is the same document.
  return { ...document, etag: `W/"${tag}"` };
}

function send(request: FastifyRequest, reply: FastifyReply, { text, type, etag, policy }: Document): FastifyReply {
  reply.header('etag', etag).header('cache-control', 'no-cache');
  if (policy !== undefined) reply.header('content-security-policy', policy);
  const known = request.headers['if-none-match'];
  if (known?.split(',').some((tag) => tag.trim().replace(/^(?:W\/)?/, 'W/') === etag)) return reply.code(304).send();
  return reply.type(type).send(text);
}
