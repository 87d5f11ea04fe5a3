import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { CompressionConfig } from '../config/config.ts';
import { OWN_SEGMENT } from '../config/reserved-paths.ts';
import { AppError } from '../errors.ts';
import { makeCompressHook } from '../server/content/compress-hook.ts';
import { queryOf } from '../server/request.ts';
import { registerPageHeaders } from '../server/web/page-headers.ts';
import type { Described } from './contract-operation.ts';
import type { ContractSource } from './openapi.ts';

/** Document or page as it is sent. */
export interface DocumentText {
  readonly text: string | Buffer;
  readonly type: string;
  /** Content-Security-Policy of a page. */
  readonly policy?: string;
}

export interface ContractOptions {
  readonly source: Omit<ContractSource, 'described'>;
  /** Describes the operations that belong to no table; called when a document is made. */
  readonly describe: () => Promise<readonly Described[]>;
  readonly page: Omit<PageOptions, 'root'>;
  readonly compression: CompressionConfig;
}

/** Features of the application that the API page links to. */
export interface PageOptions {
  /** True when the application has a page of its own, at `/{app_id}/`. */
  readonly hasOwnPage: boolean;
  /** True when callers can log in with a name and a password. */
  readonly hasUsers: boolean;
  /** Relative address of `/{app_id}/` from the page. */
  readonly root: '.' | '..';
}

interface Document extends DocumentText {
  readonly etag: string;
}

/** Origins of the server for which documents of one application are cached. */
const MAX_CACHED_ORIGINS = 16;
/** Name or address with an optional port (RFC 9110 §7.2). */
const HOST = /^(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;
const PAGE_FILE_AGE = 'public, max-age=31536000, immutable';

/**
 * Registers `/{app}/_/openapi.json`, `/{app}/_/asyncapi.json` and the page `/{app}/_/docs`, and the aliases without `_`. Each
 * is loaded and made at the first request for it, then cached.
 */
export function registerContract(app: FastifyInstance, options: ContractOptions): void {
  const { source, compression } = options;
  const { appId } = source.plan;
  const asyncApi = once(async () => asDocument(json((await import('./asyncapi/asyncapi.ts')).makeAsyncApi(source))));
  void app.register(async (scope) => {
    await registerPageHeaders(scope);
    scope.addHook('onSend', makeCompressHook(compression));
    registerAt(scope, { path: `/${appId}/${OWN_SEGMENT}`, root: '..', options, asyncApi });
    registerAt(scope, { path: `/${appId}`, root: '.', options, asyncApi });
  });
}

interface DocumentsAddress {
  readonly path: string;
  /** Relative address of `/{app_id}/` from the documents. */
  readonly root: '.' | '..';
  readonly options: ContractOptions;
  readonly asyncApi: () => Promise<Document>;
}

function registerAt(scope: FastifyInstance, { path, root, options, asyncApi }: DocumentsAddress): void {
  const { source, describe, page: pageOptions } = options;
  const openApi = cacheViews(async (origin: string, media: 'all' | undefined) => {
    const { makeOpenApi } = await import('./openapi.ts');
    const view = { root, ...(origin === '' ? {} : { origin }), ...(media === undefined ? {} : { media }) };
    return asDocument(json(makeOpenApi({ ...source, described: await describe() }, view)));
  });
  const page = once(async () =>
    asDocument(await (await import('./page/page.ts')).makePage(source, { ...pageOptions, root })),
  );
  scope.get(`${path}/openapi.json`, async (request, reply) => {
    const media = new URLSearchParams(queryOf(request)).get('media') === 'all' ? 'all' : undefined;
    return send(request, reply, await openApi(originOf(request), media));
  });
  scope.get(`${path}/asyncapi.json`, async (request, reply) => send(request, reply, await asyncApi()));
  scope.get(`${path}/docs`, async (request, reply) => send(request, reply, await page()));
  scope.get(`${path}/docs/`, (_request, reply) => reply.redirect('../docs', 308));
  scope.get(`${path}/docs/:file`, async (request, reply) => {
    const { file } = request.params as { file: string };
    const found = await (await import('./page/files.ts')).readPageFile(file);
    if (found === undefined) throw new AppError('NOT_FOUND', 'There is nothing at this address.');
    return reply.header('cache-control', PAGE_FILE_AGE).type(found.type).send(found.text);
  });
}

/** Returns the origin under which the client reached the server, with a checked name; empty when it is not known. */
function originOf({ protocol, host }: FastifyRequest): string {
  return HOST.test(host) ? `${protocol}://${host.toLowerCase()}` : '';
}

type MakeView = (origin: string, media: 'all' | undefined) => Promise<Document>;

/** Makes each view once. Clients choose the names of the server, so that the cache is bounded. */
function cacheViews(make: MakeView): MakeView {
  const cached = new Map<string, () => Promise<Document>>();
  return (origin, media) => {
    const key = `${media ?? ''} ${origin}`;
    const known = cached.get(key);
    if (known !== undefined) return known();
    const made = once(() => make(origin, media));
    if (cached.size < 2 * MAX_CACHED_ORIGINS) cached.set(key, made);
    return made();
  };
}

/** Makes a document once and returns the same promise to all callers; a failure is retried by the next call. */
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
  // Weak, since the tag is the same with and without compression.
  return { ...document, etag: `W/"${tag}"` };
}

function send(request: FastifyRequest, reply: FastifyReply, { text, type, etag, policy }: Document): FastifyReply {
  reply.header('etag', etag).header('cache-control', 'no-cache');
  if (policy !== undefined) reply.header('content-security-policy', policy);
  const known = request.headers['if-none-match'];
  if (known?.split(',').some((tag) => tag.trim().replace(/^(?:W\/)?/, 'W/') === etag)) return reply.code(304).send();
  return reply.type(type).send(text);
}
