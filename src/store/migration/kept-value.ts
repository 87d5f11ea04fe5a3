import { renameType, renameValue } from '../../schema/migration/renames.ts';
import type { StoredType } from '../../schema/migration/stored.ts';
import type { FieldType, JsonValue } from '../../schema/plan.ts';
import type { Cell } from '../store.ts';
import { decode, fitValue, isList } from './cell-conversion.ts';

/**
 * True when a cell has the same value in the new type. A number or boolean and its text are the same value, so are a
 * single value and a list of it, and an object that only gained properties.
 */
export function isKept(cell: Cell, from: StoredType, to: FieldType): boolean {
  if (cell === null) return true;
  const value = renameValue(decode(cell, from), from, to);
  const fitting = fitValue(value, to, renameType(from, to));
  return fitting !== undefined && isSame(value, fitting);
}

function isSame(before: JsonValue, after: JsonValue | undefined): boolean {
  if (before === null) return after !== undefined;
  if (after === undefined || after === null) return false;
  if (isList(before) !== isList(after)) return isSame(asList(before), asList(after));
  if (isList(before) && isList(after)) {
    return before.length === after.length && before.every((item, index) => isSame(item, after[index]));
  }
  if (typeof before !== 'object' || typeof after !== 'object') return String(before) === String(after);
  const properties = after as Readonly<Record<string, JsonValue>>;
  return Object.entries(before).every(
    ([name, value]) =>
      value === null || (Object.hasOwn(properties, name) && isSame(value as JsonValue, properties[name])),
  );
}

function asList(value: JsonValue): readonly JsonValue[] {
  return isList(value) ? value : [value];
}

/** Returns the value of a cell as JSON text, for messages. */
export function cellText(cell: Cell, type: StoredType): string {
  return cell === null ? 'null' : JSON.stringify(decode(cell, type));
}

const MAX_EXAMPLE_CHARS = 40;

/** Returns the same, shortened for an example. */
export function formatCell(cell: Cell, type: StoredType): string {
  const text = cellText(cell, type);
  return text.length > MAX_EXAMPLE_CHARS ? `${text.slice(0, MAX_EXAMPLE_CHARS - 1)}…` : text;
}
