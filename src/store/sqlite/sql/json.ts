import type { Select, SelectedRelation } from '../../../query/select.ts';
import type { Filter } from '../../../query/syntax/ast.ts';
import { FORBIDDEN_KEY_TEXT } from '../../../schema/forbidden-key.ts';
import type { FieldType } from '../../../schema/plan.ts';
import { holdsJson } from '../../../schema/sdl/field.ts';
import { compileFilterSql, pointsAt, type Sql, type SqlValue } from './condition.ts';
import { quote, type SqlNames, type SqlSource } from './table-names.ts';

/**
 * SQL function that the store registers: writes a REAL as JSON.stringify does. SQLite would write 5.0 and
 * 0.10000000000000001, the same numbers but not the same text as everywhere else.
 */
export const NUMBER_FUNCTION = 'tablecast_number';

/** SQL function that the store registers: removes forbidden keys from the JSON text of a value. */
export const CLEAN_JSON_FUNCTION = 'tablecast_clean_json';

/** Properties of one json_object call: a function takes 1000 arguments at most, and a property needs two. */
const MAX_PROPERTIES = 400;

/** Related records in one record. */
const MAX_RELATED_RECORDS = 1000;

/**
 * Returns an SQL expression for the JSON text of a record. SQLite writes the text in two thirds of the time that it takes
 * to fetch the cells and to write them in JavaScript.
 */
export function compileJson(select: Select, source: SqlSource): Sql {
  const writer = new JsonWriter(source.names);
  const sql = writer.record(select, source);
  return { sql, params: writer.params };
}

/**
 * Returns a statement for the JSON text of a relation's value. Its first parameter is the cell of the relation's `from`
 * field, or with `to` the record's key.
 */
export function compileRelatedSql(selected: SelectedRelation, names: SqlNames): Sql {
  const writer = new JsonWriter(names);
  const related = writer.related(selected, '(SELECT key FROM k)', 's');
  return { sql: `WITH k(key) AS (SELECT ?) SELECT ${related}`, params: writer.params };
}

/** Writes expressions from left to right, and collects their parameters in the same order. */
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
    const primaryKey = `${alias}.${quote(target.primaryKey.name)}`;
    if (from?.type.kind === 'list') {
      // The cross join and ORDER BY keep the order of the list, in every query plan.
      const keys = `json_each(${key}) AS ${alias}k CROSS JOIN ${records} ON ${primaryKey} = ${alias}k.value`;
      return gather(`SELECT ${record} AS j FROM ${keys}${isSeen} ORDER BY ${alias}k.key`);
    }
    const isRelated = from === undefined ? pointsAt(relation, alias, key) : `${primaryKey} = ${key}`;
    if (!many) return `(SELECT ${record} FROM ${records} WHERE ${isRelated}${isSeen} LIMIT 1)`;
    return gather(`SELECT ${record} AS j FROM ${records} WHERE ${isRelated}${isSeen} ORDER BY ${primaryKey}`);
  }

  /** Field names are GraphQL names, so they need no escapes in a string. */
  #object(select: Select, { table, alias }: Pick<SqlSource, 'table' | 'alias'>): string {
    const properties = select.fields.map(
      ({ name, type }) => `'${name}', ${makeValue(type, `${alias}.${quote(name)}`)}`,
    );
    select.relations.forEach((selected, index) => {
      const { relation } = selected;
      const key = `${alias}.${quote((relation.from ?? table.primaryKey).name)}`;
      properties.push(`'${relation.name}', json(${this.related(selected, key, `${alias}${index}`)})`);
    });
    if (properties.length <= MAX_PROPERTIES) return makeObject(properties);
    const parts: string[] = [];
    for (let start = 0; start < properties.length; start += MAX_PROPERTIES) {
      const object = makeObject(properties.slice(start, start + MAX_PROPERTIES));
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

function gather(rows: string): string {
  return `(SELECT json_group_array(json(j)) FROM (${rows} LIMIT ${MAX_RELATED_RECORDS}))`;
}

function makeObject(properties: readonly string[]): string {
  return `json_object(${properties.join(', ')})`;
}

/** Calls the registered function only for a text that may have a forbidden key: a JavaScript function is slow. */
function makeJson(column: string): string {
  return `json(iif(instr(${column}, '${FORBIDDEN_KEY_TEXT}'), ${CLEAN_JSON_FUNCTION}(${column}), ${column}))`;
}

/** Returns the SQL expression of a field's JSON value. Null stays null for every type. */
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
