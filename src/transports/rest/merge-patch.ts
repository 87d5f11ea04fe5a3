import type { FastifyRequest } from 'fastify';
import { SERVER } from '../../auth/identity.ts';
import { AppError, invalidField } from '../../errors.ts';
import { isOperation } from '../../resources/body/operators.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { WriteOptions } from '../../resources/table/types.ts';
import type { TablePlan } from '../../schema/plan.ts';
import { isMergePatch } from '../../server/body.ts';
import { MEDIA_TYPES } from '../../server/content/formats.ts';
import { identityOf } from '../../server/request.ts';
import type { RecordKey, StoredRecord, WriteOutcome } from '../../store/store.ts';
import { oneBody, optionsOf } from './request.ts';

type Members = Readonly<Record<string, unknown>>;

/** Attempts to merge a patch with a record that changes between its read and the write. */
const MAX_ATTEMPTS = 10;

/**
 * Patches one record. A member replaces a field; in a merge patch (RFC 7396) an object is merged with the current one of
 * the field, for which the record is read first. Throws as `patch` of the table.
 */
export async function patchRecord(
  request: FastifyRequest,
  resource: TableResource,
  id: RecordKey,
): Promise<WriteOutcome> {
  const options = optionsOf(request, resource);
  const patch = oneBody(request);
  const identity = identityOf(request);
  if (!isMergePatch(request) || !hasNestedParts(patch, resource)) return resource.patch(identity, id, patch, options);
  for (let attempt = 1; ; attempt++) {
    const stored = await resource.get(SERVER, id, '');
    // Without the record there is nothing to merge with; `patch` reports the error.
    if (stored === undefined) return resource.patch(identity, id, patch, options);
    const merged = mergeInto(stored, patch, resource);
    try {
      return await resource.patch(identity, id, merged, onlyIf(stored, options));
    } catch (error) {
      const hasChanged = error instanceof AppError && error.code === 'PRECONDITION_FAILED';
      const hasOwnTags = Array.isArray(options?.precondition);
      if (!hasChanged || hasOwnTags || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** Body of PATCH by filter. Throws UNSUPPORTED_MEDIA_TYPE for a patch whose result would depend on the record. */
export function patchOfMany(request: FastifyRequest, resource: TableResource): unknown {
  const patch = oneBody(request);
  if (!isMergePatch(request) || !hasNestedParts(patch, resource)) return patch;
  const message = `A merge patch of many records must not have objects in it. Send ${MEDIA_TYPES.json.names[0]}, which replaces whole fields.`;
  throw new AppError('UNSUPPORTED_MEDIA_TYPE', message);
}

/** True for a patch that changes parts of a field. */
function hasNestedParts(patch: unknown, { table }: TableResource): patch is Members {
  return isObject(patch) && Object.entries(patch).some(([name, value]) => isNested(name, value, table));
}

/** True for an object that is merged: an operator, as `{"$inc": 1}`, is applied. */
function isNested(name: string, value: unknown, { fields }: TablePlan): value is Members {
  if (!isObject(value)) return false;
  const field = fields.find((candidate) => candidate.name === name);
  return field === undefined || !isOperation(value, field);
}

function mergeInto({ json }: StoredRecord, patch: Members, { table }: TableResource): Members {
  const record = JSON.parse(json) as Members;
  const hidden = new Set(table.fields.filter((field) => field.hidden).map(({ name }) => name));
  const members = Object.entries(patch).map(([name, value]) => {
    if (!isNested(name, value, table)) return [name, value] as const;
    if (hidden.has(name)) {
      throw invalidField(name, `is hidden and cannot be merged; send it whole, as ${MEDIA_TYPES.json.names[0]}`);
    }
    return [name, merge(memberOf(record, name), value)] as const;
  });
  return Object.fromEntries(members);
}

/** Merges as RFC 7396 §2: null removes a member, an object is merged, anything else replaces. */
function merge(target: unknown, patch: Members): Members {
  const merged = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, isObject(value) ? merge(merged.get(name), value) : value);
  }
  return Object.fromEntries(merged);
}

function memberOf(record: Members, name: string): unknown {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** Makes the write conditional on the record that was read, unless the client's own condition excludes it. */
function onlyIf({ seq }: StoredRecord, options: WriteOptions = {}): WriteOptions {
  const { precondition } = options;
  const isExcluded = Array.isArray(precondition) && !precondition.includes(seq);
  return isExcluded || precondition === 'none' ? options : { ...options, precondition: [seq] };
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
