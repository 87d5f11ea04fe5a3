import type { FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { BatchBody } from '../../resources/body/batch-body.ts';

/** The body of a request that is about one record or message. Throws UNSUPPORTED_MEDIA_TYPE for a body of many. */
export function oneBody({ body }: FastifyRequest): unknown {
  if (!(body instanceof BatchBody)) return body;
  throw new AppError(
    'UNSUPPORTED_MEDIA_TYPE',
    'NDJSON and CSV are many records, which only POST to a table creates. Send JSON, CBOR or MessagePack here.',
  );
}
