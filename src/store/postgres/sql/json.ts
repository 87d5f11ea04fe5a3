import type { Select, SelectedRelation } from '../../../query/select.ts';
import type { Filter } from '../../../query/syntax/ast.ts';
import type { FieldPlan, FieldType, RelationPlan } from '../../../schema/plan.ts';
import { castKey, compileFilter, elementTexts, type TableSource } from './condition.ts';
import { quote, recordsName } from './names.ts';
import { Params, type PgStatement } from './params.ts';
import { sqlType } from './types.ts';

/** Related records in one record. */
const MAX_RELATED_RECORDS = 1000;
/** Operands of one concatenation; each group is an expression of its own, so that the tree stays flat. */
const MAX_OPERANDS = 90;

/** Writes an SQL expression for the JSON text of a record. */
export function compileJson(select: Select, source: TableSource, params: Params): string {
  return new JsonWriter(params).record(select, source);
}

/**
 * Returns a statement for the JSON text of a relation's value. Its first parameter is the cell of the relation's `from`
 * field, or with `to` the record's key.
 */
export function compileRelated(selected: SelectedRelation, own: FieldType): PgStatement {
  const params = new Params();
  const key = params.reserve(sqlType(own));
  const related = new JsonWriter(params).related(selected, key, 's');
  return { sql: `SELECT ${related}`, params: params.values };
}

/**
 * Compiles the statement that decides whether a relation leads to a record that meets the filter. Its first parameter is the
 * cell of the relation's `from` field, or with `to` the record's key.
 */
export function compileRelatedTest(relation: RelationPlan, filter: Filter | undefined, own: FieldType): PgStatement {
  const params = new Params();
  const key = params.reserve(sqlType(own));
  const source = { table: relation.target, alias: 'x' };
  const found = `${source.alias}.${quote(relation.target.primaryKey.name)}`;
  const { from } = relation;
  const isKey =
    from?.type.kind === 'list'
      ? `${found} IN (SELECT ${castKey('k.value', relation.target.primaryKey)} FROM ${elementTexts(key)} AS k(value))`
      : `${found} = ${key}`;
  const isRelated = from === undefined ? pointsAt(relation, source.alias, key) : isKey;
  const also = filter === undefined ? '' : ` AND (${compileFilter(filter, source, params)})`;
  const records = `${recordsName(relation.target)} AS ${source.alias}`;
  return { sql: `SELECT EXISTS (SELECT 1 FROM ${records} WHERE ${isRelated}${also})`, params: params.values };
}

class JsonWriter {
  readonly #params: Params;

  constructor(params: Params) {
    this.#params = params;
  }

  record(select: Select, source: TableSource): string {
    const masked = new Map((select.masked ?? []).map(({ field, filter }) => [field, filter]));
    const members = select.fields.map((field) => {
      const member = jsonMember(field, source.alias);
      const filter = masked.get(field);
      if (filter === undefined) return member;
      return `CASE WHEN ${compileFilter(filter, source, this.#params)} THEN ${member} END`;
    });
    select.relations.forEach((selected, index) => {
      const { relation } = selected;
      const key = `${source.alias}.${quote((relation.from ?? source.table.primaryKey).name)}`;
      members.push(`'"${relation.name}":' || ${this.related(selected, key, `${source.alias}${index}`)}`);
    });
    return joinMembers(members, masked.size > 0);
  }

  related({ relation, select, filter }: SelectedRelation, key: string, alias: string): string {
    const { target, many, from } = relation;
    const source = { table: target, alias };
    const records = `${recordsName(target)} AS ${alias}`;
    const record = this.record(select, source);
    const isSeen = filter === undefined ? '' : ` AND (${compileFilter(filter, source, this.#params)})`;
    const primaryKey = `${alias}.${quote(target.primaryKey.name)}`;
    if (from?.type.kind === 'list') {
      const keys = `${elementTexts(key)} WITH ORDINALITY AS ${alias}k(value, place)`;
      const found = `${primaryKey} = ${castKey(`${alias}k.value`, target.primaryKey)}`;
      return gather(`SELECT ${record} AS j FROM ${keys} JOIN ${records} ON ${found}${isSeen} ORDER BY ${alias}k.place`);
    }
    const isRelated = from === undefined ? pointsAt(relation, alias, key) : `${primaryKey} = ${key}`;
    if (!many) return `coalesce((SELECT ${record} FROM ${records} WHERE ${isRelated}${isSeen} LIMIT 1), 'null')`;
    return gather(`SELECT ${record} AS j FROM ${records} WHERE ${isRelated}${isSeen} ORDER BY ${primaryKey}`);
  }
}

/** Returns the SQL expression of a member of a record's JSON text: `"title":"…"`. */
export function jsonMember({ name, type }: Pick<FieldPlan, 'name' | 'type'>, alias: string): string {
  return `'"${name}":' || ${jsonValue(type, `${alias}.${quote(name)}`)}`;
}

/** Returns the SQL expression of an object with these members; those that may be absent are null. */
export function joinMembers(members: readonly string[], mayBeAbsent: boolean): string {
  return `'{' || ${join(members, mayBeAbsent)} || '}'`;
}

function join(members: readonly string[], mayBeAbsent: boolean): string {
  if (mayBeAbsent || members.length > MAX_OPERANDS) {
    const parts: string[] = [];
    for (let start = 0; start < members.length; start += MAX_OPERANDS) {
      parts.push(`concat_ws(',', ${members.slice(start, start + MAX_OPERANDS).join(', ')})`);
    }
    return parts.length === 1
      ? (parts[0] as string)
      : `concat_ws(',', ${parts.map((part) => `nullif(${part}, '')`).join(', ')})`;
  }
  return members.length === 0 ? "''" : members.join(" || ',' || ");
}

/** Returns a condition on the target's row for `@relationship(to:)`. */
function pointsAt({ to, name }: RelationPlan, alias: string, key: string): string {
  if (to === undefined) throw new Error(`The relation ${name} has neither from nor to.`);
  const column = `${alias}.${quote(to.name)}`;
  if (to.type.kind !== 'list') return `${column} = ${key}`;
  return `EXISTS (SELECT 1 FROM ${elementTexts(column)} AS ${alias}k(value) WHERE ${alias}k.value = (${key})::text)`;
}

function gather(rows: string): string {
  return `(SELECT '[' || coalesce(string_agg(j, ','), '') || ']' FROM (${rows} LIMIT ${MAX_RELATED_RECORDS}) AS g)`;
}

/** Returns the SQL expression of a field's JSON text. Null stays null for every type. */
export function jsonValue(type: FieldType, column: string): string {
  return `coalesce(${textOf(type, column)}, 'null')`;
}

function textOf(type: FieldType, column: string): string {
  if (type.kind === 'enum') return `'"' || ${column} || '"'`;
  if (type.kind !== 'scalar') return `${column}::text`;
  switch (type.name) {
    case 'ID':
    case 'String':
      return `to_json(${column})::text`;
    case 'Long':
      // Outside ±(2^53−1) it is a string of digits, since most readers would round the number.
      return `CASE WHEN ${column} BETWEEN -9007199254740991 AND 9007199254740991 THEN ${column}::text ELSE '"' || ${column} || '"' END`;
    case 'Float':
      return floatText(column);
    case 'Date':
      return `'"' || CASE WHEN ${column} < '0001-01-01Z' THEN '0000' ELSE to_char(${column} AT TIME ZONE 'UTC', 'YYYY') END || to_char(${column} AT TIME ZONE 'UTC', '-MM-DD"T"HH24:MI:SS.MS"Z"') || '"'`;
    case 'Boolean':
    case 'Int':
    case 'JSON':
      return `${column}::text`;
  }
}

/** Returns the SQL expression of a number as JavaScript writes it: without an exponent from 1e-6 to 1e21. */
function floatText(column: string): string {
  const plain = `abs(${column}) >= 1e-6 AND abs(${column}) < 1e21`;
  const exponent = `regexp_replace(${column}::text, 'e([+-])0(\\d)$', 'e\\1\\2')`;
  return `CASE WHEN ${column} = 0 THEN '0' WHEN ${plain} THEN ${column}::text::numeric::text ELSE ${exponent} END`;
}
