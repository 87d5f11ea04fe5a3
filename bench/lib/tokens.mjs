import { createHmac } from 'node:crypto';

export const SECRET = 'k3Jx0-qTz8vLw2_NpYd7RbHs5UfGm1Ac';

/** A token (JWT, HS256) of an hour. */
export function makeToken(sub, claims = {}) {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const input = [
    { alg: 'HS256', typ: 'JWT' },
    { sub, exp, ...claims },
  ]
    .map(encode)
    .join('.');
  return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`;
}

function encode(part) {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
