import { createHash, randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { identityOf } from '../../server/request.ts';
import { parseIdempotencyKey } from '../../transports/rest/request.ts';
import type { FlowData } from '../connector.ts';

export interface EventKey {
  readonly key: string;
  /** Digest of the request, where its sender chose the key: the same key with another digest is another request. */
  readonly digest?: string;
}

export interface KeyedRequest {
  readonly operation: string;
  readonly input: FlowData;
  /** True for an input with header fields, which differ between attempts. */
  readonly hasHeaders: boolean;
  /** Header `webhook-id` of a signed request, which its sender repeats with the message. */
  readonly webhookId: string | undefined;
}

/** Key by which a repeated request is recognised. Throws BAD_REQUEST for an invalid `Idempotency-Key`. */
export function eventKeyOf(request: FastifyRequest, keyed: KeyedRequest): EventKey {
  const { operation, input, hasHeaders, webhookId } = keyed;
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
