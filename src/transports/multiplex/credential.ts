import type { FastifyRequest } from 'fastify';
import type { Authenticator, Credential } from '../../auth/credentials/authenticator.ts';
import type { Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import { bearerIn, bearerOffered, isCredentialOffer } from '../../server/auth/credential.ts';
import { identityOf, queryOf } from '../../server/request.ts';

/** The caller, or the reason why it is not known. */
export type Authentication = { readonly identity: Identity } | { readonly refused: string };

/**
 * Authenticates the caller; without an authenticator, as the server has done it for the request. Throws internal errors
 * only: a bad credential is a result.
 */
export async function authenticate(
  request: FastifyRequest,
  authenticator: Authenticator | undefined,
): Promise<Authentication> {
  if (authenticator === undefined) return { identity: identityOf(request) };
  const credential = credentialOf(request);
  if (credential === undefined) return { refused: 'Missing token' };
  try {
    return { identity: await authenticator.authenticate(credential) };
  } catch (error) {
    if (error instanceof AppError && error.status < 500) return { refused: 'Authentication failed' };
    throw error;
  }
}

/** Reads the credential of a request, header field first. A browser's WebSocket can set the URL and the protocol only. */
function credentialOf(request: FastifyRequest): Credential | undefined {
  const { authorization, 'sec-websocket-protocol': offered } = request.headers;
  const query = new URLSearchParams(queryOf(request));
  const bearer = bearerIn(authorization ?? '') ?? query.get('token') ?? '';
  if (bearer !== '') return { type: 'bearer', text: bearer };
  const ticket = query.get('ticket') ?? '';
  if (ticket !== '') return { type: 'ticket', text: ticket };
  const text = tokenAmong((offered ?? '').split(',').map((offer) => offer.trim()));
  return text === '' ? undefined : { type: 'bearer', text };
}

/** Picks the offer that can only be a token where protocols are offered too, else the first offer. */
function tokenAmong(offers: readonly string[]): string {
  return bearerOffered(offers.find(isCredentialOffer) ?? offers[0] ?? '');
}
