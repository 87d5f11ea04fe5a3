import { promisify } from 'node:util';
import {
  brotliCompress,
  brotliCompressSync,
  constants,
  createBrotliCompress,
  createDeflate,
  createGzip,
  deflate,
  deflateSync,
  gzip,
  gzipSync,
} from 'node:zlib';

/** Content codings of RFC 9110 §8.4.1, and RFC 7932. */
export type Coding = 'br' | 'gzip' | 'deflate';

/** Bytes above which another thread compresses: on this one it would take more than about a millisecond. */
const MAX_SYNC_BYTES = 16 * 1024;

// Nearly as small as the slowest setting and as fast as gzip; the default of 11 is for files that are made once.
const QUALITY = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };

const [brotliAsync, gzipAsync, deflateAsync] = [promisify(brotliCompress), promisify(gzip), promisify(deflate)];

const CODERS = {
  br: {
    now: (bytes: Buffer) => brotliCompressSync(bytes, QUALITY),
    later: (bytes: Buffer): Promise<Buffer> => brotliAsync(bytes, QUALITY),
    stream: () => createBrotliCompress(QUALITY),
  },
  gzip: {
    now: (bytes: Buffer) => gzipSync(bytes),
    later: (bytes: Buffer): Promise<Buffer> => gzipAsync(bytes),
    stream: () => createGzip(),
  },
  deflate: {
    now: (bytes: Buffer) => deflateSync(bytes),
    later: (bytes: Buffer): Promise<Buffer> => deflateAsync(bytes),
    stream: () => createDeflate(),
  },
} as const satisfies Record<Coding, unknown>;

/** Compresses bytes; small ones synchronously. */
export function compress(bytes: Buffer, coding: Coding): Buffer | Promise<Buffer> {
  const coder = CODERS[coding];
  return bytes.length > MAX_SYNC_BYTES ? coder.later(bytes) : coder.now(bytes);
}

export function compressStream(coding: Coding): NodeJS.ReadWriteStream {
  return CODERS[coding].stream();
}
