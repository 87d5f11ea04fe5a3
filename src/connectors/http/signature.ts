import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { AppError } from '../../errors.ts';

/** Seconds that the clocks of two machines may be apart; an older message may be one that somebody sends again. */
const TOLERANCE = 300;
/** Before a secret that is base64. */
const PREFIX = 'whsec_';
/** Bytes of such a secret, at least (Standard Webhooks). */
const MIN_SECRET_BYTES = 24;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** Whether a secret that says it is base64 is that, and long enough: text that is not would leave a key of no bytes. */
export function isSecret(secret: string): boolean {
  if (!secret.startsWith(PREFIX)) return true;
  const encoded = secret.slice(PREFIX.length);
  return BASE64.test(encoded) && Buffer.from(encoded, 'base64').length >= MIN_SECRET_BYTES;
}

export interface Signed {
  readonly id: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly body: Buffer;
}

/** The header fields of a signed message as Standard Webhooks has them. */
export function signHeaders(secret: string, { id, timestamp, body }: Signed): Record<string, string> {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${sign(secret, { id, timestamp, body }).toString('base64')}`,
  };
}

/** HMAC-SHA256 over id, timestamp and body. */
function sign(secret: string, { id, timestamp, body }: Signed): Buffer {
  const key = secret.startsWith(PREFIX) ? Buffer.from(secret.slice(PREFIX.length), 'base64') : Buffer.from(secret);
  return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
}

/**
 * The id of a message that was signed with the secret, within five minutes of `now` (milliseconds since 1970). Throws
 * UNAUTHORIZED for any other.
 */
export function verify(secret: string, { headers, body }: Received, now: number): string {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  // Without an id of its own every message would be the same event.
  if (typeof id !== 'string' || id === '' || typeof timestamp !== 'string' || typeof signatures !== 'string') {
    throw refuse('The request needs webhook-id, webhook-timestamp and webhook-signature.');
  }
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now / 1000 - Number(timestamp)) > TOLERANCE) {
    throw refuse('The webhook-timestamp is more than five minutes off.');
  }
  const expected = sign(secret, { id, timestamp: Number(timestamp), body });
  // While a secret is changed a message has several.
  const isOurs = signatures.split(' ').some((signature) => {
    const [version, text = ''] = signature.split(',', 2);
    const given = Buffer.from(text, 'base64');
    return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (!isOurs) throw refuse('The webhook-signature is not right.');
  return id;
}

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

function refuse(message: string): AppError {
  return new AppError('UNAUTHORIZED', message, { headers: { 'www-authenticate': 'Webhook-Signature' } });
}
