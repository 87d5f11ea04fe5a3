import type { MigrationStep } from '../../../schema/migration/diff.ts';
import {
  describeType,
  type StoredColumn,
  type StoredTable,
  type StoredType,
} from '../../../schema/migration/stored.ts';
import type { FieldPlan } from '../../../schema/plan.ts';
import { columnConflict, type MigrationCheck, tableConflict } from '../../migration/check.ts';
import { formatCell, isKept } from '../../migration/kept-value.ts';
import { mendLine } from '../../migration/mend-line.ts';
import { type CheckingStep, RowScan } from '../../migration/row-scan.ts';
import type { Cell } from '../../store.ts';
import type { PgSession } from '../database/session.ts';
import { quote, recordsName } from '../sql/names.ts';
import type { RowMapping, StoredRow } from './mapping.ts';
import { scanRows } from './scan.ts';

const MAX_EXAMPLES = 3;

type Step<T extends MigrationStep['type']> = Extract<MigrationStep, { type: T }>;
type Found = Pick<MigrationCheck, 'count' | 'found'>;

/**
 * Counts the records that a step affects, with up to three examples; reads only. Undefined for a step that can neither
 * fail nor lose anything.
 */
export async function runCheck(
  session: PgSession,
  step: MigrationStep,
  { source, appId }: { readonly source: RowMapping; readonly appId: string },
): Promise<MigrationCheck | undefined> {
  const reader = new RowChecks(session, source, appId);
  switch (step.type) {
    case 'change-primary-key': {
      const blocker = 'Give the new table another stored name, @table(table: "…"), and copy the records into it.';
      return { step, ...(await reader.records()), blocker };
    }
    case 'add-required-column': {
      const records = await reader.records();
      const blocker = 'Give the field a @default(value: …), or leave out the "!".';
      return { step, ...records, ...(records.count === 0 ? {} : { blocker }) };
    }
    case 'make-required':
      return reader.makeRequired(step);
    case 'create-unique-index':
      return reader.duplicates(step, [step.field], 'Change these records first, or leave out @unique.');
    case 'create-composite-index':
      if (!step.index.unique) return undefined;
      return reader.duplicates(step, step.index.fields, 'Change these records first, or leave out "unique: true".');
    case 'change-type':
      return step.destructive ? reader.narrowType(step) : undefined;
    case 'recompute':
      return step.destructive ? reader.recompute(step) : undefined;
    case 'drop-column':
      return { step, ...(await reader.valuesOf(step.column)), effect: 'loses' };
    case 'check-constraint':
    case 'check-rule':
      return reader.scanRecords(step);
    case 'rename-conflict':
      return columnConflict(step, await reader.valuesOf(step.left));
    default:
      return undefined;
  }
}

/** Counts the records of a table that has left the schema; undefined for one that is kept without a likely new name. */
export async function checkRemovedTable(
  session: PgSession,
  step: Step<'keep-table' | 'drop-table'>,
): Promise<MigrationCheck | undefined> {
  if (step.type === 'keep-table' && step.twin === undefined) return undefined;
  const found = await findRecords(session, step.stored, () => true);
  return { step, ...found, effect: step.type === 'drop-table' ? 'loses' : 'leaves' };
}

/** Counts the records under an earlier name of a table whose present name is stored, too. */
export async function checkTableConflict(
  session: PgSession,
  step: Step<'rename-table-conflict'>,
): Promise<MigrationCheck> {
  return tableConflict(step, await findRecords(session, step.left, () => true));
}

export async function countRecords(session: PgSession, stored: StoredTable): Promise<number> {
  return Number((await session.send(`SELECT count(*) FROM ${recordsName(stored)}`)).rows[0]?.[0]);
}

/** True when a table that has left the schema has records. */
export async function hasRecords(session: PgSession, stored: StoredTable): Promise<boolean> {
  return (await session.send(`SELECT 1 FROM ${recordsName(stored)} LIMIT 1`)).rows.length > 0;
}

function findRecords(session: PgSession, stored: StoredTable, test: (row: StoredRow) => boolean, where?: string) {
  const place = stored.columns.findIndex(({ name }) => name === stored.primaryKey);
  const type = stored.columns[place]?.type ?? { kind: 'scalar', name: 'String' };
  return find({ session, stored, where }, test, ({ cells }) => formatCell(cells[place] ?? null, type));
}

interface ScannedTable {
  readonly session: PgSession;
  readonly stored: StoredTable;
  readonly where?: string | undefined;
}

/** Counts rows, and describes some as examples. */
async function find(
  { session, stored, where }: ScannedTable,
  test: (row: StoredRow) => boolean,
  describe: (row: StoredRow) => string,
): Promise<Found> {
  let count = 0;
  const examples: string[] = [];
  for await (const rows of scanRows(session, stored, where)) {
    for (const row of rows) {
      if (!test(row)) continue;
      count++;
      if (examples.length < MAX_EXAMPLES) examples.push(describe(row));
    }
  }
  const records = `${count} ${count === 1 ? 'record' : 'records'}`;
  return { count, found: count === 0 ? records : `${records} (${list(examples, count)})` };
}

class RowChecks {
  readonly #session: PgSession;
  readonly #source: RowMapping;
  readonly #appId: string;

  constructor(session: PgSession, source: RowMapping, appId: string) {
    this.#session = session;
    this.#source = source;
    this.#appId = appId;
  }

  records(where?: string): Promise<Found> {
    return findRecords(this.#session, this.#source.stored, () => true, where);
  }

  /** Reads every record, as the migration will store it. */
  async scanRecords(step: CheckingStep): Promise<MigrationCheck> {
    const scan = new RowScan(step);
    for await (const rows of scanRows(this.#session, this.#source.stored)) {
      for (const row of rows) scan.add(scan.fields.map((field) => toNumber(this.#source.valueOf(field, row))));
    }
    return scan.result();
  }

  async makeRequired(step: Step<'make-required'>): Promise<MigrationCheck> {
    const { field, table } = step;
    const column = this.#source.storedOf(field);
    const { count, found } = await this.records(column && `${quote(column.name)} IS NULL`);
    if (count === 0) return { step, count, found };
    if (step.fill !== undefined) return (await this.#collision(step)) ?? { step, count, found, effect: 'fills' };
    const mend = mendLine(this.#appId, { table, field, value: 'null' });
    const blocker = `Give the field a @default(value: …), leave out the "!", or write a value into these records first${mend}`;
    return { step, count, found: `${found} ${count === 1 ? 'has' : 'have'} null there`, blocker };
  }

  /** Checks for values, or values of several fields together, that more than one record has; nulls are never equal. */
  async duplicates(step: MigrationStep, fields: readonly FieldPlan[], blocker: string): Promise<MigrationCheck> {
    const times = new Map<string, { readonly values: readonly Cell[]; count: number }>();
    for await (const rows of scanRows(this.#session, this.#source.stored)) {
      for (const row of rows) {
        const values = fields.map((field) => this.#source.valueOf(field, row));
        if (values.includes(null)) continue;
        const key = JSON.stringify(values.map(String));
        const known = times.get(key);
        if (known === undefined) times.set(key, { values, count: 1 });
        else known.count++;
      }
    }
    const shared = [...times.values()].filter(({ count }) => count > 1);
    const { length: count } = shared;
    if (count === 0) return { step, count, found: '' };
    const types = fields.map(({ type }) => describeType(type));
    const examples = shared.slice(0, MAX_EXAMPLES).map((one) => {
      const values = types.map((type, index) => formatCell(one.values[index] ?? null, type));
      return `${values.join(', ')} in ${one.count} records`;
    });
    const found = `${count} ${count === 1 ? 'value is' : 'values are'} there more than once (${list(examples, count)})`;
    return { step, count, found, blocker };
  }

  async narrowType(step: Step<'change-type'>): Promise<MigrationCheck> {
    const { field } = step;
    const column = this.#source.storedOf(field);
    if (column === undefined) return { step, count: 0, found: '' };
    const isMisfit = (row: StoredRow) => this.#source.convertedOf(field, row) === null;
    const misfits = await this.#values(field, column, isMisfit);
    if (misfits.count > 0) {
      const found = `the values of ${misfits.found} do not fit`;
      return { step, count: misfits.count, found, blocker: await this.#mendMisfits(step, isMisfit) };
    }
    const collision = await this.#collision(step);
    if (collision !== undefined) return collision;
    const isChanged = (row: StoredRow) => !isKept(this.#source.cellOf(field, row), column.type, field.type);
    const becomes = { type: describeType(field.type), of: (row: StoredRow) => this.#source.convertedOf(field, row) };
    return { step, ...(await this.#values(field, column, isChanged, becomes)), effect: 'changes' };
  }

  async recompute(step: Step<'recompute'>): Promise<MigrationCheck> {
    const { field } = step;
    const column = this.#source.storedOf(field);
    if (column === undefined) return { step, count: 0, found: '' };
    const differs = (row: StoredRow) => this.#source.cellOf(field, row) !== this.#source.valueOf(field, row);
    return { step, ...(await this.#values(field, column, differs)), effect: 'loses' };
  }

  /** Counts the values of a stored column. */
  valuesOf(column: StoredColumn): Promise<Found> {
    const { stored } = this.#source;
    const place = stored.columns.findIndex(({ name }) => name === column.name);
    const read = ({ cells }: StoredRow) => cells[place] ?? null;
    const where = `${quote(column.name)} IS NOT NULL`;
    return find({ session: this.#session, stored, where }, () => true, this.#describe(column, read));
  }

  /** Checks for values that the step makes equal although an existing unique index needs them to differ. */
  async #collision(step: Step<'change-type' | 'make-required'>): Promise<MigrationCheck | undefined> {
    const { field, table } = step;
    const ofFields = table.compositeIndexes.filter(({ unique, fields }) => unique && fields.includes(field));
    for (const fields of [...(field.unique ? [[field]] : []), ...ofFields.map(({ fields }) => fields)]) {
      const check = await this.duplicates(step, fields, 'Change these records first.');
      if (check.count > 0) return check;
    }
    return undefined;
  }

  /** Returns advice for values that do not fit; values of an enum can be named in a filter. */
  async #mendMisfits(
    { field, table, from }: Step<'change-type'>,
    isMisfit: (row: StoredRow) => boolean,
  ): Promise<string> {
    const general = 'Change these records first, or give the new field another name.';
    if (from.kind !== 'enum') return general;
    const used = new Set<string>();
    for await (const rows of scanRows(this.#session, this.#source.stored)) {
      for (const row of rows) {
        const cell = this.#source.cellOf(field, row);
        if (cell !== null && isMisfit(row)) used.add(String(cell));
      }
    }
    const values = [...used].sort().slice(0, MAX_EXAMPLES);
    const lines = values.map((value) => mendLine(this.#appId, { table, field, value }));
    return lines.includes('.') ? general : `Write other values into these records first${lines.join('')}`;
  }

  /** Counts values that are not null. `becomes`: the values after the step. */
  #values(
    field: FieldPlan,
    column: StoredColumn,
    test: (row: StoredRow) => boolean,
    becomes?: NextValue,
  ): Promise<Found> {
    const read = (row: StoredRow) => this.#source.cellOf(field, row);
    const where = `${quote(column.name)} IS NOT NULL`;
    const source = { session: this.#session, stored: this.#source.stored, where };
    return find(source, test, this.#describe(column, read, becomes));
  }

  #describe({ type }: StoredColumn, read: (row: StoredRow) => Cell, becomes?: NextValue) {
    const { columns, primaryKey } = this.#source.stored;
    const place = columns.findIndex(({ name }) => name === primaryKey);
    const keyType = columns[place]?.type ?? type;
    return (row: StoredRow): string => {
      const value = `${formatCell(row.cells[place] ?? null, keyType)}: ${formatCell(read(row), type)}`;
      return becomes === undefined ? value : `${value} → ${formatCell(becomes.of(row), becomes.type)}`;
    };
  }
}

interface NextValue {
  readonly type: StoredType;
  readonly of: (row: StoredRow) => Cell;
}

/** Converts integers that a number holds exactly, as rows of the store have them. */
function toNumber(cell: Cell): Cell {
  return typeof cell === 'bigint' && Number.isSafeInteger(Number(cell)) ? Number(cell) : cell;
}

function list(examples: readonly string[], count: number): string {
  return `${examples.join(', ')}${count > examples.length ? ', …' : ''}`;
}
