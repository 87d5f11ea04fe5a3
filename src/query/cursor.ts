import type { FieldPlan, TablePlan } from '../schema/plan.ts';
import type { SortKey } from './list-query.ts';
import { parseLiteral } from './syntax/literal.ts';
import { makeQueryError } from './syntax/problem.ts';

/** Stored value of a field that a list is sorted by. */
export type SortValue = string | number | bigint | null;

/** End of a page: the values of the sort keys of its last record. */
export type Position = readonly SortValue[];

/** Sort keys of a list with the primary key at the end, so that the order is total. */
export function totalOrder(sort: readonly SortKey[], table: TablePlan): readonly SortKey[] {
  const end = sort.findIndex(({ field }) => field.primaryKey);
  // A unique field that cannot be null leaves nothing to order.
  return end >= 0 ? sort.slice(0, end + 1) : [...sort, { field: table.primaryKey, descending: false }];
}

const EXACT_IN_JSON: ReadonlySet<string> = new Set(['ID', 'String', 'Int', 'Date']);

/** Returns whether a record's JSON has the value of this field exactly as it is stored. */
export function isShownExactly({ type }: FieldPlan): boolean {
  return type.kind === 'enum' || (type.kind === 'scalar' && EXACT_IN_JSON.has(type.name));
}

function orderName(order: readonly SortKey[]): string {
  return order.map(({ field, descending }) => `${descending ? '-' : ''}${field.name}`).join(',');
}

/** Formats an opaque string for a URL; it names its order, so that it cannot be used with another. */
export function formatCursor(order: readonly SortKey[], position: Position): string {
  const values = position.map((value) => (value === null ? null : String(value)));
  return Buffer.from(JSON.stringify([orderName(order), ...values])).toString('base64url');
}

/** Parses a cursor. Throws INVALID_QUERY for text that `formatCursor` has not made for this order. */
export function parseCursor(text: string, order: readonly SortKey[]): Position {
  const parts = parseParts(text);
  if (parts === undefined) throw unknownCursor();
  const [name, ...values] = parts;
  if (name !== orderName(order) || values.length !== order.length) {
    throw makeQueryError('cursor', `was made for a list with another sort; this one is ${orderName(order)}`);
  }
  return values.map((value, index) => cellOf((order[index] as SortKey).field, value));
}

function parseParts(text: string): (string | null)[] | undefined {
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    const isValid = Array.isArray(parts) && parts.every((part) => typeof part === 'string' || part === null);
    return isValid ? (parts as (string | null)[]) : undefined;
  } catch {
    return undefined;
  }
}

function cellOf({ type, primaryKey }: FieldPlan, text: string | null): SortValue {
  if (text === null && !primaryKey) return null;
  if (type.kind === 'enum') return text;
  if (text !== null && type.kind === 'scalar' && type.name !== 'JSON') {
    // Stored form, not JSON: a Boolean is 0 or 1, and a string may be empty.
    if (type.name === 'Boolean' && /^[01]$/.test(text)) return Number(text);
    if (type.name === 'ID' || type.name === 'String' || type.name === 'Date') return text;
    const value = type.name === 'Float' ? Number(text) : parseLiteral({ kind: 'scalar', name: type.name }, text);
    if (typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value))) return value;
  }
  throw unknownCursor();
}

function unknownCursor(): Error {
  return makeQueryError('cursor', 'is not a cursor of this server; take it from the Link header of a list');
}
