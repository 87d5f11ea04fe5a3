import { createHmac, createSign, generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto';

export const SECRET = 'k3Jx0-qTz8vLw2_NpYd7RbHs5UfGm1Ac';

type Part = Readonly<Record<string, unknown>>;

/** Seconds since 1970, so many seconds from now. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

export function encodePart(part: unknown): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
}

export type Signer = (input: string) => Buffer;

export const hmac =
  (secret: string | Buffer, hash = 'sha256'): Signer =>
  (input) =>
    createHmac(hash, secret).update(input).digest();

export const rsa =
  (key: KeyObject): Signer =>
  (input) =>
    createSign('sha256').update(input).sign(key);

export const ecdsa =
  (key: KeyObject): Signer =>
  (input) =>
    signBytes('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });

export const eddsa =
  (key: KeyObject): Signer =>
  (input) =>
    signBytes(null, Buffer.from(input), key);

/** A token written by hand: what it says, and what it is signed with, need not go together. */
export function sign(header: unknown, payload: unknown, signer: Signer): string {
  const input = `${encodePart(header)}.${encodePart(payload)}`;
  return `${input}.${signer(input).toString('base64url')}`;
}

/** A good token of this application, signed with `SECRET`; valid for an hour unless `exp` says otherwise. */
export function tokenOf(sub: string, claims: Part = {}, secret = SECRET): string {
  return sign({ alg: 'HS256', typ: 'JWT' }, { sub, exp: inSeconds(3600), ...claims }, hmac(secret));
}

const OTHER = 'another-0secret-that-is-not-ours-9Zx';
const HEADER = { alg: 'HS256', typ: 'JWT' };

/**
 * Tokens that must never be accepted by an application with `SECRET`, HS256, issuer `us` and audience `app`. Some are
 * no header field that a client can send; `isSendable` tells.
 */
export function forgedTokens(): readonly (readonly [name: string, token: string])[] {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = publicKey.export({ format: 'jwk' });
  const claims = { sub: 'mallory', roles: ['admin'], iss: 'us', aud: 'app', exp: inSeconds(3600) };
  const good = sign(HEADER, claims, hmac(SECRET));
  const [head = '', body = '', signature = ''] = good.split('.');
  const ours = (payload: unknown) => sign(HEADER, payload, hmac(SECRET));
  const { exp: _, ...timeless } = claims;
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  return [
    ['alg none without a signature', `${encodePart({ alg: 'none' })}.${body}.`],
    ['alg NonE', `${encodePart({ alg: 'NonE' })}.${body}.`],
    ['alg none with our signature', `${encodePart({ alg: 'none' })}.${body}.${signature}`],
    ['no signature', `${head}.${body}.`],
    ['another secret', sign(HEADER, claims, hmac(OTHER))],
    ['an empty secret', sign(HEADER, claims, hmac(''))],
    ['a secret of NULs', sign(HEADER, claims, hmac(Buffer.alloc(32)))],
    ['HS384 with our secret', sign({ alg: 'HS384' }, claims, hmac(SECRET, 'sha384'))],
    ['HS512 with our secret', sign({ alg: 'HS512' }, claims, hmac(SECRET, 'sha512'))],
    ['RS256 with a key of its own', sign({ alg: 'RS256' }, claims, rsa(privateKey))],
    ['RS256 whose header has the key', sign({ alg: 'RS256', jwk }, claims, rsa(privateKey))],
    ['HS256 with a public key as the secret', sign(HEADER, claims, hmac(pem))],
    ['a jku of its own', sign({ alg: 'RS256', jku: 'http://127.0.0.1:9/jwks' }, claims, rsa(privateKey))],
    ['an x5u of its own', sign({ alg: 'RS256', x5u: 'http://127.0.0.1:9/x' }, claims, rsa(privateKey))],
    ['a kid that is a path', sign({ ...HEADER, kid: '../../../../dev/null' }, claims, hmac(''))],
    ['a kid that is SQL', sign({ ...HEADER, kid: "x' UNION SELECT 'a" }, claims, hmac('a'))],
    ['an unknown critical header', sign({ ...HEADER, crit: ['exp2'], exp2: 1 }, claims, hmac(SECRET))],
    ['an unencoded payload', sign({ ...HEADER, b64: false, crit: ['b64'] }, claims, hmac(SECRET))],
    ['a changed payload', `${head}.${encodePart({ ...claims, sub: 'root' })}.${signature}`],
    ['a changed header', `${encodePart({ ...HEADER, kid: '1' })}.${body}.${signature}`],
    ['a cut signature', good.slice(0, -2)],
    ['a signature of somebody else', `${head}.${body}.${tokenOf('other').split('.')[2]}`],
    ['no exp', ours(timeless)],
    ['exp as text', ours({ ...claims, exp: String(claims.exp) })],
    ['exp null', ours({ ...claims, exp: null })],
    ['exp beyond all time', ours(JSON.stringify(claims).replace(/"exp":\d+/, '"exp":1e300'))],
    ['exp in the past', ours({ ...claims, exp: inSeconds(-60) })],
    ['exp one second ago', ours({ ...claims, exp: inSeconds(-1) })],
    ['nbf in the future', ours({ ...claims, nbf: inSeconds(60) })],
    ['another issuer', ours({ ...claims, iss: 'them' })],
    ['no issuer', ours({ ...claims, iss: undefined })],
    ['another audience', ours({ ...claims, aud: ['apps', 'App'] })],
    ['no audience', ours({ ...claims, aud: undefined })],
    ['no sub', ours({ ...claims, sub: undefined })],
    ['an empty sub', ours({ ...claims, sub: '' })],
    ['a sub that is a list', ours({ ...claims, sub: ['mallory'] })],
    ['roles that are an object', ours({ ...claims, roles: { admin: true } })],
    ['a payload that is a list', ours([claims])],
    ['a payload that is no JSON', ours('{"sub":"mallory"')],
    ['two parts', `${head}.${body}`],
    [
      'five parts, as an encrypted one',
      `${encodePart({ alg: 'dir', enc: 'A256GCM' })}..${body}.${signature}.${signature}`,
    ],
    ['four parts', `${good}.${signature}`],
    ['a word', 'admin'],
    ['two dots', '..'],
    ['an API key that does not exist', 'tck_abcdefgh_0123456789012345678901234567890123456789'],
    ['a token of 9,000 characters', ours({ ...claims, long: 'x'.repeat(6500) })],
  ];
}
