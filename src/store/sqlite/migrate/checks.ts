import type { Database } from 'better-sqlite3';
import type { MigrationStep } from '../../../schema/migration/diff.ts';
import {
  describeType,
  type StoredColumn,
  type StoredTable,
  type StoredType,
} from '../../../schema/migration/stored.ts';
import type { FieldPlan } from '../../../schema/plan.ts';
import type { Cell } from '../../store.ts';
import { quote, recordsName } from '../sql/table-names.ts';
import { cellText } from './kept-value.ts';
import type { ColumnMapping } from './mapping.ts';
import { mendLine } from './mend-line.ts';

/** What one step of a migration means for the records that are there. */
export interface MigrationCheck {
  readonly step: MigrationStep;
  /** Records, or for a unique index values, that the step would change, lose or trip over. */
  readonly count: number;
  /** For people: how many there are, and a few of them. */
  readonly found: string;
  /** What becomes of them: lost, changed to another value, left in a table without a type, or filled in. */
  readonly effect?: 'loses' | 'changes' | 'leaves' | 'fills';
  /** Why the step cannot be made even when losing data is allowed: what to do instead. */
  readonly obstacle?: string;
}

/** What a step concerns while it reads the records of one table. */
export interface ConcernContext {
  readonly appId: string;
  readonly source: ColumnMapping;
}

type Step<T extends MigrationStep['type']> = Extract<MigrationStep, { type: T }>;

const MOST_EXAMPLES = 3;
const LONGEST_EXAMPLE = 40;

/**
 * Counts what a step concerns, with up to three examples; reads only. Undefined for a step that can neither fail nor
 * lose anything.
 */
export function runCheck(db: Database, step: MigrationStep, context: ConcernContext): MigrationCheck | undefined {
  const reader = new ConcernReader(db, context);
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
    default:
      return undefined;
  }
}

/** The records of a table that has left the schema. */
export function readLeft(db: Database, step: Step<'keep-table' | 'drop-table'>): MigrationCheck | undefined {
  const { stored } = step;
  if (step.type === 'keep-table' && step.twin === undefined) return undefined;
  const from = recordsName(stored);
  const key = { name: quote(stored.primaryKey), type: typeOf(stored, stored.primaryKey) };
  const records = findRecords(db, { from, key }, '1');
  return { step, ...records, effect: step.type === 'drop-table' ? 'loses' : 'leaves' };
}

export function countRecords(db: Database, { from }: ColumnMapping): number {
  return db.prepare(`SELECT count(*) FROM ${from}`).pluck().get() as number;
}

/** Whether a table that has left the schema has any. */
export function hasRecords(db: Database, stored: StoredTable): boolean {
  return db.prepare(`SELECT 1 FROM ${recordsName(stored)} LIMIT 1`).get() !== undefined;
}

interface Records {
  /** Quoted name of the SQL table. */
  readonly from: string;
  readonly key: { readonly name: string; readonly type: StoredType };
}

function typeOf({ columns }: StoredTable, name: string): StoredType {
  return columns.find((column) => column.name === name)?.type ?? { kind: 'scalar', name: 'String' };
}

function findRecords(db: Database, { from, key }: Records, where: string): Pick<MigrationCheck, 'count' | 'found'> {
  return find(db, `FROM ${from} WHERE ${where}`, (rest) => {
    const keys = db.prepare(`SELECT ${key.name} ${rest}`).pluck().safeIntegers().all() as Cell[];
    return keys.map((cell) => show(cell, key.type));
  });
}

/** `rest`: of a statement, from FROM on. */
function find(
  db: Database,
  rest: string,
  readExamples: (rest: string) => string[],
): Pick<MigrationCheck, 'count' | 'found'> {
  const count = db.prepare(`SELECT count(*) ${rest}`).pluck().get() as number;
  const records = `${count} ${count === 1 ? 'record' : 'records'}`;
  if (count === 0) return { count, found: records };
  return { count, found: `${records} (${list(readExamples(`${rest} LIMIT ${MOST_EXAMPLES}`), count)})` };
}

class ConcernReader {
  readonly #db: Database;
  readonly #source: ColumnMapping;
  readonly #appId: string;
  readonly #from: Records;

  constructor(db: Database, { source, appId }: ConcernContext) {
    const { stored, from } = source;
    this.#db = db;
    this.#source = source;
    this.#appId = appId;
    this.#from = { from, key: { name: quote(stored.primaryKey), type: typeOf(stored, stored.primaryKey) } };
  }

  changePrimaryKey(step: Step<'change-primary-key'>): MigrationCheck {
    const obstacle = 'Give the new table another stored name, @table(table: "…"), and copy the records into it.';
    return { step, ...this.#records('1'), obstacle };
  }

  addRequiredColumn(step: Step<'add-required-column'>): MigrationCheck {
    const records = this.#records('1');
    const obstacle = 'Give the field a @default(value: …), or leave out the "!".';
    return { step, ...records, ...(records.count === 0 ? {} : { obstacle }) };
  }

  makeRequired(step: Step<'make-required'>): MigrationCheck {
    const { field, table } = step;
    const column = this.#source.columnOf(field) ?? 'NULL';
    const { count, found } = this.#records(`${column} IS NULL`);
    if (count === 0) return { step, count, found };
    if (step.fill !== undefined) return this.#collision(step) ?? { step, count, found, effect: 'fills' };
    const mend = mendLine(this.#appId, { table, field, value: 'null' });
    const obstacle = `Give the field a @default(value: …), leave out the "!", or write a value into these records first${mend}`;
    return { step, count, found: `${found} ${count === 1 ? 'has' : 'have'} null there`, obstacle };
  }

  createUniqueIndex(step: Step<'create-unique-index'>): MigrationCheck {
    return this.#shared(step, [step.field], 'Change these records first, or leave out @unique.');
  }

  createCompositeIndex(step: Step<'create-composite-index'>): MigrationCheck {
    return this.#shared(step, step.index.fields, 'Change these records first, or leave out "unique: true".');
  }

  /** Values, or values of several fields together, that more than one record has; null is never the same. */
  #shared(step: MigrationStep, fields: readonly FieldPlan[], obstacle: string): MigrationCheck {
    const { from } = this.#source;
    const cells = fields.map((_field, index) => `c${index}`);
    const values = fields.map((field, index) => `${this.#source.expressionOf(field)} AS c${index}`);
    const present = cells.map((cell) => `${cell} IS NOT NULL`).join(' AND ');
    const shared = `SELECT ${cells}, count(*) AS times FROM (SELECT ${values} FROM ${from}) WHERE ${present} GROUP BY ${cells} HAVING times > 1`;
    const count = this.#db.prepare(`SELECT count(*) FROM (${shared})`).pluck().get() as number;
    if (count === 0) return { step, count, found: '' };
    const rows = this.#db.prepare(`${shared} LIMIT ${MOST_EXAMPLES}`).raw().safeIntegers().all() as Cell[][];
    const types = fields.map(({ type }) => describeType(type));
    const examples = rows.map((row) => {
      const values = types.map((type, index) => show(row[index] ?? null, type));
      return `${values.join(', ')} in ${row.at(-1)} records`;
    });
    const found = `${count} ${count === 1 ? 'value is' : 'values are'} there more than once (${list(examples, count)})`;
    return { step, count, found, obstacle };
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
      return { step, count: misfits.count, found, obstacle: this.#mendMisfits(step, converted) };
    }
    const collision = this.#collision(step);
    if (collision !== undefined) return collision;
    const kept = this.#source.keptExpression(field, stored);
    const becomes = { sql: converted, type: describeType(field.type) };
    return { step, ...this.#values(`${column.name} IS NOT NULL AND NOT ${kept}`, column, becomes), effect: 'changes' };
  }

  /** Values that the step makes equal where an index that is there already wants them to differ. */
  #collision(step: Step<'change-type' | 'make-required'>): MigrationCheck | undefined {
    const { field, table } = step;
    const ofFields = table.compositeIndexes.filter(({ unique, fields }) => unique && fields.includes(field));
    const indexes = [...(field.unique ? [[field]] : []), ...ofFields.map(({ fields }) => fields)];
    const concerns = indexes.map((fields) => this.#shared(step, fields, 'Change these records first.'));
    return concerns.find(({ count }) => count > 0);
  }

  /** A value of an enum that is used can be found by its name. */
  #mendMisfits({ field, table, from }: Step<'change-type'>, converted: string): string {
    const general = 'Change these records first, or give the new field another name.';
    if (from.kind !== 'enum') return general;
    const column = this.#source.columnOf(field) ?? 'NULL';
    const where = `${column} IS NOT NULL AND ${converted} IS NULL`;
    const sql = `SELECT DISTINCT ${column} FROM ${this.#source.from} WHERE ${where} ORDER BY 1 LIMIT ${MOST_EXAMPLES}`;
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

  #records(where: string): Pick<MigrationCheck, 'count' | 'found'> {
    return findRecords(this.#db, this.#from, where);
  }

  /** `becomes`: what the values would be afterwards. */
  #values(where: string, column: Values, becomes?: { readonly sql: string; readonly type: StoredType }) {
    const { from, key } = this.#from;
    return find(this.#db, `FROM ${from} WHERE ${where}`, (rest) => {
      const sql = `SELECT ${key.name}, ${column.name}, ${becomes?.sql ?? 'NULL'} ${rest}`;
      const rows = this.#db.prepare(sql).raw().safeIntegers().all() as [Cell, Cell, Cell][];
      return rows.map(([id, cell, after]) => {
        const value = `${show(id, key.type)}: ${show(cell, column.type)}`;
        return becomes === undefined ? value : `${value} → ${show(after, becomes.type)}`;
      });
    });
  }
}

interface Values {
  /** Quoted name of the column. */
  readonly name: string;
  readonly type: StoredType;
}

function list(examples: readonly string[], count: number): string {
  return `${examples.join(', ')}${count > examples.length ? ', …' : ''}`;
}

function show(cell: Cell, type: StoredType): string {
  const text = cellText(cell, type);
  return text.length > LONGEST_EXAMPLE ? `${text.slice(0, LONGEST_EXAMPLE - 1)}…` : text;
}
