import type { Select, SelectedRelation } from '../../../query/select.ts';
import type { Filter } from '../../../query/syntax/ast.ts';
import { FORBIDDEN_KEY_TEXT } from '../../../schema/forbidden-key.ts';
import type { FieldType, RelationPlan } from '../../../schema/plan.ts';
import { holdsJson } from '../../../schema/sdl/field.ts';
import { compileFilterSql, type Sql, type SqlValue } from './condition.ts';
import { quoteName, type SqlNames, type SqlSource } from './names.ts';

/**
 * SQL function that the store registers: a REAL as JSON.stringify writes it. SQLite would write 5.0 and
 * 0.10000000000000001, the same numbers but not the same text as everywhere else.
 */
export const NUMBER_FUNCTION = 'tablecast_number';

/** SQL function that the store registers: the JSON text of a value as it is given out. */
export const CLEAN_JSON_FUNCTION = 'tablecast_clean_json';

/** A function takes 1000 arguments at most, and a field needs two. */
const MAX_MEMBERS = 400;

/** Related records that one record shows at most. */
const MOST_RELATED = 1000;

/**
 * An SQL expression for the JSON text of a record. SQLite makes the text in two thirds of the time that it takes to
 * fetch the cells and to write them here.
 */
export function compileJson(select: Select, source: SqlSource): Sql {
  const writer = new JsonWriter(source.names);
  const sql = writer.record(select, source);
  return { sql, params: writer.params };
}

/**
 * A statement for the JSON text of what a relation stands for. Its first parameter is what the relation starts from:
 * the cell of its `from` field, or with `to` the record's key.
 */
export function compileRelatedSql(selected: SelectedRelation, names: SqlNames): Sql {
  const writer = new JsonWriter(names);
  const related = writer.related(selected, '(SELECT key FROM k)', 's');
  return { sql: `WITH k(key) AS (SELECT ?) SELECT ${related}`, params: writer.params };
}

/** Writes expressions from left to right, and beside them the parameters in the order of their places. */
class JsonWriter {
  readonly params: SqlValue[] = [];
  readonly #names: SqlNames;

  constructor(names: SqlNames) {
    this.#names = names;
  }

  record(select: Select, { table, alias }: Pick<SqlSource, 'table' | 'alias'>): string {
    const object = this.#object(select, { table, alias });
    const hidings = (select.masked ?? []).map(({ field, filter }) => {
      const shows = this.#condition(filter, { table, alias });
      // An object has no element 0: nothing is removed.
      return `, CASE WHEN ${shows} THEN '$[0]' ELSE '$.${field.name}' END`;
    });
    return hidings.length === 0 ? object : `json_remove(${object}${hidings.join('')})`;
  }

  related({ relation, select, filter }: SelectedRelation, key: string, alias: string): string {
    const { target, many, from } = relation;
    const records = `${this.#names.records(target)} AS ${alias}`;
    const record = this.record(select, { table: target, alias });
    const isSeen = filter === undefined ? '' : ` AND ${this.#condition(filter, { table: target, alias })}`;
    const primaryKey = `${alias}.${quoteName(target.primaryKey.name)}`;
    if (from?.type.kind === 'list') {
      // In the order of the list, whatever the planner would like to begin with.
      const keys = `json_each(${key}) AS ${alias}k CROSS JOIN ${records} ON ${primaryKey} = ${alias}k.value`;
      return gather(`SELECT ${record} AS j FROM ${keys}${isSeen} ORDER BY ${alias}k.key`);
    }
    const isRelated = from === undefined ? pointsAt(relation, alias, key) : `${primaryKey} = ${key}`;
    if (!many) return `(SELECT ${record} FROM ${records} WHERE ${isRelated}${isSeen} LIMIT 1)`;
    return gather(`SELECT ${record} AS j FROM ${records} WHERE ${isRelated}${isSeen} ORDER BY ${primaryKey}`);
  }

  #object(select: Select, { table, alias }: Pick<SqlSource, 'table' | 'alias'>): string {
    const members = select.fields.map(
      ({ name, type }) => `'${name}', ${makeValue(type, `${alias}.${quoteName(name)}`)}`,
    );
    select.relations.forEach((selected, index) => {
      const { relation } = selected;
      const key = `${alias}.${quoteName((relation.from ?? table.primaryKey).name)}`;
      members.push(`'${relation.name}', json(${this.related(selected, key, `${alias}${index}`)})`);
    });
    if (members.length <= MAX_MEMBERS) return makeObject(members);
    const parts: string[] = [];
    for (let start = 0; start < members.length; start += MAX_MEMBERS) {
      const object = makeObject(members.slice(start, start + MAX_MEMBERS));
      parts.push(`(SELECT substr(o, 2, length(o) - 2) FROM (SELECT ${object} AS o))`);
    }
    return `'{' || ${parts.join(" || ',' || ")} || '}'`;
  }

  #condition(filter: Filter, source: Pick<SqlSource, 'table' | 'alias'>): string {
    const { sql, params } = compileFilterSql(filter, { ...source, names: this.#names });
    this.params.push(...params);
    return `(${sql})`;
  }
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

/** Only a text that may have the key is looked at by a function that is not SQLite's own. */
function makeJson(column: string): string {
  return `json(iif(instr(${column}, '${FORBIDDEN_KEY_TEXT}'), ${CLEAN_JSON_FUNCTION}(${column}), ${column}))`;
}

/** Field names are GraphQL names and need no quoting as text. Null is null for every type. */
function makeValue(type: FieldType, column: string): string {
  if (type.kind === 'list' || type.kind === 'object') return holdsJson(type) ? makeJson(column) : `json(${column})`;
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
      return makeJson(column);
    case 'ID':
    case 'String':
    case 'Int':
    case 'Date':
      return column;
  }
}
