import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { AppError } from '../../errors.ts';

/** Difference of the clocks of two machines; an older message may be replayed by an attacker. */
const MAX_SKEW_SECONDS = 300;
/** Prefix of a secret that is base64. */
const PREFIX = 'whsec_';
/** Length of such a secret (Standard Webhooks). */
const MIN_SECRET_BYTES = 24;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** True for a usable secret: with the prefix, text that is not base64 would give an empty key. */
export function isSecret(secret: string): boolean {
  if (!secret.startsWith(PREFIX)) return true;
  const encoded = secret.slice(PREFIX.length);
  return BASE64.test(encoded) && Buffer.from(encoded, 'base64').length >= MIN_SECRET_BYTES;
}

export interface SignedMessage {
  readonly id: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly body: Buffer;
}

/** Header fields of a signed message (Standard Webhooks). */
export function signHeaders(secret: string, { id, timestamp, body }: SignedMessage): Record<string, string> {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${sign(secret, { id, timestamp, body }).toString('base64')}`,
  };
}

/** Computes the HMAC-SHA256 over id, timestamp and body. */
function sign(secret: string, { id, timestamp, body }: SignedMessage): Buffer {
  const key = secret.startsWith(PREFIX) ? Buffer.from(secret.slice(PREFIX.length), 'base64') : Buffer.from(secret);
  return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
}

/**
 * Verifies a message that was signed with the secret, within five minutes of `now` (milliseconds since 1970), and returns
 * its id. Throws UNAUTHORIZED for any other message.
 */
export function verify(secret: string, { headers, body }: ReceivedMessage, now: number): string {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  // Without an id all messages would be the same event.
  if (typeof id !== 'string' || id === '' || typeof timestamp !== 'string' || typeof signatures !== 'string') {
    throw refuse('The request needs webhook-id, webhook-timestamp and webhook-signature.');
  }
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now / 1000 - Number(timestamp)) > MAX_SKEW_SECONDS) {
    throw refuse('The webhook-timestamp is more than five minutes off.');
  }
  const expected = sign(secret, { id, timestamp: Number(timestamp), body });
  // A message has several signatures while its secret is rotated.
  const isValid = signatures.split(' ').some((signature) => {
    const [version, text = ''] = signature.split(',', 2);
    const given = Buffer.from(text, 'base64');
    return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (!isValid) throw refuse('The webhook-signature is not valid.');
  return id;
}

interface ReceivedMessage {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

function refuse(message: string): AppError {
  return new AppError('UNAUTHORIZED', message, { headers: { 'www-authenticate': 'Webhook-Signature' } });
}
