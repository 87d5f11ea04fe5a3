import { AppError } from '../errors.ts';

/** UNAUTHORIZED for a credential that is not accepted (RFC 6750 §3). The sentence reveals nothing but that. */
export function refuseToken(message = 'The token is not valid.'): AppError {
  return new AppError('UNAUTHORIZED', message, { headers: { 'www-authenticate': 'Bearer error="invalid_token"' } });
}

/** UNAUTHORIZED for a request without credentials where they are needed. */
export function unauthorized(message: string): AppError {
  return new AppError('UNAUTHORIZED', message, { headers: { 'www-authenticate': 'Bearer' } });
}

/** Message for an open connection whose token expires. */
export const EXPIRED = 'The token has expired.';
export const REVOKED = 'The rights of this connection have ended.';
