import type { CheckPlan, CompositeIndexPlan, FieldPlan, Plan, Reference, TablePlan } from '../plan.ts';
import { formatType } from '../sdl/types.ts';
import { constraintSteps } from './constraints.ts';
import { compareIndexes } from './indexes.ts';
import { referenceSteps } from './references.ts';
import { renameSteps, tableNameSteps } from './rename-steps.ts';
import { matchSchema } from './renames.ts';
import {
  describeTable,
  type StoredColumn,
  type StoredIndex,
  type StoredSchema,
  type StoredTable,
  type StoredType,
} from './stored.ts';
import { compareTypes, recomputeSteps } from './types.ts';

export { describeStored, type StoredColumn, type StoredSchema, type StoredTable, type StoredType } from './stored.ts';

interface StepBase {
  /** True when data could be lost: the stored values have to be checked first. */
  readonly destructive: boolean;
  /** Effect of the step in one sentence, for people. */
  readonly sentence: string;
}

interface TableStep extends StepBase {
  readonly table: TablePlan;
}

interface ColumnStep extends TableStep {
  readonly field: FieldPlan;
}

/**
 * Value of existing records in a new column, or in place of null. `stamp` is the time of their last change, `computed` the
 * result of the expression.
 */
export type Fill = 'null' | 'default' | 'stamp' | 'computed';

/** Difference between the stored schema and the plan. The store executes the steps in this order, in one transaction. */
export type MigrationStep =
  | (TableStep & { readonly type: 'create-table' })
  /** Records, log and everything that is stored of them go on under the new name. */
  | (TableStep & { readonly type: 'rename-table'; readonly stored: StoredTable })
  | (ColumnStep & { readonly type: 'rename-column'; readonly column: StoredColumn })
  /** Enum values, or members of nested types, that have another name. */
  | (ColumnStep & { readonly type: 'rename-values' })
  /** Fails when both names have values: count those of the earlier name, `left`, first. */
  | (ColumnStep & { readonly type: 'rename-conflict'; readonly left: StoredColumn })
  | (TableStep & { readonly type: 'rename-table-conflict'; readonly left: StoredTable })
  /** Never executed, a note: `@renamedFrom` names nothing that is stored. */
  | (TableStep & { readonly type: 'unused-name' })
  | (ColumnStep & { readonly type: 'add-column'; readonly fill: Fill })
  /** Required and without a default: possible only while the table has no records. */
  | (ColumnStep & { readonly type: 'add-required-column' })
  | (ColumnStep & { readonly type: 'create-index' })
  | (ColumnStep & { readonly type: 'drop-index'; readonly unique: boolean })
  /** Fails when two records have the same value: count them first. */
  | (ColumnStep & { readonly type: 'create-unique-index' })
  | (ColumnStep & { readonly type: 'create-fulltext-index' })
  | (ColumnStep & { readonly type: 'drop-fulltext-index' })
  | (TableStep & { readonly type: 'create-composite-index'; readonly index: CompositeIndexPlan })
  | (TableStep & { readonly type: 'drop-composite-index'; readonly index: StoredIndex })
  | (ColumnStep & { readonly type: 'change-type'; readonly from: StoredType })
  /** Computed field whose stored values differ from the results of its expression. */
  | (ColumnStep & { readonly type: 'recompute' })
  /** Fails without `fill` when a record has no value: count them first. */
  | (ColumnStep & { readonly type: 'make-required'; readonly fill?: Fill })
  | (ColumnStep & { readonly type: 'make-nullable' })
  | (TableStep & { readonly type: 'drop-column'; readonly column: StoredColumn })
  | (TableStep & { readonly type: 'change-expiration' })
  /** Fails when a record breaks the constraint: nothing is changed. */
  | (ColumnStep & { readonly type: 'check-constraint' })
  /** Fails when a record breaks the rule: nothing is changed. */
  | (TableStep & { readonly type: 'check-rule'; readonly check: CheckPlan })
  /** Fails when there is no record with a key: nothing is changed. */
  | (ColumnStep & { readonly type: 'check-reference'; readonly reference: Reference })
  /** Never executed: reported, and the start is refused. */
  | (TableStep & { readonly type: 'change-primary-key' })
  /** Type that has left the schema: its data is kept and only reported. `twin` is a new table with the same fields. */
  | (StepBase & { readonly type: 'keep-table'; readonly twin?: TablePlan } & LeftTable)
  | (StepBase & { readonly type: 'drop-table' } & LeftTable);

interface LeftTable {
  readonly stored: StoredTable;
  /** Name of the type, or stored name where two removed types have the same. */
  readonly name: string;
}

export interface MigrationOptions {
  /** Names of removed tables, as `stepName` returns them, whose data is dropped. */
  readonly dropTables?: readonly string[];
}

/** Returns the name by which a destructive step is allowed: of a field, `Card.title`, or of a removed type, `Card`. */
export function stepName(step: MigrationStep): string | undefined {
  switch (step.type) {
    case 'keep-table':
    case 'drop-table':
      return step.name;
    case 'drop-column':
      return `${step.table.name}.${step.column.name}`;
    default:
      return 'field' in step ? `${step.table.name}.${step.field.name}` : undefined;
  }
}

/** Pure: returns the steps that turn the stored schema into the plan; none when both agree. */
export function planMigration(
  stored: StoredSchema | undefined,
  plan: Plan,
  { dropTables = [] }: MigrationOptions = {},
): readonly MigrationStep[] {
  const matches = matchSchema(stored, plan);
  const steps = plan.tables.flatMap((table): MigrationStep[] => {
    const match = matches.tables.get(table);
    const notes = stored === undefined ? [] : tableNameSteps(table, matches);
    if (match === undefined) return [createTable(table), ...notes];
    return [...notes, ...renameSteps(match, table), ...compareTables(match.now, table)];
  });
  const made = steps.flatMap((step) => (step.type === 'create-table' ? [step.table] : []));
  const { left } = matches;
  return [
    ...steps,
    ...referenceSteps(matches, plan, steps),
    ...left.map((stored) => {
      const isAlone = left.every((other) => other === stored || other.name !== stored.name);
      const name = isAlone ? stored.name : storedName(stored);
      if (dropTables.includes(name)) return dropTable({ stored, name });
      const twin = made.find((table) => isLikelyRename(stored, table));
      return keepTable({ stored, name }, twin);
    }),
  ];
}

function createTable(table: TablePlan): MigrationStep {
  return { type: 'create-table', table, destructive: false, sentence: `create table ${storedName(table)}` };
}

function dropTable(left: LeftTable): MigrationStep {
  const sentence = `drop table ${storedName(left.stored)} with all its records`;
  return { type: 'drop-table', ...left, destructive: true, sentence };
}

function keepTable(left: LeftTable, twin: TablePlan | undefined): MigrationStep {
  const sentence = `keep the records of ${storedName(left.stored)}, which is not in the schema`;
  return { type: 'keep-table', ...left, destructive: false, sentence, ...(twin === undefined ? {} : { twin }) };
}

/** True for the same fields of the same types, nearly always a renamed type. A key alone is too little evidence. */
function isLikelyRename(stored: StoredTable, table: TablePlan): boolean {
  const { columns, primaryKey } = describeTable(table);
  const before = new Map(stored.columns.map((column) => [column.name.toLowerCase(), column]));
  const isLike = before.size === columns.length && primaryKey === stored.primaryKey && columns.length > 1;
  if (!isLike) return false;
  return columns.every(({ name, type }) => {
    const old = before.get(name.toLowerCase());
    return old !== undefined && compareTypes(old.type, type) === 'same';
  });
}

function compareTables(old: StoredTable, table: TablePlan): MigrationStep[] {
  if (isKeyChanged(old, table)) {
    const now = `${table.primaryKey.name}: ${formatType(table.primaryKey.type)}`;
    const sentence = `the primary key of ${storedName(table)} cannot change from ${old.primaryKey} to ${now}: make a new table`;
    return [{ type: 'change-primary-key', table, destructive: true, sentence }];
  }
  // Names of columns are compared case-insensitively, as in SQLite.
  const columns = new Map(old.columns.map((column) => [column.name.toLowerCase(), column]));
  const kept = table.fields.flatMap((field) => {
    const column = columns.get(field.name.toLowerCase());
    columns.delete(field.name.toLowerCase());
    return column === undefined ? addColumn(table, field) : compareColumns(column, table, field);
  });
  const dropped = [...columns.values()].map((column): MigrationStep => {
    const sentence = `drop column ${storedName(table)}.${column.name} with its values`;
    return { type: 'drop-column', table, column, destructive: true, sentence };
  });
  const rules = constraintSteps(old, table, kept);
  return [...dropped, ...kept, ...compareIndexes(old, table), ...compareExpiration(old, table), ...rules];
}

function isKeyChanged(old: StoredTable, table: TablePlan): boolean {
  const column = old.columns.find(({ name }) => name === old.primaryKey);
  const now = describeTable(table).columns.find(({ name }) => name === table.primaryKey.name);
  if (column === undefined || now === undefined || column.name !== now.name) return true;
  return isNumeric(column.type) !== isNumeric(now.type) || compareTypes(column.type, now.type) === 'narrows';
}

/** The log stores the key, too, as text or as a number. */
function isNumeric(type: StoredType): boolean {
  return type.kind === 'scalar' && (type.name === 'Int' || type.name === 'Long');
}

function addColumn(table: TablePlan, field: FieldPlan): MigrationStep[] {
  const column = `${storedName(table)}.${field.name}`;
  const base = { table, field, destructive: false };
  const indexes = indexSteps({ indexed: false, unique: false }, table, field);
  const fill = fillOf(field);
  if (fill === undefined) {
    const sentence = `add required column ${column}, which has no default: possible only while the table has no records`;
    return [{ ...base, type: 'add-required-column', sentence }, ...indexes];
  }
  return [{ ...base, type: 'add-column', fill, sentence: `add column ${column} (${FILLS[fill]})` }, ...indexes];
}

const FILLS: Readonly<Record<Fill, string>> = {
  null: 'null in existing records',
  default: 'existing records get its default',
  stamp: 'existing records get the time of their last change',
  computed: 'existing records get what their other fields give',
};

function fillOf(field: FieldPlan): Fill | undefined {
  if (field.computed !== undefined) return 'computed';
  if (field.default !== undefined && field.default !== null) return 'default';
  if (field.stamp !== undefined) return 'stamp';
  return field.required ? undefined : 'null';
}

function compareColumns(old: StoredColumn, table: TablePlan, field: FieldPlan): MigrationStep[] {
  const now = describeTable({ ...table, fields: [field] }).columns[0] ?? old;
  const column = `${storedName(table)}.${field.name}`;
  const base = { table, field, destructive: false };
  const steps: MigrationStep[] = [];
  const change = compareTypes(old.type, now.type);
  // A computed value is computed again instead of converted.
  if (change !== 'same' && field.computed === undefined) {
    const written = `change the type of ${column} from ${formatStored(old.type)} to ${formatStored(now.type)}`;
    const destructive = change === 'narrows';
    const sentence = destructive ? written : `${written}: every stored value fits`;
    steps.push({ ...base, type: 'change-type', from: old.type, destructive, sentence });
  }
  if (field.required && !old.required) steps.push(makeRequired(table, field));
  if (!field.required && old.required) {
    steps.push({ ...base, type: 'make-nullable', sentence: `let ${column} be null` });
  }
  return [...recomputeSteps(old, table, field), ...steps, ...indexSteps(old, table, field)];
}

function makeRequired(table: TablePlan, field: FieldPlan): MigrationStep {
  const made = `make ${storedName(table)}.${field.name} required`;
  const base = { type: 'make-required', table, field, destructive: false } as const;
  const fill = fillOf(field);
  // A computed field is null where its expression is null.
  if (fill === undefined || fill === 'computed') {
    return { ...base, sentence: `${made}: possible only while no record has null there` };
  }
  const value = fill === 'stamp' ? 'the time of their last change' : 'its default';
  return { ...base, fill, sentence: `${made}: records that have null there get ${value}` };
}

function indexSteps(
  old: Pick<StoredColumn, 'indexed' | 'unique'>,
  table: TablePlan,
  field: FieldPlan,
): MigrationStep[] {
  const before = indexOf(old);
  const after = indexOf(field);
  if (before === after) return [];
  const column = `${storedName(table)}.${field.name}`;
  const base = { table, field, destructive: false };
  const steps: MigrationStep[] = [];
  if (before !== 'none') {
    const sentence = before === 'unique' ? `let values of ${column} repeat` : `drop the index of ${column}`;
    steps.push({ ...base, type: 'drop-index', unique: before === 'unique', sentence });
  }
  if (after === 'index') steps.push({ ...base, type: 'create-index', sentence: `create an index of ${column}` });
  if (after === 'unique') {
    const sentence = `make ${column} unique: possible only while no value occurs twice`;
    steps.push({ ...base, type: 'create-unique-index', sentence });
  }
  return steps;
}

/** Unique columns need no second index. */
function indexOf({ indexed, unique }: Pick<StoredColumn, 'indexed' | 'unique'>): 'none' | 'index' | 'unique' {
  if (unique) return 'unique';
  return indexed ? 'index' : 'none';
}

function compareExpiration(old: StoredTable, table: TablePlan): MigrationStep[] {
  const now = describeTable(table);
  if (now.expiration === old.expiration && now.expiresAt === old.expiresAt) return [];
  const rules = [
    ...(now.expiration === null ? [] : [`${now.expiration / 1000} s after their last change`]),
    ...(now.expiresAt === null ? [] : [`when "${now.expiresAt}" has passed`]),
  ];
  const when = rules.length === 0 ? 'no more' : rules.join(', or ');
  const sentence = `remove records of ${storedName(table)} ${when}`;
  return [{ type: 'change-expiration', table, destructive: false, sentence }];
}

function storedName({ database, table }: Pick<StoredTable, 'database' | 'table'>): string {
  return `${database}.${table}`;
}

function formatStored(type: StoredType): string {
  switch (type.kind) {
    case 'scalar':
      return type.name;
    case 'enum':
      return `enum (${type.values.join(', ')})`;
    case 'list':
      return `[${formatStored(type.of)}${type.itemsRequired ? '!' : ''}]`;
    case 'object':
      return `{${type.fields.map(({ name, type: of, required }) => `${name}: ${formatStored(of)}${required ? '!' : ''}`).join(', ')}}`;
  }
}
