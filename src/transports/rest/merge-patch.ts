import type { FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { hasNestedParts, mergeIntoRecord } from '../../resources/merge-patch.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import { isMergePatch } from '../../server/body.ts';
import { MEDIA_TYPES } from '../../server/content/formats.ts';
import { identityOf } from '../../server/request.ts';
import type { RecordKey, WriteOutcome } from '../../store/store.ts';
import { oneBody, optionsOf } from './request.ts';

/**
 * Patches one record. A member replaces a field; in a merge patch (RFC 7396) an object is merged with the current one of
 * the field. Throws as `patch` of the table.
 */
export async function patchRecord(
  request: FastifyRequest,
  resource: TableResource,
  id: RecordKey,
): Promise<WriteOutcome> {
  const options = optionsOf(request, resource);
  const patch = oneBody(request);
  const identity = identityOf(request);
  if (!isMergePatch(request)) return resource.patch(identity, id, patch, options);
  return mergeIntoRecord(resource, { identity, id, patch, options });
}

/** Body of PATCH by filter. Throws UNSUPPORTED_MEDIA_TYPE for a patch whose result would depend on the record. */
export function patchOfMany(request: FastifyRequest, resource: TableResource): unknown {
  const patch = oneBody(request);
  if (!isMergePatch(request) || !hasNestedParts(patch, resource)) return patch;
  const message = `A merge patch of many records must not have objects in it. Send ${MEDIA_TYPES.json.names[0]}, which replaces whole fields.`;
  throw new AppError('UNSUPPORTED_MEDIA_TYPE', message);
}
