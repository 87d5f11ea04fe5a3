import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { SERVER } from '../../auth/identity.ts';
import { AppError, invalidField } from '../../errors.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { WriteOptions } from '../../resources/table/types.ts';
import { identityOf } from '../../server/auth/identity-of.ts';
import { isMergePatch, MERGE_PATCH } from '../../server/body.ts';
import { MEDIA_TYPES } from '../../server/content/formats.ts';
import { toAppError } from '../../server/problems.ts';
import type { RecordKey, StoredRecord, WriteOutcome } from '../../store/store.ts';
import { optionsOf } from './idempotency-key.ts';
import { oneBody } from './one-body.ts';

type Members = Readonly<Record<string, unknown>>;

/** How often a record is read anew that changes while a patch is merged with it. */
const MAX_TRIES = 10;

/** What PATCH of tables and records takes, for `Accept-Patch` (RFC 5789 §3.1). */
const PATCH_TYPES: string = [
  MEDIA_TYPES.json.names[0],
  MERGE_PATCH,
  MEDIA_TYPES.cbor.names[0],
  MEDIA_TYPES.msgpack.names[0],
].join(', ');

/** For routes of PATCH: OPTIONS and a refusal of the body's type say which types there are. */
export const PATCHING = {
  config: { acceptPatch: PATCH_TYPES },
  errorHandler: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void => {
    nameTypes(error, reply);
    // The server's own handler answers it.
    reply.send(error);
  },
};

/** Says with a refusal of the body's type which types there are. */
export function nameTypes(error: FastifyError, reply: FastifyReply): void {
  if (toAppError(error).code === 'UNSUPPORTED_MEDIA_TYPE') reply.header('accept-patch', PATCH_TYPES);
}

/**
 * PATCH of one record. A member replaces a field; in a merge patch (RFC 7396) an object is merged with the one that the field
 * has, which the record is read for first. Throws as `patch` of the table.
 */
export async function patchRecord(
  request: FastifyRequest,
  resource: TableResource,
  id: RecordKey,
): Promise<WriteOutcome> {
  const options = optionsOf(request, resource);
  const patch = oneBody(request);
  const identity = identityOf(request);
  if (!isMergePatch(request) || !reachesInto(patch)) return resource.patch(identity, id, patch, options);
  for (let tries = 1; ; tries++) {
    const stored = await resource.get(SERVER, id, '');
    // Without the record nothing is merged, and why it cannot be patched is told as ever.
    if (stored === undefined) return resource.patch(identity, id, patch, options);
    const merged = mergeInto(stored, patch, resource);
    try {
      return await resource.patch(identity, id, merged, onlyIf(stored, options));
    } catch (error) {
      const hasChanged = error instanceof AppError && error.code === 'PRECONDITION_FAILED';
      const isAsked = Array.isArray(options?.precondition);
      if (!hasChanged || isAsked || tries === MAX_TRIES) throw error;
    }
  }
}

/** The body of PATCH by filter. Throws UNSUPPORTED_MEDIA_TYPE for a patch that would be another one for each record. */
export function patchOfMany(request: FastifyRequest): unknown {
  const patch = oneBody(request);
  if (!isMergePatch(request) || !reachesInto(patch)) return patch;
  const message = `A merge patch of many records must not have objects in it. Send ${MEDIA_TYPES.json.names[0]}, which replaces whole fields.`;
  throw new AppError('UNSUPPORTED_MEDIA_TYPE', message);
}

/** Whether a patch says something about parts of a field. */
function reachesInto(patch: unknown): patch is Members {
  return isObject(patch) && Object.values(patch).some(isObject);
}

function mergeInto({ json }: StoredRecord, patch: Members, { table }: TableResource): Members {
  const record = JSON.parse(json) as Members;
  const hidden = new Set(table.fields.filter((field) => field.hidden).map(({ name }) => name));
  const members = Object.entries(patch).map(([name, value]) => {
    if (isObject(value) && hidden.has(name)) {
      throw invalidField(name, `is hidden and cannot be merged; send it whole, as ${MEDIA_TYPES.json.names[0]}`);
    }
    return [name, isObject(value) ? merge(memberOf(record, name), value) : value] as const;
  });
  return Object.fromEntries(members);
}

/** RFC 7396 §2: null removes a member, an object is merged, anything else replaces. */
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

/** The write is about the record that was read; and, where the client knows it, about the one that the client has. */
function onlyIf({ seq }: StoredRecord, options: WriteOptions = {}): WriteOptions {
  const { precondition } = options;
  const isOther = Array.isArray(precondition) && !precondition.includes(seq);
  return isOther || precondition === 'none' ? options : { ...options, precondition: [seq] };
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
