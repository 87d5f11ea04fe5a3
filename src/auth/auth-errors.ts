import { AppError } from '../errors.ts';

/** RFC 6750 §3: what was shown is not accepted. The sentence never says more than its bearer may know. */
export function refuseToken(message = 'The token is not valid.'): AppError {
  return new AppError('UNAUTHORIZED', message, { headers: { 'www-authenticate': 'Bearer error="invalid_token"' } });
}

/** Nothing was shown where something is needed. */
export function unauthorized(message: string): AppError {
  return new AppError('UNAUTHORIZED', message, { headers: { 'www-authenticate': 'Bearer' } });
}

/** What an open connection is told when the time of its token is over. */
export const EXPIRED = 'The token has expired.';
export const REVOKED = 'The rights of this connection have ended.';
