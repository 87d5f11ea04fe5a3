import { invalidField } from '../../errors.ts';
import type { FieldPlan, FieldType, TablePlan } from '../../schema/plan.ts';
import type { RecordKey } from '../../store/store.ts';
import { copyRounded } from '../body/json.ts';
import { isObject } from '../body/values.ts';

const MEMBER = '$ref';

/** Keys of the records of earlier steps, by the name of the step; undefined for a step that is still to come. */
export type StepKeys = ReadonlyMap<string, RecordKey | undefined>;

/** Returns the key that `{"$ref":"order"}` stands for; another value is returned as it is. Throws VALIDATION_ERROR. */
export function resolveReference(value: unknown, path: string, keys: StepKeys): unknown {
  if (!isReference(value)) return value;
  const name = value[MEMBER];
  if (typeof name !== 'string') throw invalidField(path, `${MEMBER} must be the name of an earlier step`);
  const key = keys.get(name);
  if (key !== undefined) return key;
  const why = keys.has(name) ? 'a later step, or this one' : 'no step';
  throw invalidField(
    path,
    `${MEMBER} ${JSON.stringify(name.slice(0, 100))} names ${why}; it must be the "as" of an earlier one`,
  );
}

/**
 * Returns the record with the keys of earlier steps in the place of references. Only values whose type has no objects are
 * looked at: in a field of type JSON an object is a value, whatever its members are.
 */
export function resolveReferences(record: unknown, { fields }: TablePlan, keys: StepKeys): unknown {
  return isObject(record) ? resolveObject(record, { fields, prefix: '', keys }) : record;
}

interface ObjectScope {
  readonly fields: readonly FieldPlan[];
  readonly prefix: string;
  readonly keys: StepKeys;
}

function resolveObject(value: Record<string, unknown>, { fields, prefix, keys }: ObjectScope): unknown {
  let copy: Record<string, unknown> | undefined;
  for (const { name, type } of fields) {
    const member = Object.hasOwn(value, name) ? value[name] : undefined;
    if (typeof member !== 'object' || member === null) continue;
    const resolved = resolveValue(member, type, { path: prefix + name, keys });
    if (resolved === member) continue;
    copy ??= copyOf(value, { ...value });
    copy[name] = resolved;
  }
  return copy ?? value;
}

interface ValueScope {
  readonly path: string;
  readonly keys: StepKeys;
}

function resolveValue(value: unknown, type: FieldType, { path, keys }: ValueScope): unknown {
  switch (type.kind) {
    case 'list':
      return Array.isArray(value) ? resolveList(value, type.of, { path, keys }) : value;
    case 'object':
      return isObject(value) ? resolveObject(value, { fields: type.fields, prefix: `${path}.`, keys }) : value;
    default:
      return type.kind === 'scalar' && type.name === 'JSON' ? value : resolveReference(value, path, keys);
  }
}

function resolveList(list: readonly unknown[], of: FieldType, { path, keys }: ValueScope): unknown {
  const resolved = list.map((item, index) => resolveValue(item, of, { path: `${path}[${index}]`, keys }));
  return resolved.some((item, index) => item !== list[index]) ? copyOf(list, resolved) : list;
}

function copyOf<T extends object>(from: object, copy: T): T {
  copyRounded(from, copy);
  return copy;
}

function isReference(value: unknown): value is Record<string, unknown> {
  return isObject(value) && Object.keys(value).length === 1 && Object.hasOwn(value, MEMBER);
}
