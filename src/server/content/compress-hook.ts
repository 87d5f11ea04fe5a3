import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CompressionConfig } from '../../config/config.ts';
import { compress, compressStream } from './compress.ts';
import { tagIn } from './content.ts';
import { chooseCoding } from './negotiate.ts';

/** Content types that get smaller; images, fonts and archives are compressed already. */
const COMPRESSIBLE =
  /^(?:text\/(?!event-stream)|application\/(?:json|javascript|manifest\+json|wasm|xml)|image\/svg\+xml)/;

type OnSend = (request: FastifyRequest, reply: FastifyReply, payload: unknown) => Promise<unknown>;

/** Makes an `onSend` hook for routes that send files and documents. Partial responses stay as they are. */
export function makeCompressHook({ enabled, threshold }: CompressionConfig): OnSend {
  return async (request, reply, payload) => {
    if (!enabled) return payload;
    const isCompressible = COMPRESSIBLE.test(String(reply.getHeader('content-type') ?? ''));
    if (isCompressible || reply.statusCode === 304) reply.header('vary', 'Accept-Encoding');
    if (!isCompressible || reply.statusCode !== 200) return payload;
    const coding = chooseCoding(request.headers['accept-encoding'] as string | undefined);
    if (coding === undefined || sizeOf(reply, payload) < threshold) return payload;
    reply.removeHeader('content-length').removeHeader('accept-ranges').header('content-encoding', coding);
    const etag = reply.getHeader('etag');
    if (typeof etag === 'string') reply.header('etag', tagIn(etag, coding));
    if (typeof payload === 'string' || Buffer.isBuffer(payload)) return compress(Buffer.from(payload), coding);
    // HEAD has no body.
    if (request.method === 'HEAD') return payload;
    // An error ends the response too early, which the client notices.
    return pipeline(payload as Readable, compressStream(coding), () => {});
  };
}

/** Returns the bytes of the body; a stream has announced them in Content-Length. */
function sizeOf(reply: FastifyReply, payload: unknown): number {
  if (typeof payload === 'string' || Buffer.isBuffer(payload)) return payload.length;
  return Number(reply.getHeader('content-length') ?? 0);
}
