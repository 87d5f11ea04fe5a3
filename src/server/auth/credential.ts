import type { IncomingMessage } from 'node:http';
import { refuseToken } from '../../auth/auth-errors.ts';
import type { Credential } from '../../auth/credentials/authenticator.ts';
import { KEY_PREFIX } from '../../auth/credentials/key-prefix.ts';
import { AppError } from '../../errors.ts';
import { transportOf } from '../transport-constraint.ts';

/** Which query parameters of a stream are credentials; a field of that name in the table is what is meant otherwise. */
export interface QueryCredentials {
  readonly ticket: boolean;
  readonly token: boolean;
}

const PREFIX = 'bearer.';
/** The first part of a JWT is a JSON object in base64url, which begins with `{"` or `{ `. No protocol is called so. */
const JWT = /^ey[\w-]+\./;
const BEARER = /^bearer +([!-~]+) *$/i;

/** The token or key in an `Authorization` field (RFC 6750 §2.1); undefined when it is none. */
export function bearerIn(authorization: string): string | undefined {
  return BEARER.exec(authorization)?.[1];
}

/**
 * True for an offered subprotocol that says who somebody is, and is no protocol: `bearer.` with a token or key behind it,
 * or these alone. A browser has no other header field that it lets a page fill.
 */
export function isCredentialOffer(offer: string): boolean {
  return offer.startsWith(PREFIX) || offer.startsWith(KEY_PREFIX) || JWT.test(offer);
}

/** The token or key that an offered subprotocol is. */
export function bearerOffered(offer: string): string {
  return offer.startsWith(PREFIX) ? offer.slice(PREFIX.length) : offer;
}

/**
 * What a request shows, taken away from its URL, so that whoever reads or logs that does not see it. Undefined when it
 * shows nothing. Throws UNAUTHORIZED when it is none that can be, BAD_REQUEST when there are several.
 */
export function takeCredential(request: IncomingMessage, doors: QueryCredentials): Credential | undefined {
  const found = [...readAuthorization(request), ...readOffers(request), ...takeFromQuery(request, doors)];
  if (found.length > 1) throw new AppError('BAD_REQUEST', 'A request shows one token, key or ticket, not several.');
  return found[0];
}

function readAuthorization({ headers, rawHeaders }: IncomingMessage): Credential[] {
  const { authorization } = headers;
  if (authorization === undefined) return [];
  const text = bearerIn(authorization);
  if (text === undefined) throw refuseToken('Authorization takes Bearer and a token or key.');
  const credential = { type: 'bearer', text } as const;
  // Node gives the first of several.
  const count = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'authorization').length;
  return count > 1 ? [credential, credential] : [credential];
}

function readOffers(request: IncomingMessage): Credential[] {
  const header = request.headers['sec-websocket-protocol'];
  if (header === undefined || transportOf(request) !== 'ws') return [];
  const shown = header
    .split(',')
    .map((offer) => offer.trim())
    .filter(isCredentialOffer);
  return shown.map((offer) => ({ type: 'bearer', text: bearerOffered(offer) }));
}

function takeFromQuery(request: IncomingMessage, doors: QueryCredentials): Credential[] {
  const { url = '' } = request;
  const start = url.indexOf('?');
  if (start < 0 || !(doors.ticket || doors.token) || transportOf(request) === 'rest') return [];
  const found: Credential[] = [];
  const others = url
    .slice(start + 1)
    .split('&')
    .filter((part) => {
      const [, name, text = ''] = /^(ticket|token)=(.*)$/s.exec(part) ?? [];
      if (name === 'ticket' && doors.ticket) found.push({ type: 'ticket', text: decode(text) });
      else if (name === 'token' && doors.token) found.push({ type: 'bearer', text: decode(text) });
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
