import { AppError } from '../../errors.ts';
import { makeOnce } from '../../resources/idempotency.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { Key, WriteOutcome } from '../../store/store.ts';
import { type Deliver, type Delivery, type FlowData, PermanentError } from '../connector.ts';

export type TableOperation = 'create' | 'upsert' | 'update' | 'delete' | 'publish';

/**
 * Writes what a flow makes through the table's one door: with the rules, validation and hooks that everybody has. A
 * delivery that comes again is not written again.
 */
export function makeTableTarget(resource: TableResource, operation: TableOperation): Deliver {
  const write = WRITES[operation];
  return async (delivery) => write({ resource, delivery, once: onceOf(resource, delivery) });
}

interface TableWrite {
  readonly resource: TableResource;
  readonly delivery: Delivery;
  readonly once: ReturnType<typeof makeOnce>;
}

const WRITES: Readonly<Record<TableOperation, (write: TableWrite) => Promise<unknown>>> = {
  create: async ({ resource, delivery, once }) =>
    recordOf(await resource.create(delivery.identity, bodyOf(resource, delivery), once)),
  upsert: async ({ resource, delivery, once }) =>
    recordOf(await resource.put(delivery.identity, undefined, bodyOf(resource, delivery), { once })),
  update: async ({ resource, delivery, once }) => {
    const body = bodyOf(resource, delivery);
    return recordOf(await resource.patch(delivery.identity, keyOf(resource, body), body, { once }));
  },
  delete: async ({ resource, delivery, once }) => {
    const id = keyOf(resource, delivery.output);
    try {
      await resource.delete(delivery.identity, id, { once });
      return { id, deleted: true };
    } catch (error) {
      // It is as it should be.
      if (error instanceof AppError && error.code === 'NOT_FOUND') return { id, deleted: false };
      throw error;
    }
  },
  publish: async ({ resource, delivery, once }) => {
    const { seq, delivered } = await resource.publish(delivery.identity, null, delivery.output, once);
    return { seq, delivered };
  },
};

function onceOf({ table }: TableResource, { identity, key }: Delivery): ReturnType<typeof makeOnce> {
  // Whatever an expression gives the second time, it is the same delivery.
  return makeOnce({ table, identity, space: 'flow', key, parts: [] });
}

function recordOf({ json }: WriteOutcome): unknown {
  return JSON.parse(json);
}

/** An input that nobody has shaped has members that are about the event: the table takes those that it knows. */
function bodyOf({ table }: TableResource, { output, isInput }: Delivery): FlowData {
  if (isInput !== true) return output;
  const names = new Set(table.fields.map(({ name }) => name));
  return Object.fromEntries(Object.entries(output).filter(([name]) => names.has(name)));
}

function keyOf({ table }: TableResource, output: FlowData): Key {
  const { name } = table.primaryKey;
  const key = Object.hasOwn(output, name) ? output[name] : undefined;
  if (typeof key === 'string' || typeof key === 'number') return key;
  throw new PermanentError(`${name}: the key of the record is missing`);
}
