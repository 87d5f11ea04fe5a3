import type { Wrong } from '../config/keys/units.ts';
import { beginsAsOwn } from '../config/reserved-paths.ts';
import type { ScalarName } from './plan.ts';

const SCALAR_NAMES = ['ID', 'String', 'Int', 'Float', 'Boolean', 'Date', 'Long', 'JSON'] as const;

export const SCALARS: ReadonlySet<string> = new Set(SCALAR_NAMES);

export function isScalarName(name: string): name is ScalarName {
  return SCALARS.has(name);
}

// Names that have a meaning in every JavaScript object.
const OBJECT_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
// Aliases of addresses below `/{app_id}/_`, which are not tables, with the reason for the error message.
const RESERVED_SEGMENTS: ReadonlyMap<string, string> = new Map([
  ['docs', 'the API page and its documents are there'],
  ['openapi.json', 'the API page and its documents are there'],
  ['asyncapi.json', 'the API page and its documents are there'],
  ['client.js', 'the module for pages is there'],
  ['auth', 'the endpoints for logging in are there'],
  ['transaction', 'code has tables.transaction'],
  ['flows', 'the state of flows and their dead letters are there'],
]);
/** Path segment of the audit log, which exists when a table has `@audit`. */
export const AUDIT_NAME = 'audit';
// PostgreSQL truncates longer identifiers without an error.
const MAX_NAME_CHARS = 63;

/** Checks the name of a type or field, or a stored name. Undefined when the name is valid. */
export function checkName(name: string, kind: 'type' | 'field' | 'stored name'): Wrong | undefined {
  if (kind === 'type' && SCALARS.has(name)) return { message: `type "${name}" is built in`, hint: 'take another name' };
  if (OBJECT_NAMES.has(name)) return { message: `${kind} "${name}" is a reserved name` };
  if (name.startsWith('_')) return { message: `${kind} "${name}" is a reserved name`, hint: 'do not begin with "_"' };
  if (name.toLowerCase().startsWith('sqlite_')) {
    return { message: `${kind} "${name}" is a reserved name`, hint: 'do not begin with "sqlite_"' };
  }
  if (name.length > MAX_NAME_CHARS) return { message: `${kind} "${name}" is longer than ${MAX_NAME_CHARS} characters` };
  return undefined;
}

/** Checks `@table(database:)` or `@table(table:)`. Undefined when the name is valid. */
export function checkStoredName(name: string): Wrong | undefined {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_-]*$/.test(name)) {
    return { message: `"${name}" is not a name`, hint: 'only letters, digits, "-" and "_"' };
  }
  return checkName(name, 'stored name');
}

/** Checks `@export(name:)`, the last segment of the table's URL. Undefined when the name is valid. */
export function checkExportName(name: string): Wrong | undefined {
  if (OBJECT_NAMES.has(name)) return { message: `"${name}" is a reserved name` };
  if (beginsAsOwn(name)) {
    const free = name.replace(/^_+/, '');
    const line = `@export(name: ${JSON.stringify(/^[A-Za-z0-9]/.test(free) ? free : 'records')})`;
    const message = `"${name}" is reserved: addresses that begin with "_" are the server's own`;
    return { message, hint: `write ${line}; the stored records stay where they are` };
  }
  const own = RESERVED_SEGMENTS.get(name);
  if (own !== undefined) {
    const hint = `${own}: take another name, @export(name: "…")`;
    return { message: `"${name}" is used by the server itself`, hint };
  }
  return /^[A-Za-z0-9-][A-Za-z0-9_.-]{0,62}$/.test(name)
    ? undefined
    : {
        message: `"${name}" cannot be part of a URL`,
        hint: 'only letters, digits, "-", "_" and ".", not first "." or "_"',
      };
}
