import { createHash, randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { identityOf } from '../../server/auth/identity-of.ts';
import { parseIdempotencyKey } from '../../transports/rest/request.ts';
import type { FlowData } from '../connector.ts';

export interface EventKey {
  readonly key: string;
  /** Of what the request says, where its sender chose the key: the same key with another digest is another request. */
  readonly digest?: string;
}

export interface RequestSaid {
  readonly operation: string;
  readonly input: FlowData;
  /** The input has header fields, which differ from one attempt to the next. */
  readonly hasHeaders: boolean;
  /** `webhook-id` of a signed request: its sender sends the same message again, whatever the address looks like. */
  readonly webhookId: string | undefined;
}

/** By what the event of a request is known again. Throws BAD_REQUEST for a bad `Idempotency-Key`. */
export function eventKeyOf(request: FastifyRequest, said: RequestSaid): EventKey {
  const { operation, input, hasHeaders, webhookId } = said;
  const identity = identityOf(request);
  const sender = identity.type === 'principal' ? identity.sub : '';
  if (webhookId !== undefined) return { key: hash([operation, request.url, sender, webhookId]) };
  const chosen = parseIdempotencyKey(request);
  if (chosen === undefined) return { key: randomUUID() };
  // The method and the path are those of the operation, with the parameters in the input.
  const parts = Object.entries(input).filter(([name]) => !hasHeaders || name !== 'headers');
  return { key: hash([operation, sender, chosen]), digest: hash([operation, parts]) };
}

function hash(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}
