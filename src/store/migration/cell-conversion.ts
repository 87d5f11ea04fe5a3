import { parseDate } from '../../schema/date.ts';
import { readFloat } from '../../schema/float.ts';
import { renameType, renameValue } from '../../schema/migration/renames.ts';
import { describeType, type StoredType } from '../../schema/migration/stored.ts';
import { compareTypes } from '../../schema/migration/types.ts';
import type { FieldPlan, FieldType, JsonValue, ScalarName } from '../../schema/plan.ts';
import type { Cell } from '../store.ts';

/** Returns the cell as the new type stores it; null when its value does not fit. */
export type CellConversion = (cell: Cell) => Cell;

/** Properties of a type, stored or planned, that a conversion needs. */
type ConvertibleType =
  | { readonly kind: 'scalar'; readonly name: ScalarName }
  | { readonly kind: 'enum'; readonly values: readonly string[] }
  | ListType
  | ObjectType;

interface ListType {
  readonly kind: 'list';
  readonly of: ConvertibleType;
  readonly itemsRequired: boolean;
}

interface ObjectType {
  readonly kind: 'object';
  readonly fields: readonly {
    readonly name: string;
    readonly type: ConvertibleType;
    readonly required: boolean;
    readonly default?: JsonValue | undefined;
  }[];
}

const INTEGER = /^-?(?:0|[1-9]\d*)$/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const LONG_MIN = -(2n ** 63n);
const LONG_MAX = 2n ** 63n - 1n;
/** Largest time, in milliseconds since 1970, that a Date can hold. */
const MAX_TIME_MS = 8.64e15;

/** Returns the conversion of cells between two types; undefined when they are stored alike and every value fits. */
export function conversionOf(from: StoredType, to: FieldType): CellConversion | undefined {
  const named = renameType(from, to);
  if (named === from && isStoredAlike(from, to)) return undefined;
  return (cell) => {
    if (cell === null) return null;
    const value = fitValue(renameValue(decode(cell, from), from, to), to, named);
    return value === undefined ? null : encode(value, to);
  };
}

/** Returns the cell of a field's default. */
export function defaultCell({ default: value, type }: FieldPlan): Cell {
  const whole = value === undefined || value === null ? undefined : fitValue(value, type);
  return whole === undefined ? null : encode(whole, type);
}

function isStoredAlike(from: StoredType, to: FieldType): boolean {
  const change = compareTypes(from, describeType(to));
  if (change !== 'widens') return change === 'same';
  // An added property is filled in.
  if (hasObject(to)) return false;
  const now = describeType(to);
  if (formOf(now) === 'json') return from.kind === 'list' || from.kind === 'object';
  return formOf(from) === formOf(now);
}

/** Returns the storage form of a type: types of one form have the same cells for the same values. */
function formOf(type: StoredType): string {
  switch (type.kind) {
    case 'scalar':
      return FORMS[type.name];
    case 'enum':
      return 'text';
    case 'list':
      return `[${formOf(type.of)}]`;
    case 'object':
      return 'object';
  }
}

const FORMS: Readonly<Record<ScalarName, string>> = {
  ID: 'text',
  String: 'text',
  Date: 'text',
  Int: 'whole',
  Long: 'whole',
  Float: 'real',
  Boolean: 'boolean',
  JSON: 'json',
};

function hasObject(type: FieldType): boolean {
  return type.kind === 'list' ? hasObject(type.of) : type.kind === 'object';
}

/** Returns the value of a cell, which is not null. */
export function decode(cell: string | number | bigint, from: StoredType): JsonValue {
  if (from.kind === 'enum') return String(cell);
  if (from.kind !== 'scalar' || from.name === 'JSON') return JSON.parse(String(cell)) as JsonValue;
  if (from.name === 'Boolean') return Number(cell) === 1;
  if (typeof cell !== 'bigint') return cell;
  return Number.isSafeInteger(Number(cell)) ? Number(cell) : String(cell);
}

function encode(value: JsonValue, { kind, ...type }: FieldType): Cell {
  if (kind === 'enum') return String(value);
  if (kind !== 'scalar' || !('name' in type) || type.name === 'JSON') return JSON.stringify(value);
  if (type.name === 'Boolean') return value === true ? 1n : 0n;
  if (type.name === 'Int' || type.name === 'Long') return BigInt(value as number | string);
  return value as string | number;
}

/** Returns the value as one of the type; undefined when it does not fit. Nothing is cut off or rounded. */
export function fitValue(value: JsonValue, to: ConvertibleType, from?: ConvertibleType): JsonValue | undefined {
  if (from?.kind === 'list' && to.kind !== 'list' && !isJson(to)) return fitOnlyItem(value, to, from);
  switch (to.kind) {
    case 'scalar':
      return SCALARS[to.name](isDate(from) && NUMERIC.has(to.name) ? Date.parse(String(value)) : value);
    case 'enum':
      return typeof value === 'string' && to.values.includes(value) ? value : undefined;
    case 'list':
      return fitList(value, to, from);
    case 'object':
      return fitObject(value, to, from);
  }
}

/** Types to which a Date converts as milliseconds, as `@createdTime` may be either. */
const NUMERIC: ReadonlySet<ScalarName> = new Set(['Int', 'Long', 'Float']);

function isDate(from: ConvertibleType | undefined): boolean {
  return from?.kind === 'scalar' && from.name === 'Date';
}

function isJson(type: ConvertibleType): boolean {
  return type.kind === 'scalar' && type.name === 'JSON';
}

/** Converts a list of one value to that value. */
function fitOnlyItem(value: JsonValue, to: ConvertibleType, { of }: ListType): JsonValue | undefined {
  const [item, ...more] = isList(value) ? value : [];
  return item === undefined || item === null || more.length > 0 ? undefined : fitValue(item, to, of);
}

function fitList(value: JsonValue, to: ListType, from?: ConvertibleType): JsonValue | undefined {
  if (from !== undefined && from.kind !== 'list' && !isJson(from)) {
    const item = fitValue(value, to.of, from);
    return item === undefined ? undefined : [item];
  }
  if (!isList(value)) return undefined;
  const items: JsonValue[] = [];
  for (const item of value) {
    if (item === null && to.itemsRequired) return undefined;
    const fitting = item === null ? null : fitValue(item, to.of, from?.kind === 'list' ? from.of : undefined);
    if (fitting === undefined) return undefined;
    items.push(fitting);
  }
  return items;
}

function fitObject(value: JsonValue, to: ObjectType, from?: ConvertibleType): JsonValue | undefined {
  if (typeof value !== 'object' || value === null || isList(value)) return undefined;
  const types = new Map((from?.kind === 'object' ? from.fields : []).map(({ name, type }) => [name, type]));
  const result: Record<string, JsonValue> = {};
  for (const field of to.fields) {
    const stored = Object.hasOwn(value, field.name) ? value[field.name] : undefined;
    // A property that is null, and may be, stays null.
    const isFilled = stored === undefined || (stored === null && field.required);
    const given = isFilled ? (field.default ?? null) : stored;
    if (given === null && field.required) return undefined;
    const fitting = given === null ? null : fitValue(given, field.type, types.get(field.name));
    if (fitting === undefined) return undefined;
    result[field.name] = fitting;
  }
  return result;
}

/** Narrows readonly arrays too, which Array.isArray does not. */
export function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

const SCALARS: Readonly<Record<ScalarName, (value: JsonValue) => JsonValue | undefined>> = {
  ID: fitText,
  String: fitText,
  Boolean: (value) => {
    if (typeof value === 'boolean') return value;
    if (value === 'true' || value === 1) return true;
    return value === 'false' || value === 0 ? false : undefined;
  },
  Int: (value) => {
    const number = typeof value === 'string' && INTEGER.test(value) ? Number(value) : value;
    return Number.isSafeInteger(number) ? number : undefined;
  },
  Long: (value) => {
    if (Number.isSafeInteger(value)) return value;
    if (typeof value !== 'string' || value.length > 20 || !INTEGER.test(value)) return undefined;
    const long = BigInt(value);
    if (long < LONG_MIN || long > LONG_MAX) return undefined;
    return Number.isSafeInteger(Number(value)) ? Number(value) : long.toString();
  },
  Float: (value) => {
    if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
    if (typeof value !== 'string' || !NUMBER.test(value)) return undefined;
    const number = readFloat(value);
    if (number === undefined) return undefined;
    return INTEGER.test(value) && BigInt(number) !== BigInt(value) ? undefined : number;
  },
  Date: (value) => {
    if (typeof value === 'string') return parseDate(value);
    const isTime = typeof value === 'number' && Math.abs(value) <= MAX_TIME_MS;
    return isTime ? parseDate(new Date(value).toISOString()) : undefined;
  },
  JSON: (value) => value,
};

function fitText(value: JsonValue): JsonValue | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}
