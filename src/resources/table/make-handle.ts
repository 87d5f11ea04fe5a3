import { type Identity, SERVER } from '../../auth/identity.ts';
import type { JsonObject } from './frames.ts';
import type { BulkResult, TableHandle, TableSubscription } from './handle.ts';
import type { TableResource } from './resource.ts';
import type { SubscribeOptions } from './streams.ts';

export function makeHandle(resource: TableResource, identity: Identity = SERVER): TableHandle {
  return {
    get: async (id) => {
      const record = await resource.get(identity, id);
      return record && parse(record.json);
    },
    find: async <Selected>(query = '') => JSON.parse((await resource.list(identity, query)).json) as Selected[],
    create: async (record) => parse((await resource.create(identity, record)).json),
    put: async (id, record) => parse((await resource.put(identity, id, record)).json),
    patch: async (id, fields) => parse((await resource.patch(identity, id, fields)).json),
    delete: async (id) => void (await resource.delete(identity, id)),
    updateMany: async (filter, fields) => parseBulk((await resource.patchMany(identity, filter, fields)).json),
    deleteMany: async (filter) => parseBulk((await resource.deleteMany(identity, filter)).json),
    publish: (id, data) => resource.publish(identity, id, data),
    subscribe: <Selected>(query = '', options: SubscribeOptions = {}) =>
      resource.streams.open({
        ...options,
        resource,
        identity,
        query,
      }) as AsyncIterator<unknown> as TableSubscription<Selected>,
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
