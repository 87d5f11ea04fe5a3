import type { Database } from 'better-sqlite3';
import type { TableMatch } from '../../../schema/migration/renames.ts';
import type { StoredColumn, StoredTable } from '../../../schema/migration/stored.ts';
import { isOutdated } from '../../../schema/migration/types.ts';
import type { ComputedPlan, FieldPlan, TablePlan } from '../../../schema/plan.ts';
import { expiryOf, stampOf } from '../../expiry.ts';
import { conversionOf, defaultCell } from '../../migration/cell-conversion.ts';
import { isKept } from '../../migration/kept-value.ts';
import { cellExpression } from '../../rows/computed.ts';
import type { Cell } from '../../store.ts';
import { quote, recordsName } from '../sql/table-names.ts';
import { sqlType } from './ddl.ts';

/**
 * Mapping from the stored columns of one table to the fields of the plan: for each field an SQL expression over the
 * stored columns. Checks and the rebuild use the same expressions, so the values that were checked are those stored.
 */
export class ColumnMapping {
  /** As it was before the migration, with the names of then. */
  readonly stored: StoredTable;
  readonly table: TablePlan;
  /** Quoted name of the SQL table. */
  readonly from: string;
  readonly functions: Functions;
  readonly #columns: ReadonlyMap<FieldPlan, StoredColumn>;
  readonly #expressions = new Map<FieldPlan, string>();
  readonly #conversions = new Map<FieldPlan, string>();
  readonly #converted = new Set<FieldPlan>();

  constructor({ stored, columns }: Pick<TableMatch, 'stored' | 'columns'>, table: TablePlan, functions: Functions) {
    this.stored = stored;
    this.table = table;
    this.from = recordsName(stored);
    this.functions = functions;
    this.#columns = columns.found;
  }

  /** Returns the quoted name of the stored column; undefined when the field is new. */
  columnOf(field: FieldPlan): string | undefined {
    const column = this.#columns.get(field);
    return column && quote(column.name);
  }

  /** Returns the SQL expression of the field's new value: NULL where a stored value does not fit. */
  expressionOf(field: FieldPlan): string {
    const known = this.#expressions.get(field);
    if (known !== undefined) return known;
    const expression = this.#makeExpression(field);
    this.#expressions.set(field, expression);
    return expression;
  }

  /** Returns the SQL expression of the stored value in the new type, without the default that `expressionOf` fills in for null. */
  convertedOf(field: FieldPlan, column: StoredColumn): string {
    const known = this.#conversions.get(field);
    if (known !== undefined) return known;
    const conversion = conversionOf(column.type, field.type);
    const name = quote(column.name);
    const expression = conversion === undefined ? name : this.#call(field, (cell) => conversion(cell ?? null), name);
    this.#conversions.set(field, expression);
    return expression;
  }

  /** Returns the stored column of the field; undefined when the field is new. */
  storedOf(field: FieldPlan): StoredColumn | undefined {
    return this.#columns.get(field);
  }

  /** Returns an SQL condition: the stored value is the same in the new type. */
  keptExpression(field: FieldPlan, column: StoredColumn): string {
    const name = this.functions.add((cell) => (isKept(cell ?? null, column.type, field.type) ? 1n : 0n));
    return `${name}(${quote(column.name)})`;
  }

  /** True when the value is computed for each record: it is neither the stored one nor the same for all. */
  isConverted(field: FieldPlan): boolean {
    this.expressionOf(field);
    return this.#converted.has(field);
  }

  /** Returns the SQL expression of the time of expiry; undefined when records of this table do not expire. */
  expiryExpression(): string | undefined {
    const expiry = expiryOf(this.table);
    if (expiry === undefined) return undefined;
    const index = this.table.fields.findIndex(({ expiresAt }) => expiresAt);
    const field = this.table.fields[index];
    const name = this.functions.add((cell, seq) => {
      const row: Cell[] = [];
      if (index >= 0) row[index] = cell ?? null;
      const time = expiry(row, writtenAt(seq));
      return time === null ? null : BigInt(Math.min(time, Number.MAX_SAFE_INTEGER));
    });
    return `${name}(${field === undefined ? 'NULL' : this.expressionOf(field)}, _seq)`;
  }

  #makeExpression(field: FieldPlan): string {
    const column = this.#columns.get(field);
    const { computed } = field;
    if (computed !== undefined && (column === undefined || isOutdated(column, field) || this.#usesFilled(computed))) {
      const { uses, compute } = cellExpression(field, computed, this.table);
      const cells = uses.map((used) => this.expressionOf(used)).join(', ');
      return this.#call(field, (...values) => storedCell(compute(values.map((cell) => cell ?? null)), field), cells);
    }
    if (column === undefined) return this.#fill(field);
    const converted = this.convertedOf(field, column);
    return isFilled(column, field) ? `coalesce(${converted}, ${this.#fill(field)})` : converted;
  }

  /** True when a computed field uses a field whose nulls are filled in, and must be computed again. */
  #usesFilled({ uses }: ComputedPlan): boolean {
    return this.table.fields.some((field) => {
      const column = this.storedOf(field);
      return uses.includes(field.name) && column !== undefined && isFilled(column, field);
    });
  }

  /** Returns the SQL expression of the value for records that have none. */
  #fill(field: FieldPlan): string {
    if (field.stamp !== undefined) return this.#call(field, (seq) => stampOf(field, writtenAt(seq)), '_seq');
    const cell = defaultCell(field);
    return literal(cell) ?? this.#call(field, () => cell, '');
  }

  #call(field: FieldPlan, run: SqlFunction, argument: string): string {
    this.#converted.add(field);
    return `${this.functions.add(run)}(${argument})`;
  }
}

/** True when nulls in the column are replaced by a default or a time. */
function isFilled(column: StoredColumn, field: FieldPlan): boolean {
  if (!field.required || column.required || field.computed !== undefined) return false;
  return field.stamp !== undefined || (field.default !== undefined && field.default !== null);
}

type SqlFunction = (...cells: (Cell | undefined)[]) => Cell;

/** Registry of JavaScript functions that SQL calls, on one connection. */
export class Functions {
  readonly #db: Database;
  #count = 0;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Registers a function and returns its name in SQL. Integers are passed as BigInt: a Long does not fit a double. */
  add(run: SqlFunction): string {
    const name = `tablecast_${this.#count++}`;
    this.#db.function(name, { varargs: true, safeIntegers: true, deterministic: true }, run);
    return name;
  }
}

/** Converts a number for an INTEGER column to BigInt: SQLite would get a number as a REAL. */
function storedCell(cell: Cell, { type }: FieldPlan): Cell {
  return typeof cell === 'number' && sqlType(type) === 'INTEGER' ? BigInt(cell) : cell;
}

/** Returns an SQL literal; undefined for text that SQL cannot contain. */
function literal(cell: Cell): string | undefined {
  if (cell === null) return 'NULL';
  if (typeof cell !== 'string') return String(cell);
  return cell.includes('\0') ? undefined : `'${cell.replaceAll("'", "''")}'`;
}

/** Returns the time of the record's last change in milliseconds since 1970: its seq counts microseconds. */
function writtenAt(seq: Cell | undefined): number {
  return Math.trunc(Number(seq) / 1000);
}
