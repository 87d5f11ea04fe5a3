import type { FieldPlan, ScalarName, TablePlan } from '../plan.ts';
import type { MigrationStep } from './diff.ts';
import { describeType, type StoredColumn, type StoredType } from './stored.ts';

/** `widens`: every stored value fits the new type. `narrows`: the stored values have to be checked. */
export type TypeChange = 'same' | 'widens' | 'narrows';

/** Types that hold every scalar: each value has its own text and is a JSON value. */
const ANY: readonly ScalarName[] = ['String', 'ID', 'JSON'];
const WIDER: Readonly<Record<ScalarName, readonly ScalarName[]>> = {
  Int: ['Long', 'Float', ...ANY],
  Long: ANY,
  Float: ANY,
  Boolean: ANY,
  Date: ANY,
  ID: ANY,
  String: ANY,
  JSON: [],
};

export function compareTypes(from: StoredType, to: StoredType): TypeChange {
  if (from.kind === 'scalar' && to.kind === 'scalar') {
    if (from.name === to.name) return 'same';
    return WIDER[from.name].includes(to.name) ? 'widens' : 'narrows';
  }
  if (from.kind === 'enum' && to.kind === 'enum') {
    if (!from.values.every((value) => to.values.includes(value))) return 'narrows';
    return from.values.length === to.values.length ? 'same' : 'widens';
  }
  if (from.kind === 'enum' && to.kind === 'scalar') return ANY.includes(to.name) ? 'widens' : 'narrows';
  if (from.kind === 'list' && to.kind === 'list') {
    const items = from.itemsRequired === to.itemsRequired ? 'same' : from.itemsRequired ? 'widens' : 'narrows';
    return worst([items, compareTypes(from.of, to.of)]);
  }
  if (from.kind === 'object' && to.kind === 'object') return compareObjects(from, to);
  // A single value becomes a list of one.
  if (to.kind === 'list' && !isJson(from)) return worst(['widens', compareTypes(from, to.of)]);
  // Lists and objects are stored as JSON, so that a field of type JSON can hold them as they are.
  return isJson(to) && (from.kind === 'list' || from.kind === 'object') ? 'widens' : 'narrows';
}

function isJson(type: StoredType): boolean {
  return type.kind === 'scalar' && type.name === 'JSON';
}

type StoredObject = StoredType & { readonly kind: 'object' };

function compareObjects(from: StoredObject, to: StoredObject): TypeChange {
  const before = new Map(from.fields.map((field) => [field.name, field]));
  const after = new Set(to.fields.map(({ name }) => name));
  const changes = to.fields.map((field): TypeChange => {
    const old = before.get(field.name);
    // Stored objects do not have the new member, so that it must not be required.
    if (old === undefined) return field.required ? 'narrows' : 'widens';
    const nullness = old.required === field.required ? 'same' : field.required ? 'narrows' : 'widens';
    return worst([nullness, compareTypes(old.type, field.type)]);
  });
  return worst([...changes, ...(from.fields.every(({ name }) => after.has(name)) ? [] : ['narrows' as const])]);
}

function worst(changes: readonly TypeChange[]): TypeChange {
  if (changes.includes('narrows')) return 'narrows';
  return changes.includes('widens') ? 'widens' : 'same';
}

/** True when the stored values of a computed field differ from the results of its expression. */
export function isOutdated(old: StoredColumn, { computed, type }: FieldPlan): boolean {
  if (computed === undefined) return false;
  return old.computed !== computed.signature || compareTypes(old.type, describeType(type)) !== 'same';
}

/** Destructive when the field was not computed so far: clients wrote the values that are replaced. */
export function recomputeSteps(old: StoredColumn, table: TablePlan, field: FieldPlan): MigrationStep[] {
  if (!isOutdated(old, field)) return [];
  const column = `${table.database}.${table.table}.${field.name}`;
  const destructive = old.computed === undefined;
  const sentence = destructive
    ? `compute ${column} in every record, in place of what was written there`
    : `compute ${column} again in every record`;
  return [{ type: 'recompute', table, field, destructive, sentence }];
}
