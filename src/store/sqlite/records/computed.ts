import type { Value } from '../../../schema/expression/index.ts';
import type { ComputedPlan, FieldPlan, FieldType, TablePlan } from '../../../schema/plan.ts';
import { compileComputed } from '../../../schema/sdl/computed.ts';
import type { Cell } from '../../store.ts';

/** What makes the cell of a computed field from the cells of `uses`. */
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

/** The computed fields of a table. */
export class ComputedFields {
  /** Where in the row their cells are. */
  readonly places: readonly number[];
  readonly #compute: readonly {
    readonly place: number;
    readonly from: readonly number[];
    readonly of: CellExpression;
  }[];

  constructor(table: TablePlan) {
    this.#compute = table.fields.flatMap((field, place) => {
      if (field.computed === undefined) return [];
      const of = cellExpression(field, field.computed, table);
      return [{ place, from: of.uses.map((used) => table.fields.indexOf(used)), of }];
    });
    this.places = this.#compute.map(({ place }) => place);
  }

  /** Sets their cells from the others of the row. */
  apply(row: Cell[]): void {
    for (const { place, from, of } of this.#compute) row[place] = of.compute(from.map((index) => row[index] ?? null));
  }
}

function toValue(cell: Cell, type: FieldType): Value {
  if (cell === null) return null;
  if (type.kind === 'list') return JSON.parse(String(cell)) as readonly unknown[];
  if (type.kind === 'scalar' && type.name === 'Boolean') return Number(cell) === 1;
  if (typeof cell !== 'bigint') return cell;
  // What no number holds exactly counts as null: a rounded number would be a wrong one.
  return Number.isSafeInteger(Number(cell)) ? Number(cell) : null;
}

function toCell(value: Value, type: FieldType): Cell {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value !== 'string' && typeof value !== 'number') return null;
  return type.kind === 'enum' && !type.values.includes(String(value)) ? null : value;
}
