import type { Wrong } from '../config/keys/units.ts';
import type { ScalarName } from './plan.ts';

const SCALAR_NAMES = ['ID', 'String', 'Int', 'Float', 'Boolean', 'Date', 'Long', 'JSON'] as const;

export const SCALARS: ReadonlySet<string> = new Set(SCALAR_NAMES);

export function isScalarName(name: string): name is ScalarName {
  return SCALARS.has(name);
}

// Names that mean something to every JavaScript object.
const OBJECT_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
// What an application has beside its tables.
const OWN_NAMES: ReadonlyMap<string, string> = new Map([
  ['docs', 'the API page and its documents are there'],
  ['openapi.json', 'the API page and its documents are there'],
  ['asyncapi.json', 'the API page and its documents are there'],
  ['client.js', 'the module for pages is there'],
  ['auth', 'what has to do with logging in is there'],
  ['flows', 'what flows do, and what they could not do, is there'],
]);
/** Where the audit log is, beside the tables, when there is one. */
export const AUDIT_NAME = 'audit';
// PostgreSQL cuts longer identifiers off without a word.
const LONGEST_NAME = 63;

/** What is wrong with the name of a type or field, or with a stored name. */
export function checkName(name: string, kind: 'type' | 'field' | 'stored name'): Wrong | undefined {
  if (kind === 'type' && SCALARS.has(name)) return { message: `type "${name}" is built in`, hint: 'take another name' };
  if (OBJECT_NAMES.has(name)) return { message: `${kind} "${name}" is a reserved name` };
  if (name.startsWith('_')) return { message: `${kind} "${name}" is a reserved name`, hint: 'do not begin with "_"' };
  if (name.toLowerCase().startsWith('sqlite_')) {
    return { message: `${kind} "${name}" is a reserved name`, hint: 'do not begin with "sqlite_"' };
  }
  if (name.length > LONGEST_NAME) return { message: `${kind} "${name}" is longer than ${LONGEST_NAME} characters` };
  return undefined;
}

/** What is wrong with `@table(database:)` or `@table(table:)`. */
export function checkStoredName(name: string): Wrong | undefined {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_-]*$/.test(name)) {
    return { message: `"${name}" is not a name`, hint: 'only letters, digits, "-" and "_"' };
  }
  return checkName(name, 'stored name');
}

/** What is wrong with `@export(name:)`, the last segment of the table's URL. */
export function checkExportName(name: string): Wrong | undefined {
  if (OBJECT_NAMES.has(name)) return { message: `"${name}" is a reserved name` };
  const own = OWN_NAMES.get(name);
  if (own !== undefined) {
    const hint = `${own}: take another name, @export(name: "…")`;
    return { message: `"${name}" is used by the server itself`, hint };
  }
  return /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,62}$/.test(name)
    ? undefined
    : { message: `"${name}" cannot stand in a URL`, hint: 'only letters, digits, "-", "_" and ".", not first "."' };
}
