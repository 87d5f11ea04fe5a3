import { type Identity, SERVER } from '../auth/identity.ts';
import { AppError, invalidField } from '../errors.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { RecordKey, StoredRecord, WriteOutcome } from '../store/store.ts';
import { isOperation } from './body/operators.ts';
import type { TableResource } from './table/resource.ts';
import type { WriteOptions } from './table/types.ts';

type Members = Readonly<Record<string, unknown>>;

/** Attempts to merge a patch with a record that changes between its read and the write. */
const MAX_ATTEMPTS = 10;

export interface MergePatch {
  readonly identity: Identity;
  readonly id: RecordKey;
  readonly patch: unknown;
  readonly options?: WriteOptions | undefined;
}

/**
 * Patches one record as RFC 7396 says: an object is merged with the current one of the field, for which the record is read
 * first. Throws as `patch` of the table.
 */
export async function mergeIntoRecord(
  resource: TableResource,
  { identity, id, patch, options }: MergePatch,
): Promise<WriteOutcome> {
  if (!hasNestedParts(patch, resource)) return resource.patch(identity, id, patch, options);
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

/** True for a patch that changes parts of a field. */
export function hasNestedParts(patch: unknown, { table }: TableResource): patch is Members {
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
      throw invalidField(name, 'is hidden and cannot be merged; send it whole, in a patch that replaces it');
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
