import { compareText } from '../../../src/query/index.ts';
import type { FieldPlan, FieldType } from '../../../src/schema/plan.ts';
import type { Cell } from '../../../src/store/store.ts';

/** The order of a list: null first, numbers by their exact value, texts by code points. */
export function compareCells(a: Cell, b: Cell): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  const [x, y] = [a as number, b as number];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** An integer is a number wherever a double holds it, so that cells compare with `===`. */
export function normalizeCell(cell: Cell | undefined): Cell {
  if (cell === undefined) return null;
  return typeof cell === 'bigint' && Number.isSafeInteger(Number(cell)) ? Number(cell) : cell;
}

export function cellToJson(type: FieldType, cell: Cell): string {
  if (cell === null) return 'null';
  if (type.kind === 'list' || type.kind === 'object') return String(cell);
  if (type.kind === 'enum') return JSON.stringify(cell);
  if (type.name === 'JSON') return String(cell);
  if (type.name === 'Boolean') return String(Number(cell) === 1);
  // Most readers would round the number.
  if (typeof cell === 'bigint') return `"${cell}"`;
  return JSON.stringify(cell);
}

/** JSON text of the fields that are given out; of these alone where places are given. */
export function rowToJson(fields: readonly FieldPlan[], cells: readonly Cell[], places?: readonly number[]): string {
  const members = fields.flatMap(({ name, type, hidden }, place) =>
    hidden || places?.includes(place) === false
      ? []
      : [`${JSON.stringify(name)}:${cellToJson(type, cells[place] ?? null)}`],
  );
  return `{${members.join(',')}}`;
}
