import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { Limits } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { parseJson } from '../resources/body/json.ts';
import { loadBinary } from './content/binary.ts';
import { type BinaryFormat, MEDIA_TYPES, USUAL_MEDIA_TYPES } from './content/formats.ts';

/** Sentence for a client whose content type is not supported. */
export const TAKEN_TYPES = `Send the body as ${USUAL_MEDIA_TYPES.join(', ')}.`;

/** Content type of a patch that merges objects (RFC 7396); only PATCH accepts it. */
export const MERGE_PATCH = 'application/merge-patch+json';
const MERGE_PATCH_TYPE = /^application\/merge-patch\+json\s*(?:;|$)/i;

export function isMergePatch({ headers }: Pick<FastifyRequest, 'headers'>): boolean {
  return MERGE_PATCH_TYPE.test(headers['content-type'] ?? '');
}

/**
 * Registers the parsers of request bodies. Compressed bodies are refused, so that the size of a body is its size on the
 * wire. Every content type can hold the same values.
 */
export function registerBodyParsers(app: FastifyInstance, limits: Limits): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser([...mutable('json'), MERGE_PATCH], { parseAs: 'buffer' }, (request, body, done) => {
    try {
      if (request.method !== 'PATCH' && isMergePatch(request)) {
        throw new AppError('UNSUPPORTED_MEDIA_TYPE', `${MERGE_PATCH} is for PATCH. ${TAKEN_TYPES}`);
      }
      checkCoding(request);
      done(null, parseJson(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  app.addContentTypeParser(mutable('ndjson'), { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => {
    const text = readText(request, body);
    return (await import('./content/ndjson.ts')).parseLines(text, limits.batch);
  });
  app.addContentTypeParser(mutable('csv'), { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => {
    const text = readText(request, body);
    return (await import('./content/csv.ts')).parseCsv(text, { records: limits.batch, columns: limits.jsonKeys });
  });
  for (const format of ['cbor', 'msgpack'] as const) registerBinary(app, format, limits);
}

function registerBinary(app: FastifyInstance, format: BinaryFormat, limits: Limits): void {
  app.addContentTypeParser(mutable(format), { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => {
    checkCoding(request);
    return (await loadBinary(format)).decode(body, limits);
  });
}

function mutable(format: keyof typeof MEDIA_TYPES): string[] {
  return [...MEDIA_TYPES[format].names];
}

/** Throws UNSUPPORTED_MEDIA_TYPE for a compressed body. */
export function checkCoding({ headers }: FastifyRequest): void {
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') return;
  throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'Send the body without a Content-Encoding.');
}

const CHARSET = /;\s*charset\s*=\s*"?([^\s;"]*)/i;

/** Returns the text of a body: UTF-8 without NUL characters, which no record may contain. */
function readText(request: FastifyRequest, body: Buffer): string {
  checkCoding(request);
  const type = request.headers['content-type'] ?? '';
  const charset = CHARSET.exec(type)?.[1]?.toLowerCase() ?? 'utf-8';
  if (!['utf-8', 'utf8', 'us-ascii'].includes(charset)) {
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'Send text in UTF-8.');
  }
  if (/;\s*header\s*=\s*"?absent/i.test(type)) {
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'The first row of CSV has to name the fields.');
  }
  if (!isUtf8(body)) throw new AppError('INVALID_CONTENT', 'The text is not UTF-8.');
  if (body.includes(0)) throw new AppError('VALIDATION_ERROR', 'Strings must not have NUL characters.');
  return body.toString('utf8');
}

/**
 * Removes the Content-Type of a request without a body. Many clients always send one, and Fastify would then refuse the
 * missing body. For routes that need no body.
 */
export const ignoreEmptyBody: onRequestHookHandler = ({ raw: { headers } }, _reply, done) => {
  const { 'content-length': length = '0', 'transfer-encoding': coding } = headers;
  if (length === '0' && coding === undefined) delete headers['content-type'];
  done();
};
