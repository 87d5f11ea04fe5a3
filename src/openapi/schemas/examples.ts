import type { FieldPlan, FieldType, JsonValue, TablePlan } from '../../schema/plan.ts';
import { isServerSet, isText } from '../../schema/sdl/field.ts';

export const EXAMPLE_TIME = '2025-01-15T10:30:00.000Z';
/** Position in the log at EXAMPLE_TIME. */
export const EXAMPLE_SEQ = 1_736_937_000_000_000;
/** Expiry in the far future, so that a record made from the example is not removed immediately. */
const EXPIRY = Date.UTC(2100, 0, 1);

export function exampleKey({ primaryKey, name }: TablePlan): JsonValue {
  return isText(primaryKey.type) ? `${name.slice(0, 3).toLowerCase()}-1` : 1;
}

/** Makes an example of a record in a response. */
export function exampleRecord(table: TablePlan): JsonValue {
  return exampleOf(
    table,
    table.fields.filter(({ hidden }) => !hidden),
  );
}

/** Makes an example of a record in a request. */
export function exampleInput(table: TablePlan): JsonValue {
  return exampleOf(table, sentFields(table));
}

/** Makes an example of a body. It has no key, unless the client must choose one: the key is in the path or generated. */
export function exampleBody(table: TablePlan, kind: 'create' | 'replace' | 'merge'): JsonValue {
  const isNeeded = (field: FieldPlan) => !field.primaryKey || (kind === 'create' && !isText(field.type));
  const fields = sentFields(table).filter(isNeeded);
  return exampleOf(table, kind === 'merge' ? fields.slice(0, 1) : fields);
}

function sentFields({ fields }: TablePlan): readonly FieldPlan[] {
  return fields.filter((field) => !isServerSet(field));
}

function exampleOf(table: TablePlan, fields: readonly FieldPlan[]): JsonValue {
  const values = fields.map((field) => [field.name, field.primaryKey ? exampleKey(table) : exampleValue(field)]);
  return Object.fromEntries(values) as JsonValue;
}

const VALUES: Readonly<Record<string, JsonValue>> = {
  ID: 'a-1',
  Int: 1,
  Long: 1,
  Float: 1.5,
  Boolean: true,
  Date: EXAMPLE_TIME,
  JSON: {},
};

/** Values of fields with these names, as in the README. */
const NAMED: ReadonlyMap<string, string> = new Map([
  ['title', 'Hello'],
  ['content', 'World'],
]);

function exampleValue({ name, type, default: fallback, expiresAt }: FieldPlan): JsonValue {
  if (fallback !== undefined) return fallback;
  if (type.kind === 'enum') return type.values[0] ?? null;
  if (type.kind === 'list') return [];
  if (type.kind === 'object') {
    return Object.fromEntries(type.fields.map((field) => [field.name, exampleValue(field)]));
  }
  if (expiresAt) return type.name === 'Long' || type.name === 'Float' ? EXPIRY : new Date(EXPIRY).toISOString();
  return VALUES[type.name] ?? NAMED.get(name) ?? 'text';
}

/** Returns an example value of the type for a query string. */
export function exampleText(type: FieldType): string {
  if (type.kind === 'list') return exampleText(type.of);
  if (type.kind === 'enum') return type.values[0] ?? 'null';
  if (type.kind === 'object' || type.name === 'JSON') return 'null';
  return String(VALUES[type.name] ?? 'Hello');
}
