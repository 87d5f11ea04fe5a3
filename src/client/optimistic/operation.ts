import type { WriteStep } from '../live/overlay.ts';
import type { Position } from '../live/subscription.ts';
import { applyPatch, isRepeatable } from './operators.ts';

type Id = string | number;
type Json = Readonly<Record<string, unknown>>;

/** Write or transaction that waits for its confirmation. */
export interface PendingWrite {
  readonly operations: readonly Operation[];
  isSent: boolean;
  /** Position that contains it; undefined until it is answered. */
  position: Position | undefined;
}

/** Change of one record. */
export interface Operation {
  readonly write: PendingWrite;
  readonly table: string;
  readonly id: Id;
  /** Name of the primary key. */
  readonly key: string;
  readonly kind: WriteStep['op'];
  readonly data: Json;
  /** True when it may be applied twice with the same result. */
  readonly isRepeatable: boolean;
}

/**
 * Gives each create a key, and replaces references between steps by keys. `keyOf` names the primary key of a table.
 */
export function nameSteps(steps: readonly WriteStep[], keyOf: (table: string) => string): readonly WriteStep[] {
  const keys = new Map<string, unknown>();
  return steps.map((step) => {
    const data = resolve(step.data, keys) as Json | undefined;
    const key = keyOf(step.table);
    const id = step.id === undefined ? (data?.[key] ?? makeId()) : resolve(step.id, keys);
    if (step.as !== undefined) keys.set(step.as, id);
    return { ...step, id: id as Id, data: step.op === 'create' ? { ...data, [key]: id } : data };
  });
}

function resolve(value: unknown, keys: ReadonlyMap<string, unknown>): unknown {
  if (keys.size === 0 || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => resolve(item, keys));
  const members = Object.entries(value);
  if (members.length === 1 && members[0]?.[0] === '$ref') return keys.get(String(members[0][1])) ?? value;
  return Object.fromEntries(members.map(([name, member]) => [name, resolve(member, keys)]));
}

export function makeOperation(write: PendingWrite, { op, table, id, data }: WriteStep, key: string): Operation {
  const fields = (data ?? {}) as Json;
  const repeatable = op !== 'patch' || isRepeatable(fields);
  return { write, table, id: id as Id, key, kind: op, data: fields, isRepeatable: repeatable };
}

/** Applies a change to a record; undefined for no record. Fields that a put leaves out stay until the server has it. */
export function applyOperation(record: Json | undefined, { kind, id, key, data }: Operation): Json | undefined {
  if (kind === 'delete') return undefined;
  if (kind === 'patch') return record && applyPatch(record, data);
  return { [key]: id, ...record, ...data };
}

/** Returns a UUIDv7, so that keys are in the order in which they were made. */
function makeId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  const random = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const hex = `${Date.now().toString(16).padStart(12, '0')}7${random.slice(0, 3)}8${random.slice(3, 18)}`;
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
