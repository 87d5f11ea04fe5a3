import type { ScalarName } from '../plan.ts';
import type { StoredType } from './stored.ts';

/** `widens`: every stored value is a value of the new type. `narrows`: some may not be. */
export type TypeChange = 'same' | 'widens' | 'narrows';

// ID and String are both text; a whole number is also a number.
const WIDER: Readonly<Partial<Record<ScalarName, readonly ScalarName[]>>> = {
  Int: ['Long', 'Float'],
  ID: ['String'],
  String: ['ID'],
};

export function compareTypes(from: StoredType, to: StoredType): TypeChange {
  if (from.kind === 'scalar' && to.kind === 'scalar') {
    if (from.name === to.name) return 'same';
    return WIDER[from.name]?.includes(to.name) ? 'widens' : 'narrows';
  }
  if (from.kind === 'enum' && to.kind === 'enum') {
    if (!from.values.every((value) => to.values.includes(value))) return 'narrows';
    return from.values.length === to.values.length ? 'same' : 'widens';
  }
  if (from.kind === 'enum' && to.kind === 'scalar') return to.name === 'String' ? 'widens' : 'narrows';
  if (from.kind === 'list' && to.kind === 'list') {
    const items = from.itemsRequired === to.itemsRequired ? 'same' : from.itemsRequired ? 'widens' : 'narrows';
    return worst([items, compareTypes(from.of, to.of)]);
  }
  if (from.kind === 'object' && to.kind === 'object') return compareObjects(from, to);
  // Lists and objects are stored as JSON, so that a field of type JSON can hold them as they are.
  const isJson = to.kind === 'scalar' && to.name === 'JSON';
  return isJson && (from.kind === 'list' || from.kind === 'object') ? 'widens' : 'narrows';
}

type ObjectType = StoredType & { readonly kind: 'object' };

function compareObjects(from: ObjectType, to: ObjectType): TypeChange {
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
