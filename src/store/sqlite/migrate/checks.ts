import type { Database } from 'better-sqlite3';
import type { MigrationStep } from '../../../schema/migration/diff.ts';
import type { FieldPlan } from '../../../schema/plan.ts';
import type { Cell } from '../../store.ts';
import { quote } from '../sql/table-names.ts';
import type { TableSource } from './mapping.ts';

/** What one step of a migration means for the records that are there. */
export interface Concern {
  readonly step: MigrationStep;
  /** Records, or for a unique index values, that the step would change, lose or trip over. */
  readonly count: number;
  /** For people: how many there are, and a few of them. */
  readonly found: string;
  /** Why the step cannot be made even when losing data is allowed: what to do instead. */
  readonly obstacle?: string;
}

type Step<T extends MigrationStep['type']> = Extract<MigrationStep, { type: T }>;

const MOST_EXAMPLES = 3;
const LONGEST_EXAMPLE = 40;

/**
 * Counts what a step concerns, with up to three examples; reads only. Undefined for a step that can neither fail nor
 * lose anything.
 */
export function readConcern(db: Database, step: MigrationStep, source: TableSource): Concern | undefined {
  const reader = new ConcernReader(db, source);
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

export function countRecords(db: Database, { from }: TableSource): number {
  return db.prepare(`SELECT count(*) FROM ${from}`).pluck().get() as number;
}

class ConcernReader {
  readonly #db: Database;
  readonly #source: TableSource;
  readonly #key: string;

  constructor(db: Database, source: TableSource) {
    this.#db = db;
    this.#source = source;
    this.#key = quote(source.stored.primaryKey);
  }

  changePrimaryKey(step: Step<'change-primary-key'>): Concern {
    const obstacle = 'Give the new table another stored name, @table(table: "…"), and copy the records into it.';
    return { step, ...this.#records('1'), obstacle };
  }

  addRequiredColumn(step: Step<'add-required-column'>): Concern {
    const records = this.#records('1');
    const obstacle = 'Give the field a @default(value: …), or leave out the "!".';
    return { step, ...records, ...(records.count === 0 ? {} : { obstacle }) };
  }

  makeRequired(step: Step<'make-required'>): Concern {
    const column = this.#source.columnOf(step.field) ?? 'NULL';
    const { count, found } = this.#records(`${column} IS NULL`);
    if (count === 0) return { step, count, found };
    const obstacle = 'Write a value into these records first, or leave out the "!".';
    return { step, count, found: `${found} have null there`, obstacle };
  }

  createUniqueIndex(step: Step<'create-unique-index'>): Concern {
    return this.#shared(step, [step.field], 'Change these records first, or leave out @unique.');
  }

  createCompositeIndex(step: Step<'create-composite-index'>): Concern {
    return this.#shared(step, step.index.fields, 'Change these records first, or leave out "unique: true".');
  }

  /** Values, or values of several fields together, that more than one record has; null is never the same. */
  #shared(step: MigrationStep, fields: readonly FieldPlan[], obstacle: string): Concern {
    const { from } = this.#source;
    const cells = fields.map((_field, index) => `c${index}`);
    const values = fields.map((field, index) => `${this.#source.expressionOf(field)} AS c${index}`);
    const present = cells.map((cell) => `${cell} IS NOT NULL`).join(' AND ');
    const shared = `SELECT ${cells}, count(*) AS times FROM (SELECT ${values} FROM ${from}) WHERE ${present} GROUP BY ${cells} HAVING times > 1`;
    const count = this.#db.prepare(`SELECT count(*) FROM (${shared})`).pluck().get() as number;
    if (count === 0) return { step, count, found: '' };
    const rows = this.#db.prepare(`${shared} LIMIT ${MOST_EXAMPLES}`).raw().safeIntegers().all() as Cell[][];
    const examples = rows.map((row) => `${row.slice(0, -1).map(show).join(', ')} in ${row.at(-1)} records`);
    const found = `${count} ${count === 1 ? 'value is' : 'values are'} there more than once (${list(examples, count)})`;
    return { step, count, found, obstacle };
  }

  narrowType(step: Step<'change-type'>): Concern {
    const column = this.#source.columnOf(step.field) ?? 'NULL';
    const misfits = this.#values(`${column} IS NOT NULL AND ${this.#source.expressionOf(step.field)} IS NULL`, column);
    if (misfits.count === 0) return { step, ...this.#values(`${column} IS NOT NULL`, column) };
    const obstacle = 'Change these records first, or give the new field another name.';
    return { step, count: misfits.count, found: `the values of ${misfits.found} do not fit`, obstacle };
  }

  recompute(step: Step<'recompute'>): Concern {
    const column = this.#source.columnOf(step.field) ?? 'NULL';
    const differs = `${column} IS NOT NULL AND ${column} IS NOT ${this.#source.expressionOf(step.field)}`;
    return { step, ...this.#values(differs, column) };
  }

  dropColumn(step: Step<'drop-column'>): Concern {
    const column = quote(step.column.name);
    return { step, ...this.#values(`${column} IS NOT NULL`, column) };
  }

  #records(where: string): Pick<Concern, 'count' | 'found'> {
    return this.#find(where, (limit) => {
      const sql = `SELECT ${this.#key} FROM ${this.#source.from} WHERE ${where} LIMIT ${limit}`;
      return (this.#db.prepare(sql).pluck().safeIntegers().all() as Cell[]).map(show);
    });
  }

  #values(where: string, column: string): Pick<Concern, 'count' | 'found'> {
    return this.#find(where, (limit) => {
      const sql = `SELECT ${this.#key}, ${column} FROM ${this.#source.from} WHERE ${where} LIMIT ${limit}`;
      const rows = this.#db.prepare(sql).raw().safeIntegers().all() as [Cell, Cell][];
      return rows.map(([key, cell]) => `${show(key)}: ${show(cell)}`);
    });
  }

  #find(where: string, readExamples: (limit: number) => string[]): Pick<Concern, 'count' | 'found'> {
    const sql = `SELECT count(*) FROM ${this.#source.from} WHERE ${where}`;
    const count = this.#db.prepare(sql).pluck().get() as number;
    const records = `${count} ${count === 1 ? 'record' : 'records'}`;
    return { count, found: count === 0 ? records : `${records} (${list(readExamples(MOST_EXAMPLES), count)})` };
  }
}

function list(examples: readonly string[], count: number): string {
  return `${examples.join(', ')}${count > examples.length ? ', …' : ''}`;
}

function show(cell: Cell): string {
  const text = typeof cell === 'string' ? JSON.stringify(cell) : String(cell);
  return text.length > LONGEST_EXAMPLE ? `${text.slice(0, LONGEST_EXAMPLE - 1)}…` : text;
}
