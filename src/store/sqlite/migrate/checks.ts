import type { Database } from 'better-sqlite3';
import type { MigrationStep } from '../../../schema/migration/diff.ts';
import {
  describeType,
  type StoredColumn,
  type StoredTable,
  type StoredType,
} from '../../../schema/migration/stored.ts';
import type { FieldPlan } from '../../../schema/plan.ts';
import { columnConflict, type MigrationCheck, tableConflict } from '../../migration/check.ts';
import { formatCell } from '../../migration/kept-value.ts';
import { mendLine } from '../../migration/mend-line.ts';
import { type CheckingStep, RowScan } from '../../migration/row-scan.ts';
import type { Cell } from '../../store.ts';
import { quote, recordsName } from '../sql/table-names.ts';
import type { ColumnMapping } from './mapping.ts';

/** Table whose records a check reads. */
export interface CheckContext {
  readonly appId: string;
  readonly source: ColumnMapping;
}

type Step<T extends MigrationStep['type']> = Extract<MigrationStep, { type: T }>;

const MAX_EXAMPLES = 3;

/**
 * Counts the records that a step affects, with up to three examples; reads only. Undefined for a step that can neither
 * fail nor lose anything.
 */
export function runCheck(db: Database, step: MigrationStep, context: CheckContext): MigrationCheck | undefined {
  const reader = new CheckReader(db, context);
  switch (step.type) {
    case 'change-primary-key':
      return reader.changePrimaryKey(step);
    case 'add-required-column':
      return reader.addRequiredColumn(step);
    case 'make-required':
      return reader.makeRequired(step);
    case 'create-unique-index':
      return reader.createUniqueIndex(step);
    case 'create-composite-index':
      return step.index.unique ? reader.createCompositeIndex(step) : undefined;
    case 'change-type':
      return step.destructive ? reader.narrowType(step) : undefined;
    case 'recompute':
      return step.destructive ? reader.recompute(step) : undefined;
    case 'drop-column':
      return reader.dropColumn(step);
    case 'check-constraint':
    case 'check-rule':
      return reader.scanRecords(step);
    case 'rename-conflict':
      return reader.renameConflict(step);
    case 'rename-table-conflict':
      return checkTableConflict(db, step);
    default:
      return undefined;
  }
}

/** Counts the records of a table that has left the schema; undefined for one that is kept without a likely new name. */
export function checkRemovedTable(db: Database, step: Step<'keep-table' | 'drop-table'>): MigrationCheck | undefined {
  const { stored } = step;
  if (step.type === 'keep-table' && step.twin === undefined) return undefined;
  const from = recordsName(stored);
  const key = { name: quote(stored.primaryKey), type: typeOf(stored, stored.primaryKey) };
  const records = findRecords(db, { from, key }, '1');
  return { step, ...records, effect: step.type === 'drop-table' ? 'loses' : 'leaves' };
}

/** Counts the records under an earlier name of a table whose present name is stored, too. */
function checkTableConflict(db: Database, step: Step<'rename-table-conflict'>): MigrationCheck {
  const { left } = step;
  const key = { name: quote(left.primaryKey), type: typeOf(left, left.primaryKey) };
  return tableConflict(step, findRecords(db, { from: recordsName(left), key }, '1'));
}

export function countRecords(db: Database, { from }: ColumnMapping): number {
  return db.prepare(`SELECT count(*) FROM ${from}`).pluck().get() as number;
}

/** True when a table that has left the schema has records. */
export function hasRecords(db: Database, stored: StoredTable): boolean {
  return db.prepare(`SELECT 1 FROM ${recordsName(stored)} LIMIT 1`).get() !== undefined;
}

interface RecordSource {
  /** Quoted name of the SQL table. */
  readonly from: string;
  readonly key: { readonly name: string; readonly type: StoredType };
}

function typeOf({ columns }: StoredTable, name: string): StoredType {
  return columns.find((column) => column.name === name)?.type ?? { kind: 'scalar', name: 'String' };
}

function findRecords(
  db: Database,
  { from, key }: RecordSource,
  where: string,
): Pick<MigrationCheck, 'count' | 'found'> {
  return find(db, `FROM ${from} WHERE ${where}`, (rest) => {
    const keys = db.prepare(`SELECT ${key.name} ${rest}`).pluck().safeIntegers().all() as Cell[];
    return keys.map((cell) => formatCell(cell, key.type));
  });
}

/** Counts rows and reads examples. `rest`: the statement from FROM on. */
function find(
  db: Database,
  rest: string,
  readExamples: (rest: string) => string[],
): Pick<MigrationCheck, 'count' | 'found'> {
  const count = db.prepare(`SELECT count(*) ${rest}`).pluck().get() as number;
  const records = `${count} ${count === 1 ? 'record' : 'records'}`;
  if (count === 0) return { count, found: records };
  return { count, found: `${records} (${list(readExamples(`${rest} LIMIT ${MAX_EXAMPLES}`), count)})` };
}

class CheckReader {
  readonly #db: Database;
  readonly #source: ColumnMapping;
  readonly #appId: string;
  readonly #from: RecordSource;

  constructor(db: Database, { source, appId }: CheckContext) {
    const { stored, from } = source;
    this.#db = db;
    this.#source = source;
    this.#appId = appId;
    this.#from = { from, key: { name: quote(stored.primaryKey), type: typeOf(stored, stored.primaryKey) } };
  }

  changePrimaryKey(step: Step<'change-primary-key'>): MigrationCheck {
    const blocker = 'Give the new table another stored name, @table(table: "…"), and copy the records into it.';
    return { step, ...this.#records('1'), blocker };
  }

  addRequiredColumn(step: Step<'add-required-column'>): MigrationCheck {
    const records = this.#records('1');
    const blocker = 'Give the field a @default(value: …), or leave out the "!".';
    return { step, ...records, ...(records.count === 0 ? {} : { blocker }) };
  }

  makeRequired(step: Step<'make-required'>): MigrationCheck {
    const { field, table } = step;
    const column = this.#source.columnOf(field) ?? 'NULL';
    const { count, found } = this.#records(`${column} IS NULL`);
    if (count === 0) return { step, count, found };
    if (step.fill !== undefined) return this.#collision(step) ?? { step, count, found, effect: 'fills' };
    const mend = mendLine(this.#appId, { table, field, value: 'null' });
    const blocker = `Give the field a @default(value: …), leave out the "!", or write a value into these records first${mend}`;
    return { step, count, found: `${found} ${count === 1 ? 'has' : 'have'} null there`, blocker };
  }

  createUniqueIndex(step: Step<'create-unique-index'>): MigrationCheck {
    return this.#duplicates(step, [step.field], 'Change these records first, or leave out @unique.');
  }

  createCompositeIndex(step: Step<'create-composite-index'>): MigrationCheck {
    return this.#duplicates(step, step.index.fields, 'Change these records first, or leave out "unique: true".');
  }

  /** Checks for values, or values of several fields together, that more than one record has; nulls are never equal. */
  #duplicates(step: MigrationStep, fields: readonly FieldPlan[], blocker: string): MigrationCheck {
    const { from } = this.#source;
    const cells = fields.map((_field, index) => `c${index}`);
    const values = fields.map((field, index) => `${this.#source.expressionOf(field)} AS c${index}`);
    const present = cells.map((cell) => `${cell} IS NOT NULL`).join(' AND ');
    const shared = `SELECT ${cells}, count(*) AS times FROM (SELECT ${values} FROM ${from}) WHERE ${present} GROUP BY ${cells} HAVING times > 1`;
    const count = this.#db.prepare(`SELECT count(*) FROM (${shared})`).pluck().get() as number;
    if (count === 0) return { step, count, found: '' };
    const rows = this.#db.prepare(`${shared} LIMIT ${MAX_EXAMPLES}`).raw().safeIntegers().all() as Cell[][];
    const types = fields.map(({ type }) => describeType(type));
    const examples = rows.map((row) => {
      const values = types.map((type, index) => formatCell(row[index] ?? null, type));
      return `${values.join(', ')} in ${row.at(-1)} records`;
    });
    const found = `${count} ${count === 1 ? 'value is' : 'values are'} there more than once (${list(examples, count)})`;
    return { step, count, found, blocker };
  }

  narrowType(step: Step<'change-type'>): MigrationCheck {
    const { field } = step;
    const stored = this.#source.storedOf(field);
    if (stored === undefined) return { step, count: 0, found: '' };
    const column = { name: quote(stored.name), type: stored.type };
    const converted = this.#source.convertedOf(field, stored);
    const misfits = this.#values(`${column.name} IS NOT NULL AND ${converted} IS NULL`, column);
    if (misfits.count > 0) {
      const found = `the values of ${misfits.found} do not fit`;
      return { step, count: misfits.count, found, blocker: this.#mendMisfits(step, converted) };
    }
    const collision = this.#collision(step);
    if (collision !== undefined) return collision;
    const kept = this.#source.keptExpression(field, stored);
    const becomes = { sql: converted, type: describeType(field.type) };
    return { step, ...this.#values(`${column.name} IS NOT NULL AND NOT ${kept}`, column, becomes), effect: 'changes' };
  }

  /** Checks for values that the step makes equal although an existing unique index needs them to differ. */
  #collision(step: Step<'change-type' | 'make-required'>): MigrationCheck | undefined {
    const { field, table } = step;
    const ofFields = table.compositeIndexes.filter(({ unique, fields }) => unique && fields.includes(field));
    const indexes = [...(field.unique ? [[field]] : []), ...ofFields.map(({ fields }) => fields)];
    const checks = indexes.map((fields) => this.#duplicates(step, fields, 'Change these records first.'));
    return checks.find(({ count }) => count > 0);
  }

  /** Returns advice for values that do not fit; values of an enum can be named in a filter. */
  #mendMisfits({ field, table, from }: Step<'change-type'>, converted: string): string {
    const general = 'Change these records first, or give the new field another name.';
    if (from.kind !== 'enum') return general;
    const column = this.#source.columnOf(field) ?? 'NULL';
    const where = `${column} IS NOT NULL AND ${converted} IS NULL`;
    const sql = `SELECT DISTINCT ${column} FROM ${this.#source.from} WHERE ${where} ORDER BY 1 LIMIT ${MAX_EXAMPLES}`;
    const used = this.#db.prepare(sql).pluck().all() as string[];
    const lines = used.map((value) => mendLine(this.#appId, { table, field, value }));
    return lines.includes('.') ? general : `Write other values into these records first${lines.join('')}`;
  }

  recompute(step: Step<'recompute'>): MigrationCheck {
    const stored = this.#source.storedOf(step.field);
    if (stored === undefined) return { step, count: 0, found: '' };
    const name = quote(stored.name);
    const differs = `${name} IS NOT NULL AND ${name} IS NOT ${this.#source.expressionOf(step.field)}`;
    return { step, ...this.#values(differs, { name, type: stored.type }), effect: 'loses' };
  }

  dropColumn(step: Step<'drop-column'>): MigrationCheck {
    const { type }: StoredColumn = step.column;
    const name = quote(step.column.name);
    return { step, ...this.#values(`${name} IS NOT NULL`, { name, type }), effect: 'loses' };
  }

  renameConflict(step: Step<'rename-conflict'>): MigrationCheck {
    const { name, type } = step.left;
    const column = { name: quote(name), type };
    return columnConflict(step, this.#values(`${column.name} IS NOT NULL`, column));
  }

  /** Reads every record, as the migration will store it. */
  scanRecords(step: CheckingStep): MigrationCheck {
    const scan = new RowScan(step);
    const cells = scan.fields.map((field) => this.#source.expressionOf(field));
    const rows = this.#db.prepare(`SELECT ${cells} FROM ${this.#source.from}`).raw().safeIntegers();
    for (const row of rows.iterate()) scan.add((row as Cell[]).map(toNumber));
    return scan.result();
  }

  #records(where: string): Pick<MigrationCheck, 'count' | 'found'> {
    return findRecords(this.#db, this.#from, where);
  }

  /** Counts values. `becomes`: the values after the step. */
  #values(where: string, column: ValueColumn, becomes?: { readonly sql: string; readonly type: StoredType }) {
    const { from, key } = this.#from;
    return find(this.#db, `FROM ${from} WHERE ${where}`, (rest) => {
      const sql = `SELECT ${key.name}, ${column.name}, ${becomes?.sql ?? 'NULL'} ${rest}`;
      const rows = this.#db.prepare(sql).raw().safeIntegers().all() as [Cell, Cell, Cell][];
      return rows.map(([id, cell, after]) => {
        const value = `${formatCell(id, key.type)}: ${formatCell(cell, column.type)}`;
        return becomes === undefined ? value : `${value} → ${formatCell(after, becomes.type)}`;
      });
    });
  }
}

/** Converts integers that a number holds exactly, as rows of the store have them. */
function toNumber(cell: Cell): Cell {
  return typeof cell === 'bigint' && Number.isSafeInteger(Number(cell)) ? Number(cell) : cell;
}

interface ValueColumn {
  /** Quoted name of the column. */
  readonly name: string;
  readonly type: StoredType;
}

function list(examples: readonly string[], count: number): string {
  return `${examples.join(', ')}${count > examples.length ? ', …' : ''}`;
}
