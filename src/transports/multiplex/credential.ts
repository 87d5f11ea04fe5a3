import type { FastifyRequest } from 'fastify';
import type { Authenticator, Credential } from '../../auth/credentials/authenticator.ts';
import type { Identity } from '../../auth/identity.ts';
import { AppError } from '../../errors.ts';
import { bearerIn, bearerOffered, isCredentialOffer } from '../../server/auth/credential.ts';
import { identityOf } from '../../server/auth/identity-of.ts';
import { queryOf } from '../../server/query-of.ts';

/** Who asks, or why that is not known. */
export type Authentication = { readonly identity: Identity } | { readonly refused: string };

/**
 * Finds out who asks. Without an authenticator it is whoever the request is from. Throws only what is no fault of the
 * one who asks.
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

/** What a request shows, where it is looked for first. A browser's WebSocket can only fill the URL and the protocol. */
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

/** The one that can only be a token where protocols are offered beside it, else the first. */
function tokenAmong(offers: readonly string[]): string {
  return bearerOffered(offers.find(isCredentialOffer) ?? offers[0] ?? '');
}
