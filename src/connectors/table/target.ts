import { AppError, invalidField } from '../../errors.ts';
import { makeIdempotencyKey } from '../../resources/idempotency.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { RecordKey, WriteOutcome } from '../../store/store.ts';
import type { Deliver, Delivery, FlowData, InputNotes } from '../connector.ts';

export type TableOperation = 'create' | 'upsert' | 'update' | 'delete' | 'publish';

/**
 * Writes the output of a flow through the table's resource, with the rules, validation and hooks of every write. A
 * repeated delivery is not written again.
 */
export function makeTableTarget(resource: TableResource, operation: TableOperation): Deliver {
  const write = WRITES[operation];
  return async (delivery) => write({ resource, delivery, once: idempotencyKeyOf(resource, delivery) });
}

interface TableWrite {
  readonly resource: TableResource;
  readonly delivery: Delivery;
  readonly once: ReturnType<typeof makeIdempotencyKey>;
}

const WRITES: Readonly<Record<TableOperation, (write: TableWrite) => Promise<unknown>>> = {
  create: async ({ resource, delivery, once }) =>
    recordOf(await resource.create(delivery.identity, bodyOf(resource, delivery), once)),
  upsert: async ({ resource, delivery, once }) =>
    recordOf(await resource.put(delivery.identity, undefined, bodyOf(resource, delivery), { once })),
  update: async ({ resource, delivery, once }) => {
    const key = keyOf(resource, delivery.output);
    const body = bodyOf(resource, delivery, resource.table.primaryKey.name);
    return recordOf(await resource.patch(delivery.identity, key, body, { once }));
  },
  delete: async ({ resource, delivery, once }) => {
    const id = keyOf(resource, delivery.output);
    try {
      await resource.delete(delivery.identity, id, { once });
      return { id, deleted: true };
    } catch (error) {
      // The record does not exist, as requested.
      if (error instanceof AppError && error.code === 'NOT_FOUND') return { id, deleted: false };
      throw error;
    }
  },
  publish: async ({ resource, delivery, once }) => {
    const { seq, delivered } = await resource.publish(delivery.identity, null, delivery.output, once);
    return { seq, delivered };
  },
};

function idempotencyKeyOf(
  { table }: TableResource,
  { identity, key, notes }: Delivery,
): ReturnType<typeof makeIdempotencyKey> {
  // Expressions may give other values in a repeated delivery; only a different request of the sender makes it another one.
  const parts = notes?.digest === undefined ? [] : [notes.digest];
  return makeIdempotencyKey({ table, identity, space: 'flow', key, parts });
}

function recordOf({ json }: WriteOutcome): unknown {
  return JSON.parse(json);
}

/**
 * Body of the write. Without a transform the input has members that describe the event: only fields of the table are
 * kept. Throws VALIDATION_ERROR when no field is left, or none that the sender has sent, besides `apart`: the stored record
 * would not contain the event, which would be lost.
 */
export function bodyOf({ table }: TableResource, { output, isInput, notes }: Delivery, apart?: string): FlowData {
  if (isInput !== true) return output;
  const names = new Set(table.fields.map(({ name }) => name));
  const isField = (name: string) => names.has(name) && name !== apart;
  const sent = notes?.sent ?? [];
  if (!Object.keys(output).some(isField) || (sent.length > 0 && !sent.some(isField))) {
    throw new AppError('VALIDATION_ERROR', describeMismatch(table, { output, notes, apart }));
  }
  return Object.fromEntries(Object.entries(output).filter(([name]) => names.has(name)));
}

/** Bounds of the names that an error message lists. */
const MAX_LISTED_NAMES = 10;
const MAX_LISTED_NAME_CHARS = 40;

interface MismatchedInput {
  readonly output: FlowData;
  readonly notes: InputNotes | undefined;
  readonly apart: string | undefined;
}

function describeMismatch(table: TablePlan, { output, notes, apart }: MismatchedInput): string {
  const fields = listNames(
    table.fields.filter(({ hidden, name }) => !hidden && name !== apart).map(({ name }) => name),
  );
  if (notes?.whole !== undefined) {
    return `the message is ${notes.whole}; ${table.name} needs an object with some of its fields (${fields})`;
  }
  const sent = notes?.sent ?? Object.keys(output);
  const has = sent.length === 0 ? 'it is empty' : `it has ${listNames(sent)}`;
  const besides = apart === undefined ? '' : `, besides ${apart},`;
  return `the message has none of the fields of ${table.name}${besides} (${fields}); ${has}`;
}

function listNames(names: readonly string[]): string {
  const listed = names.slice(0, MAX_LISTED_NAMES).map((name) => name.slice(0, MAX_LISTED_NAME_CHARS));
  return `${listed.join(', ')}${names.length > listed.length ? ', …' : ''}`;
}

/** Key of the record in an output. Throws VALIDATION_ERROR without one. */
export function keyOf({ table }: TableResource, output: FlowData): RecordKey {
  const { name } = table.primaryKey;
  const key = Object.hasOwn(output, name) ? output[name] : undefined;
  if (typeof key === 'string' || typeof key === 'number') return key;
  throw invalidField(name, `is the key of the record of ${table.name} and is missing`);
}
