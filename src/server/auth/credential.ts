import type { IncomingMessage } from 'node:http';
import { refuseToken } from '../../auth/auth-errors.ts';
import type { Credential } from '../../auth/credentials/authenticator.ts';
import { KEY_PREFIX } from '../../auth/credentials/token-authenticator.ts';
import { AppError } from '../../errors.ts';
import { transportOf } from '../request.ts';

/** Query parameters of a stream that are credentials. Otherwise a parameter of that name is a filter on a field. */
export interface QueryCredentials {
  readonly ticket: boolean;
  readonly token: boolean;
}

const NO_QUERY_CREDENTIALS: QueryCredentials = { ticket: false, token: false };

const PREFIX = 'bearer.';
/** Start of a JWT: a JSON object in base64url, which begins with `{"` or `{ `. No protocol has such a name. */
const JWT = /^ey[\w-]+\./;
const BEARER = /^bearer +([!-~]+) *$/i;

/** Returns the token or key of an `Authorization` header (RFC 6750 §2.1); undefined for any other scheme. */
export function bearerIn(authorization: string): string | undefined {
  return BEARER.exec(authorization)?.[1];
}

/**
 * True for an offered subprotocol that is a credential and not a protocol: `bearer.` followed by a token or key, or one of
 * these alone. Browsers let a page set no other header of a WebSocket.
 */
export function isCredentialOffer(offer: string): boolean {
  return offer.startsWith(PREFIX) || offer.startsWith(KEY_PREFIX) || JWT.test(offer);
}

/** Returns the token or key in an offered subprotocol. */
export function bearerOffered(offer: string): string {
  return offer.startsWith(PREFIX) ? offer.slice(PREFIX.length) : offer;
}

/**
 * Returns the credential of a request and removes it from the URL, so that no log and no later handler sees it. Undefined
 * when the request has none. Throws UNAUTHORIZED when it is malformed, BAD_REQUEST when there are several.
 */
export function takeCredential(
  request: IncomingMessage,
  inQuery: QueryCredentials = NO_QUERY_CREDENTIALS,
): Credential | undefined {
  const found = [...readAuthorization(request), ...readOffers(request), ...takeFromQuery(request, inQuery)];
  if (found.length > 1) throw new AppError('BAD_REQUEST', 'Send one token, key or ticket, not several.');
  return found[0];
}

function readAuthorization({ headers, rawHeaders }: IncomingMessage): Credential[] {
  const { authorization } = headers;
  if (authorization === undefined) return [];
  const text = bearerIn(authorization);
  if (text === undefined) throw refuseToken('Authorization must be Bearer with a token or key.');
  const credential = { type: 'bearer', text } as const;
  // Node keeps only the first of several.
  const count = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'authorization').length;
  return count > 1 ? [credential, credential] : [credential];
}

function readOffers(request: IncomingMessage): Credential[] {
  const header = request.headers['sec-websocket-protocol'];
  if (header === undefined || transportOf(request) !== 'ws') return [];
  const credentials = header
    .split(',')
    .map((offer) => offer.trim())
    .filter(isCredentialOffer);
  return credentials.map((offer) => ({ type: 'bearer', text: bearerOffered(offer) }));
}

function takeFromQuery(request: IncomingMessage, inQuery: QueryCredentials): Credential[] {
  const { url = '' } = request;
  const start = url.indexOf('?');
  if (start < 0 || !(inQuery.ticket || inQuery.token) || transportOf(request) === 'rest') return [];
  const found: Credential[] = [];
  const others = url
    .slice(start + 1)
    .split('&')
    .filter((part) => {
      const [, name, text = ''] = /^(ticket|token)=(?!=)(.*)$/s.exec(part) ?? [];
      if (name === 'ticket' && inQuery.ticket) found.push({ type: 'ticket', text: decode(text) });
      else if (name === 'token' && inQuery.token) found.push({ type: 'bearer', text: decode(text) });
      else return true;
      return false;
    });
  if (found.length > 0) request.url = url.slice(0, start) + (others.length === 0 ? '' : `?${others.join('&')}`);
  return found;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
