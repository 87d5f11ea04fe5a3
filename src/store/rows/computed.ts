import type { Value } from '../../schema/expression/index.ts';
import type { ComputedPlan, FieldPlan, FieldType, TablePlan } from '../../schema/plan.ts';
import { compileComputed } from '../../schema/sdl/computed.ts';
import type { Cell } from '../store.ts';
import { toValue } from './cell-value.ts';

/** Expression of a computed field: makes its cell from the cells of `uses`. */
export interface CellExpression {
  readonly uses: readonly FieldPlan[];
  compute(cells: readonly Cell[]): Cell;
}

export function cellExpression(field: FieldPlan, computed: ComputedPlan, table: TablePlan): CellExpression {
  const { uses: names, run } = compileComputed(computed, table);
  const uses = names.flatMap((name) => table.fields.find((candidate) => candidate.name === name) ?? []);
  return {
    uses,
    compute: (cells) => toCell(run(uses.map(({ type }, index) => toValue(cells[index] ?? null, type))), field.type),
  };
}

/** Computed fields of a table. */
export class ComputedFields {
  /** Indexes of their cells in the row. */
  readonly indexes: readonly number[];
  readonly #compute: readonly {
    readonly index: number;
    readonly from: readonly number[];
    readonly expression: CellExpression;
  }[];

  constructor(table: TablePlan) {
    this.#compute = table.fields.flatMap((field, index) => {
      if (field.computed === undefined) return [];
      const expression = cellExpression(field, field.computed, table);
      return [{ index, from: expression.uses.map((used) => table.fields.indexOf(used)), expression }];
    });
    this.indexes = this.#compute.map(({ index }) => index);
  }

  /** Sets their cells from the other cells of the row. */
  apply(row: Cell[]): void {
    for (const { index, from, expression } of this.#compute) {
      row[index] = expression.compute(from.map((used) => row[used] ?? null));
    }
  }
}

function toCell(value: Value, type: FieldType): Cell {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value !== 'string' && typeof value !== 'number') return null;
  return type.kind === 'enum' && !type.values.includes(String(value)) ? null : value;
}
