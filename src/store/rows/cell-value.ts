import type { Value } from '../../schema/expression/index.ts';
import type { FieldType, JsonValue } from '../../schema/plan.ts';
import type { Cell } from '../store.ts';

/** Returns the value of a cell as JSON has it. */
export function jsonOfCell(cell: Cell, type: FieldType): JsonValue {
  if (cell === null) return null;
  if (type.kind === 'list' || type.kind === 'object') return JSON.parse(String(cell)) as JsonValue;
  if (type.kind === 'enum') return String(cell);
  if (type.name === 'Boolean') return Number(cell) === 1;
  if (type.name === 'JSON') return JSON.parse(String(cell)) as JsonValue;
  if (typeof cell !== 'bigint') return cell;
  return Number.isSafeInteger(Number(cell)) ? Number(cell) : cell.toString();
}

/** Returns the value of a cell within expressions. */
export function toValue(cell: Cell, type: FieldType): Value {
  if (cell === null) return null;
  if (type.kind === 'list') return JSON.parse(String(cell)) as readonly unknown[];
  if (type.kind === 'scalar' && type.name === 'Boolean') return Number(cell) === 1;
  if (typeof cell !== 'bigint') return cell;
  // An integer that no number holds exactly counts as null: a rounded one would be wrong.
  return Number.isSafeInteger(Number(cell)) ? Number(cell) : null;
}
