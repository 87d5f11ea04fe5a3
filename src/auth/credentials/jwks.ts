import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose';
import { AppError } from '../../errors.ts';

const TIMEOUT_MS = 5000;
const MAX_KEYS_BYTES = 256 * 1024;
/** Milliseconds after a failure without another attempt: otherwise each request with a token would fetch. */
const RETRY_PAUSE_MS = 5000;
const UNAVAILABLE = 'The keys that tokens are checked with cannot be fetched at the moment.';

/**
 * Keys of a JWKS URL (RFC 7517 §5), fetched on demand and kept for ten minutes; an unknown key is looked for again at
 * most every 30 seconds. The returned function throws KEYS_UNAVAILABLE when they cannot be fetched.
 */
export function makeJwks(url: string): JWTVerifyGetKey {
  let failedAt = Number.NEGATIVE_INFINITY;
  return createRemoteJWKSet(new URL(url), {
    timeoutDuration: TIMEOUT_MS,
    [customFetch]: async (address, options) => {
      if (performance.now() - failedAt < RETRY_PAUSE_MS) throw new AppError('KEYS_UNAVAILABLE', UNAVAILABLE);
      try {
        // A redirect fails like any other status but 200: its sender would choose the keys.
        const response = await fetch(address, options);
        return new Response(await readKeys(response), { status: 200 });
      } catch (cause) {
        failedAt = performance.now();
        throw new AppError('KEYS_UNAVAILABLE', UNAVAILABLE, { cause });
      }
    },
  });
}

/** Returns the body of a response that can be a set of keys. */
async function readKeys({ status, body }: Response): Promise<string> {
  if (status !== 200 || body === null) {
    await body?.cancel();
    throw new Error(`the JWKS URL answered ${status}`);
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > MAX_KEYS_BYTES) throw new Error(`the response of the JWKS URL has more than ${MAX_KEYS_BYTES} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const { keys } = JSON.parse(text) as { keys?: unknown };
  if (!Array.isArray(keys)) throw new Error('the response of the JWKS URL is not a set of keys');
  return text;
}
