import { type Identity, SERVER } from '../auth/identity.ts';
import type { Key } from '../store/store.ts';
import type { TableResource } from './table-resource.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** Records that a filter matched, and those of them that were not so already. */
export interface BulkResult {
  readonly matched: number;
  readonly changed: number;
}

/** A table for code that runs in the server: the same door as REST, without access rules. */
export interface TableHandle {
  /** The record, or undefined. */
  get(id: Key): Promise<JsonObject | undefined>;
  /** Records by a query as in the URL of a list: `title==A*&limit=10`. Throws AppError INVALID_QUERY. */
  find(query?: string): Promise<readonly JsonObject[]>;
  /** Stores a new record and gives it back as stored. Throws AppError VALIDATION_ERROR or CONFLICT. */
  create(record: JsonObject): Promise<JsonObject>;
  /** Creates or replaces. */
  put(id: Key, record: JsonObject): Promise<JsonObject>;
  /** Replaces the fields that are given. Throws AppError NOT_FOUND. */
  patch(id: Key, fields: JsonObject): Promise<JsonObject>;
  /** Throws AppError NOT_FOUND. */
  delete(id: Key): Promise<void>;
  /**
   * Replaces the given fields of every record that the filter matches (`status==open`; `all=true` for all), all or none.
   * Throws AppError INVALID_QUERY without a filter, CONFLICT, BAD_REQUEST beyond `limits.bulk`.
   */
  updateMany(filter: string, fields: JsonObject): Promise<BulkResult>;
  /** Removes every record that the filter matches. Throws as `updateMany`. */
  deleteMany(filter: string): Promise<BulkResult>;
  /** Sends a message to the record's and the table's channel (with null to the table's alone); nothing is stored. */
  publish(id: Key | null, data: unknown): Promise<{ seq: number; delivered: number }>;
}

export function makeHandle(resource: TableResource, identity: Identity = SERVER): TableHandle {
  return {
    get: async (id) => {
      const record = await resource.get(identity, id);
      return record && parse(record.json);
    },
    find: async (query = '') => JSON.parse((await resource.list(identity, query)).json) as JsonObject[],
    create: async (record) => parse((await resource.create(identity, record)).json),
    put: async (id, record) => parse((await resource.put(identity, id, record)).json),
    patch: async (id, fields) => parse((await resource.patch(identity, id, fields)).json),
    delete: async (id) => void (await resource.delete(identity, id)),
    updateMany: async (filter, fields) => parseBulk((await resource.patchMany(identity, filter, fields)).json),
    deleteMany: async (filter) => parseBulk((await resource.deleteMany(identity, filter)).json),
    publish: (id, data) => resource.publish(identity, id, data),
  };
}

export function makeHandles(
  resources: ReadonlyMap<string, TableResource>,
  identity: Identity = SERVER,
): ReadonlyMap<string, TableHandle> {
  return new Map([...resources].map(([name, resource]) => [name, makeHandle(resource, identity)]));
}

function parse(json: string): JsonObject {
  return JSON.parse(json) as JsonObject;
}

function parseBulk(json: string): BulkResult {
  return JSON.parse(json) as BulkResult;
}
