import { addDecimals } from '../../schema/constraints/decimal.ts';
import type { ChangeOperator } from '../../schema/constraints/operators.ts';
import { hashKey } from '../../schema/constraints/validator.ts';
import type { FieldPlan, FieldType, JsonValue, ScalarName } from '../../schema/plan.ts';
import type { Cell } from '../store.ts';
import { jsonOfCell } from './cell-value.ts';
import { type AppliedChanges, type RowProblem, UNCHANGED } from './row-rules.ts';
import type { PatchCells } from './write.ts';

const LONG_MIN = -(2n ** 63n);
const LONG_MAX = 2n ** 63n - 1n;

/** Change of a stored cell, which is made in the transaction of its write. */
export interface CellChange {
  readonly operator: ChangeOperator;
  /** Value of the field's type; for a list its items. */
  readonly operand: JsonValue;
  /** Bytes of JSON text that a list may have afterwards. */
  readonly maxBytes: number;
}

export function isChange(cell: Cell | CellChange | undefined): cell is CellChange {
  return typeof cell === 'object' && cell !== null;
}

/** Applies the operators of a patch to the cells of a row, which are those before the write. */
export function applyChanges(cells: PatchCells, row: Cell[], fields: readonly FieldPlan[]): AppliedChanges {
  let applied: { indexes: number[]; problems: RowProblem[] } | undefined;
  for (let index = 0; index < cells.length; index++) {
    const change = cells[index];
    if (!isChange(change)) continue;
    applied ??= { indexes: [], problems: [] };
    const { name, type } = fields[index] as FieldPlan;
    const cell = changeCell(row[index] ?? null, change, type);
    if (typeof cell === 'object' && cell !== null) {
      applied.problems.push({ fields: [name], message: cell.problem });
    } else {
      row[index] = cell;
      applied.indexes.push(index);
    }
  }
  return applied ?? UNCHANGED;
}

interface Refused {
  readonly problem: string;
}

/** Null counts as 0 for `$inc`, as the other value for `$max` and `$min`, and as an empty list. */
function changeCell(before: Cell, change: CellChange, type: FieldType): Cell | Refused {
  if (type.kind === 'list') return changeList(jsonOfCell(before, type) as JsonValue[] | null, change);
  const { operator, operand } = change;
  const name = type.kind === 'scalar' ? type.name : undefined;
  if (name === 'Long')
    return changeLong(before as number | bigint | null, operator, BigInt(operand as number | string));
  if (operator === '$inc') return increase(before as number | null, operand as number, name);
  // Dates are stored in one form, in which the order of the strings is the order in time.
  if (before === null) return operand as Cell;
  const isReplaced =
    operator === '$max' ? before < (operand as string | number) : before > (operand as string | number);
  return isReplaced ? (operand as Cell) : before;
}

function increase(before: number | null, amount: number, type: ScalarName | undefined): Cell | Refused {
  if (type === 'Float') {
    const sum = addDecimals(before ?? 0, amount);
    return Number.isFinite(sum) ? sum : { problem: `would be beyond the range of a Float: ${before} + ${amount}` };
  }
  const sum = (before ?? 0) + amount;
  if (Number.isSafeInteger(sum)) return sum;
  return { problem: `would be ${BigInt(before ?? 0) + BigInt(amount)}, which is no Int: an integer within ±(2^53−1)` };
}

function changeLong(before: number | bigint | null, operator: ChangeOperator, operand: bigint): Cell | Refused {
  const old = before === null ? undefined : BigInt(before);
  if (operator === '$inc') {
    const sum = (old ?? 0n) + operand;
    if (sum >= LONG_MIN && sum <= LONG_MAX) return longCell(sum);
    return { problem: `would be ${sum}, which is no Long: an integer of 64 bits` };
  }
  if (old === undefined || (operator === '$max' ? old < operand : old > operand)) return longCell(operand);
  return before;
}

function longCell(value: bigint): Cell {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function changeList(before: readonly JsonValue[] | null, { operator, operand, maxBytes }: CellChange): Cell | Refused {
  const items = operand as readonly JsonValue[];
  if (operator === '$remove') {
    if (before === null) return null;
    const removed = new Set(items.map(hashKey));
    return JSON.stringify(before.filter((item) => !removed.has(hashKey(item))));
  }
  const list = [...(before ?? [])];
  const known = operator === '$addToSet' ? new Set(list.map(hashKey)) : undefined;
  for (const item of items) {
    const key = known && hashKey(item);
    if (known?.has(key)) continue;
    known?.add(key);
    list.push(item);
  }
  const text = JSON.stringify(list);
  if (Buffer.byteLength(text) <= maxBytes) return text;
  return { problem: `would be larger than ${maxBytes} bytes, which a request may have (limits.body)` };
}
