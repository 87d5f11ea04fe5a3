import type { TableMatch } from '../../../schema/migration/renames.ts';
import type { StoredColumn, StoredTable, StoredType } from '../../../schema/migration/stored.ts';
import { isOutdated } from '../../../schema/migration/types.ts';
import type { ComputedPlan, FieldPlan, FieldType, TablePlan } from '../../../schema/plan.ts';
import { expiryOf, stampOf } from '../../expiry.ts';
import { conversionOf, defaultCell } from '../../migration/cell-conversion.ts';
import { cellExpression } from '../../rows/computed.ts';
import type { Cell } from '../../store.ts';
import type { KeptRow } from '../records/overlay.ts';
import { recordsName } from '../sql/names.ts';
import { type SqlType, sqlType } from '../sql/types.ts';

/** Stored row: a cell for each stored column, and its seq. */
export interface StoredRow {
  readonly cells: readonly Cell[];
  readonly seq: number;
}

type CellOf = (row: StoredRow) => Cell;

/**
 * Mapping from the stored columns of one table to the fields of the plan: for each field a function of a stored row. Checks
 * and the rebuild use the same functions, so the values that were checked are those stored.
 */
export class RowMapping {
  /** As it was before the migration, with the names of then. */
  readonly stored: StoredTable;
  readonly table: TablePlan;
  /** Quoted name of the SQL table. */
  readonly from: string;
  readonly #columns: ReadonlyMap<FieldPlan, StoredColumn>;
  readonly #places: ReadonlyMap<StoredColumn, number>;
  readonly #values = new Map<FieldPlan, CellOf>();
  readonly #converted = new Set<FieldPlan>();

  constructor({ stored, columns }: Pick<TableMatch, 'stored' | 'columns'>, table: TablePlan) {
    this.stored = stored;
    this.table = table;
    this.from = recordsName(stored);
    this.#columns = columns.found;
    this.#places = new Map(stored.columns.map((column, place) => [column, place]));
  }

  /** Returns the stored column of the field; undefined when the field is new. */
  storedOf(field: FieldPlan): StoredColumn | undefined {
    return this.#columns.get(field);
  }

  /** Returns the stored cell of the field; null when the field is new. */
  cellOf(field: FieldPlan, { cells }: StoredRow): Cell {
    const column = this.#columns.get(field);
    return column === undefined ? null : (cells[this.#places.get(column) as number] ?? null);
  }

  /** Returns the field's new value: null where a stored value does not fit. */
  valueOf(field: FieldPlan, row: StoredRow): Cell {
    return this.#functionOf(field)(row);
  }

  /** Returns the stored value in the new type, without the default that `valueOf` fills in for null. */
  convertedOf(field: FieldPlan, row: StoredRow): Cell {
    const column = this.storedOf(field) as StoredColumn;
    const cell = this.cellOf(field, row);
    const conversion = conversionOf(column.type, field.type);
    return conversion === undefined ? cell : conversion(cell);
  }

  /** True when the value has to be written for each record: it is not the stored one, or is stored in another type. */
  isConverted(field: FieldPlan): boolean {
    this.#functionOf(field);
    return this.#converted.has(field);
  }

  /** Returns the row of the plan's table. */
  rowOf(stored: StoredRow): KeptRow {
    const row = this.table.fields.map((field) => this.valueOf(field, stored));
    const expires = expiryOf(this.table)?.(row, writtenAt(stored)) ?? null;
    return { row: [...row, stored.seq], expires: expires === null ? null : Math.min(expires, Number.MAX_SAFE_INTEGER) };
  }

  #functionOf(field: FieldPlan): CellOf {
    let value = this.#values.get(field);
    if (value === undefined) {
      value = this.#make(field);
      this.#values.set(field, value);
    }
    return value;
  }

  #make(field: FieldPlan): CellOf {
    const column = this.storedOf(field);
    const { computed } = field;
    if (computed !== undefined && (column === undefined || isOutdated(column, field) || this.#usesFilled(computed))) {
      const { uses, compute } = cellExpression(field, computed, this.table);
      this.#converted.add(field);
      return (row) => compute(uses.map((used) => this.valueOf(used, row)));
    }
    if (column === undefined) return this.#fill(field);
    if (conversionOf(column.type, field.type) !== undefined || storedType(column.type) !== sqlType(field.type)) {
      this.#converted.add(field);
    }
    const converted = (row: StoredRow) => this.convertedOf(field, row);
    if (!isFilled(column, field)) return converted;
    this.#converted.add(field);
    const fill = this.#fill(field);
    return (row) => converted(row) ?? fill(row);
  }

  /** True when a computed field uses a field whose nulls are filled in, and must be computed again. */
  #usesFilled({ uses }: ComputedPlan): boolean {
    return this.table.fields.some((field) => {
      const column = this.storedOf(field);
      return uses.includes(field.name) && column !== undefined && isFilled(column, field);
    });
  }

  /** Returns the value for records that have none. */
  #fill(field: FieldPlan): CellOf {
    if (field.stamp !== undefined) {
      this.#converted.add(field);
      return (row) => stampOf(field, writtenAt(row));
    }
    const cell = defaultCell(field);
    return () => cell;
  }
}

/** Returns the type of a stored column. */
export function storedType(type: StoredType): SqlType {
  return sqlType(type as FieldType);
}

/** True when nulls in the column are replaced by a default or a time. */
function isFilled(column: StoredColumn, field: FieldPlan): boolean {
  if (!field.required || column.required || field.computed !== undefined) return false;
  return field.stamp !== undefined || (field.default !== undefined && field.default !== null);
}

/** Returns the time of the record's last change in milliseconds since 1970: its seq counts microseconds. */
function writtenAt({ seq }: StoredRow): number {
  return Math.trunc(seq / 1000);
}
