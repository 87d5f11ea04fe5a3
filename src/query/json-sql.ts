import type { FieldType, RelationPlan, TablePlan } from '../schema/plan.ts';
import { quoteName, type SqlNames } from './names.ts';
import type { Select, SelectedRelation } from './select.ts';

/**
 * SQL function that the store registers: a REAL as JSON.stringify writes it. SQLite would write 5.0 and
 * 0.10000000000000001, the same numbers but not the same text as everywhere else.
 */
export const NUMBER_FUNCTION = 'tablecast_number';

/** A function takes 1000 arguments at most, and a field needs two. */
const MAX_MEMBERS = 400;

/** Related records that one record shows at most. */
const MOST_RELATED = 1000;

/** A table in a statement. */
export interface SqlSource {
  readonly table: TablePlan;
  /** A word of ours. */
  readonly alias: string;
  readonly names: SqlNames;
}

/**
 * An SQL expression for the JSON text of a record. SQLite makes the text in two thirds of the time that it takes to
 * fetch the cells and to write them here.
 */
export function compileJson(select: Select, source: SqlSource): string {
  const members = select.fields.map(
    ({ name, type }) => `'${name}', ${makeValue(type, `${source.alias}.${quoteName(name)}`)}`,
  );
  select.relations.forEach((selected, index) => {
    const { relation } = selected;
    const key = `${source.alias}.${quoteName((relation.from ?? source.table.primaryKey).name)}`;
    const alias = `${source.alias}${index}`;
    members.push(`'${relation.name}', json(${makeRelated(selected, key, { ...source, alias })})`);
  });
  if (members.length <= MAX_MEMBERS) return makeObject(members);
  const parts: string[] = [];
  for (let start = 0; start < members.length; start += MAX_MEMBERS) {
    const object = makeObject(members.slice(start, start + MAX_MEMBERS));
    parts.push(`(SELECT substr(o, 2, length(o) - 2) FROM (SELECT ${object} AS o))`);
  }
  return `'{' || ${parts.join(" || ',' || ")} || '}'`;
}

/**
 * A statement for the JSON text of what a relation stands for. Its one parameter is what the relation starts from: the
 * cell of its `from` field, or with `to` the record's key.
 */
export function compileRelatedSql(selected: SelectedRelation, names: SqlNames): string {
  return `SELECT ${makeRelated(selected, '?', { alias: 's', names })}`;
}

function makeRelated(
  { relation, select }: SelectedRelation,
  key: string,
  { alias, names }: Pick<SqlSource, 'alias' | 'names'>,
): string {
  const { target, many, from } = relation;
  const records = `${names.records(target)} AS ${alias}`;
  const record = compileJson(select, { table: target, alias, names });
  const primaryKey = `${alias}.${quoteName(target.primaryKey.name)}`;
  if (from?.type.kind === 'list') {
    // In the order of the list, whatever the planner would like to begin with.
    const keys = `json_each(${key}) AS ${alias}k CROSS JOIN ${records} ON ${primaryKey} = ${alias}k.value`;
    return gather(`SELECT ${record} AS j FROM ${keys} ORDER BY ${alias}k.key`);
  }
  const isRelated = from === undefined ? pointsAt(relation, alias, key) : `${primaryKey} = ${key}`;
  if (!many) return `(SELECT ${record} FROM ${records} WHERE ${isRelated} LIMIT 1)`;
  return gather(`SELECT ${record} AS j FROM ${records} WHERE ${isRelated} ORDER BY ${primaryKey}`);
}

/** A condition on the target's row for `@relationship(to:)`. */
function pointsAt({ to, name }: RelationPlan, alias: string, key: string): string {
  if (to === undefined) throw new Error(`The relation ${name} has neither from nor to.`);
  const column = `${alias}.${quoteName(to.name)}`;
  if (to.type.kind !== 'list') return `${column} = ${key}`;
  return `EXISTS (SELECT 1 FROM json_each(${column}) AS ${alias}k WHERE ${alias}k.value = ${key})`;
}

function gather(rows: string): string {
  return `(SELECT json_group_array(json(j)) FROM (${rows} LIMIT ${MOST_RELATED}))`;
}

function makeObject(members: readonly string[]): string {
  return `json_object(${members.join(', ')})`;
}

/** Field names are GraphQL names and need no quoting as text. Null is null for every type. */
function makeValue(type: FieldType, column: string): string {
  if (type.kind === 'list' || type.kind === 'object') return `json(${column})`;
  if (type.kind === 'enum') return column;
  switch (type.name) {
    case 'Boolean':
      return `json(CASE ${column} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)`;
    case 'Long':
      // Outside ±(2^53−1) it is a string of digits, since most readers would round the number.
      return `iif(${column} BETWEEN -9007199254740991 AND 9007199254740991, ${column}, CAST(${column} AS TEXT))`;
    case 'Float':
      return `json(${NUMBER_FUNCTION}(${column}))`;
    case 'JSON':
      return `json(${column})`;
    case 'ID':
    case 'String':
    case 'Int':
    case 'Date':
      return column;
  }
}
