import { suggest } from '../../config/files/suggest.ts';
import type { FieldPlan, FieldType, TablePlan } from '../../schema/plan.ts';
import type { SortKey } from '../list-query.ts';
import { parseSort } from '../sort.ts';
import type { Filter } from '../syntax/ast.ts';
import { mapByName } from '../syntax/fields.ts';
import { isOrdered, nameType } from '../syntax/literal.ts';
import type { FilterLimits } from '../syntax/operators.ts';
import { parseFilter } from '../syntax/parse.ts';
import { columnOf, makeQueryError, show } from '../syntax/problem.ts';
import { nameableFields, type ReadPolicy } from '../view.ts';

const FUNCTIONS = ['count', 'sum', 'avg', 'min', 'max'] as const;
type AggregateFunction = (typeof FUNCTIONS)[number];

/** One value of each group: the number of records, or a function of the values of a field that are not null. */
export interface AggregateColumn {
  readonly function: AggregateFunction;
  /** Undefined for `count` alone, which counts records. */
  readonly field: FieldPlan | undefined;
  /** Property of the result. */
  readonly result: FieldPlan;
}

/** Field of which a store returns the totals of a group. */
export interface TotalledField {
  readonly field: FieldPlan;
  /** True when the sum of its values is needed. */
  readonly sum: boolean;
  /** True when the smallest and the greatest value are needed. */
  readonly ends: boolean;
}

/** Parsed `aggregate`, `group` and `having` of a list. */
export interface AggregateQuery {
  readonly columns: readonly AggregateColumn[];
  readonly group: readonly FieldPlan[];
  readonly fields: readonly TotalledField[];
  /** Condition on the results. */
  readonly having?: Filter;
  /** Order of the results, which is total: the fields of `group` come last. */
  readonly sort: readonly SortKey[];
  /** Maximum of groups that a store may find. */
  readonly maxGroups: number;
}

/** Parameters that only lists with `aggregate` have. */
export const AGGREGATE_PARAMETERS: ReadonlySet<string> = new Set(['group', 'having']);

interface AggregateScope {
  readonly table: TablePlan;
  readonly limits: FilterLimits & { readonly groups: number };
  readonly view: ReadPolicy | undefined;
}

/** Parses `aggregate=count,sum(total)&group=status&having=count=gt=5&sort=-count`. Throws INVALID_QUERY. */
export function parseAggregate(
  parameters: ReadonlyMap<string, string>,
  { table, limits, view }: AggregateScope,
): AggregateQuery {
  for (const name of ['select', 'cursor', 'count']) {
    if (parameters.has(name)) throw makeQueryError(name, 'cannot be combined with aggregate');
  }
  const byName = mapByName(nameableFields(table, view));
  const group = parseGroup(parameters.get('group'), table, byName);
  const columns = parseColumns(parameters.get('aggregate') ?? '', table, byName);
  const results = [...group, ...columns.map(({ result }) => result)];
  const names = results.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw makeQueryError('aggregate', `${twice} is named twice`);
  const shape = shapeOf(table, results);
  const having = parameters.get('having');
  const sorted = parseSort(parameters.get('sort'), shape, undefined);
  const rest = group.filter((field) => !sorted.some((key) => key.field === field));
  return Object.freeze({
    columns,
    group,
    fields: totalled(columns),
    sort: [...sorted, ...rest.map((field) => ({ field, descending: false }))],
    maxGroups: limits.groups,
    ...(having === undefined ? {} : { having: parseFilter(having, shape, limits) }),
  });
}

/** Returns the aggregate that counts all records. */
export function countOf(table: TablePlan): AggregateQuery {
  const result = resultOf('count', undefined, table);
  return { columns: [{ function: 'count', field: undefined, result }], group: [], fields: [], sort: [], maxGroups: 1 };
}

function parseGroup(
  text: string | undefined,
  table: TablePlan,
  byName: ReadonlyMap<string, FieldPlan>,
): readonly FieldPlan[] {
  if (text === undefined) return [];
  let position = 0;
  return text.split(',', table.fields.length + 1).map((name) => {
    const column = columnOf(text, position);
    position += name.length + 1;
    const field = findField(name, { table, byName, parameter: 'group', column });
    if (isComposite(field.type)) {
      throw makeQueryError('group', `column ${column}: ${name} is ${nameType(field.type)}, which makes no groups`);
    }
    return field;
  });
}

function isComposite(type: FieldType): boolean {
  return type.kind === 'list' || type.kind === 'object' || (type.kind === 'scalar' && type.name === 'JSON');
}

const COLUMN = /^([a-z]+)(?:\(([^()]*)\))?$/;

function parseColumns(
  text: string,
  table: TablePlan,
  byName: ReadonlyMap<string, FieldPlan>,
): readonly AggregateColumn[] {
  let position = 0;
  return text.split(',', FUNCTIONS.length * (table.fields.length + 1)).map((item) => {
    const column = columnOf(text, position);
    const fail = (message: string) => makeQueryError('aggregate', `column ${column}: ${message}`);
    const [, name = '', argument] = COLUMN.exec(item) ?? [];
    const found = FUNCTIONS.find((it) => it === name);
    if (found === undefined) {
      throw fail(`expected count, count(field), sum(field), avg(field), min(field) or max(field), found ${show(item)}`);
    }
    if (argument === undefined && found !== 'count') throw fail(`${name} needs a field: ${name}(field)`);
    const at = columnOf(text, position + name.length + 1);
    position += item.length + 1;
    const field =
      argument === undefined ? undefined : findField(argument, { table, byName, parameter: 'aggregate', column: at });
    if (field !== undefined && !takes(found, field.type)) {
      throw fail(`${field.name} is ${nameType(field.type)}, which has no ${found}`);
    }
    return { function: found, field, result: resultOf(found, field, table) };
  });
}

interface Search {
  readonly table: TablePlan;
  readonly byName: ReadonlyMap<string, FieldPlan>;
  readonly parameter: string;
  readonly column: number;
}

function findField(name: string, { table, byName, parameter, column }: Search): FieldPlan {
  const field = byName.get(name);
  if (field !== undefined) return field;
  if (name === '') throw makeQueryError(parameter, `column ${column}: expected a field`);
  const meant = suggest(name, byName.keys());
  const hint = meant === undefined ? '' : `; ${meant}`;
  throw makeQueryError(parameter, `column ${column}: ${table.name} has no field ${show(name)}${hint}`);
}

function isWhole(type: FieldType): boolean {
  return type.kind === 'scalar' && (type.name === 'Int' || type.name === 'Long');
}

function takes(name: AggregateFunction, type: FieldType): boolean {
  if (name === 'count') return !isComposite(type);
  if (name === 'min' || name === 'max') return isOrdered(type);
  return isWhole(type) || (type.kind === 'scalar' && type.name === 'Float');
}

function resultOf(name: AggregateFunction, field: FieldPlan | undefined, { primaryKey }: TablePlan): FieldPlan {
  const { at } = primaryKey;
  const plain = { required: false, primaryKey: false, indexed: false, unique: false, fulltext: false };
  const rest = { ...plain, expiresAt: false, hidden: false, at };
  if (field === undefined) return { ...rest, name, type: { kind: 'scalar', name: 'Int' } };
  const number = (scalar: 'Int' | 'Long' | 'Float'): FieldType => ({ kind: 'scalar', name: scalar });
  const types: Readonly<Record<AggregateFunction, FieldType>> = {
    count: number('Int'),
    sum: number(isWhole(field.type) ? 'Long' : 'Float'),
    avg: number('Float'),
    min: field.type,
    max: field.type,
  };
  return { ...rest, name: `${name}_${field.name}`, type: types[name] };
}

/** Describes the results as a table, so that conditions and orders on them are parsed as on records. */
function shapeOf({ name, primaryKey, ...table }: TablePlan, fields: readonly FieldPlan[]): TablePlan {
  const rest = { primaryKey, visibleFields: fields, relations: [], compositeIndexes: [] };
  return { ...table, ...rest, name: `The aggregate of ${name}`, fields };
}

function totalled(columns: readonly AggregateColumn[]): readonly TotalledField[] {
  const fields = new Map<FieldPlan, { sum: boolean; ends: boolean }>();
  for (const { function: name, field } of columns) {
    if (field === undefined) continue;
    const { sum, ends } = fields.get(field) ?? { sum: false, ends: false };
    fields.set(field, {
      sum: sum || name === 'sum' || name === 'avg',
      ends: ends || name === 'min' || name === 'max',
    });
  }
  return [...fields].map(([field, needs]) => ({ field, ...needs }));
}

/** True for a field whose sums are whole numbers; those of others are in units, see `exact.ts`. */
export function sumsWhole({ type }: FieldPlan): boolean {
  return isWhole(type);
}
