import { prefixBound } from '../../../query/compare.ts';
import type { Word } from '../../../query/index.ts';
import type { RelatedCondition } from '../../../query/predicate.ts';
import type { Comparison, Condition, FieldPath, Filter, Scalar, TextOp } from '../../../query/syntax/ast.ts';
import type { FieldPlan, FieldType } from '../../../schema/plan.ts';
import { quote, type SqlNames, type SqlSource } from './table-names.ts';

export type SqlValue = string | number | bigint | null;

export interface Sql {
  readonly sql: string;
  readonly params: readonly SqlValue[];
}

/** Operands of one AND or OR: SQLite parses `a AND b AND c` as a tree as deep as it is long, at most 1000. */
const MAX_OPERANDS = 200;

const OPERATORS: Readonly<Record<Comparison, string>> = { eq: '=', lt: '<', le: '<=', gt: '>', ge: '>=' };

/**
 * SQL function that the store registers: 1 when a text, or the texts of a JSON list (second argument 1), have the words
 * of the third argument, which is JSON.
 */
export const WORDS_FUNCTION = 'tablecast_words';

/** SQL function that the store registers: the words of a text, or of a JSON list (second argument 1), with spaces. */
export const WORD_TEXT_FUNCTION = 'tablecast_word_text';

/**
 * Compiles a filter to a condition for WHERE, in SQLite's dialect. Every value is a parameter and every name is from the
 * plan. The condition is 1 for true and 0 or NULL for false. Columns are operands by themselves, so that indexes are used.
 */
export function compileFilterSql(filter: Filter, source: SqlSource): Sql {
  const writer = new SqlWriter(source);
  const sql = writer.filter(filter);
  return { sql, params: writer.params };
}

/**
 * Compiles the statement that decides on a condition for one record: 1 or 0. Its first parameter is the cell of the
 * relation's `from` field, or with `to` the record's key.
 */
export function compileRelatedTestSql({ relation, item }: RelatedCondition, names: SqlNames): Sql {
  const { target, from } = relation;
  const alias = 'x';
  const where = item && compileFilterSql(item, { table: target, alias, names });
  const isRelated = from === undefined ? pointsAt(relation, alias, '?') : isKey(relation, alias);
  const also = where === undefined ? '' : ` AND (${where.sql})`;
  const sql = `SELECT EXISTS (SELECT 1 FROM ${names.records(target)} AS ${alias} WHERE ${isRelated}${also})`;
  return { sql, params: where?.params ?? [] };
}

function isKey({ target, from }: RelatedCondition['relation'], alias: string): string {
  const key = `${alias}.${quote(target.primaryKey.name)}`;
  return from?.type.kind === 'list' ? `${key} IN (SELECT value FROM json_each(?))` : `${key} = ?`;
}

/** Returns a condition on the target's row for `@relationship(to:)`; `key` is the SQL of the key that it points at. */
export function pointsAt({ to, name }: RelatedCondition['relation'], alias: string, key: string): string {
  if (to === undefined) throw new Error(`The relation ${name} has neither from nor to.`);
  const column = `${alias}.${quote(to.name)}`;
  if (to.type.kind !== 'list') return `${column} = ${key}`;
  return `EXISTS (SELECT 1 FROM json_each(${column}) AS ${alias}k WHERE ${alias}k.value = ${key})`;
}

/** Location of a value: a column or an element of a list, and the path from there into its JSON. */
interface JsonLocation {
  readonly type: FieldType;
  readonly base: string;
  readonly steps: string;
  /** True when the expression is a column, whose stored type is that of the field. */
  readonly isColumn: boolean;
}

interface PathTest {
  /** True to test a list at the end of the path as a whole, not element by element. */
  readonly wholeList: boolean;
  readonly write: (location: JsonLocation) => string;
}

class SqlWriter {
  readonly params: SqlValue[] = [];
  readonly #names: SqlNames;
  #source: Pick<SqlSource, 'table' | 'alias'>;
  #lists = 0;
  #relations = 0;

  constructor(source: SqlSource) {
    this.#names = source.names;
    this.#source = source;
  }

  filter(filter: Filter): string {
    switch (filter.type) {
      case 'and':
        return this.#chain(filter.items, ' AND ');
      case 'or':
        return this.#chain(filter.items, ' OR ');
      case 'not':
        return this.#not(filter.item);
      case 'null':
        return this.#null(filter.path, 'IS NULL');
      case 'words':
        return this.#words(filter);
      case 'related':
        return this.#related(filter);
      default:
        return this.#reach(filter.path, {
          wholeList: false,
          write: (location) => this.#test(filter, expressionOf(location)),
        });
    }
  }

  #chain(items: readonly Filter[], operator: string): string {
    let parts = items.map((item) => this.filter(item));
    while (parts.length > MAX_OPERANDS) {
      const groups: string[] = [];
      for (let i = 0; i < parts.length; i += MAX_OPERANDS) {
        groups.push(`(${parts.slice(i, i + MAX_OPERANDS).join(operator)})`);
      }
      parts = groups;
    }
    return `(${parts.join(operator)})`;
  }

  /** Negates a filter. NULL counts as false, and NOT NULL is NULL, so the operand must be 0 instead. */
  #not(item: Filter): string {
    if (item.type === 'compare' && item.op === 'eq' && !leadsThroughList(item.path)) {
      return this.#reach(item.path, {
        wholeList: false,
        write: (location) => `${expressionOf(location)} IS NOT ${this.#bind(item.value)}`,
      });
    }
    if (item.type === 'null' && item.path.fields.length === 1) return this.#null(item.path, 'IS NOT NULL');
    return `NOT IFNULL(${this.filter(item)}, 0)`;
  }

  #null(path: FieldPath, is: string): string {
    return this.#reach(path, { wholeList: true, write: (location) => `${expressionOf(location, true)} ${is}` });
  }

  #column(name: string): string {
    return `${this.#source.alias}.${quote(name)}`;
  }

  /** Compiles a condition on related records with IN, not a correlated EXISTS, so that the search can begin with an index of either side. */
  #related({ relation, item }: Extract<Filter, { type: 'related' }>): string {
    const { target, from, to } = relation;
    const alias = `r${this.#relations++}`;
    const own = this.#column((from ?? this.#source.table.primaryKey).name);
    const outer = this.#source;
    this.#source = { table: target, alias };
    const where = item === undefined ? '1' : this.filter(item);
    const records = `${this.#names.records(target)} AS ${alias}`;
    const targetKey = this.#column(target.primaryKey.name);
    const pointer = to && this.#column(to.name);
    this.#source = outer;
    if (pointer === undefined) {
      const found = `SELECT ${targetKey} FROM ${records} WHERE ${where}`;
      if (from?.type.kind !== 'list') return `${own} IN (${found})`;
      return `EXISTS (SELECT 1 FROM json_each(${own}) AS k${alias} WHERE k${alias}.value IN (${found}))`;
    }
    if (to?.type.kind !== 'list') return `${own} IN (SELECT ${pointer} FROM ${records} WHERE ${where})`;
    const keys = `json_each(${pointer}) AS k${alias}`;
    return `${own} IN (SELECT k${alias}.value FROM ${records} CROSS JOIN ${keys} WHERE ${where})`;
  }

  #words({ path, words }: Extract<Filter, { type: 'words' }>): string {
    const [field] = path.fields;
    const match = field.fulltext && path.fields.length === 1 ? matchOf(words) : undefined;
    if (match !== undefined) return this.#match(field, match);
    const sought = JSON.stringify(words);
    return this.#reach(path, {
      wholeList: true,
      write: (location) => {
        const isList = location.type.kind === 'list' ? 1 : 0;
        return `${WORDS_FUNCTION}(${expressionOf(location)}, ${isList}, ${this.#bind(sought)})`;
      },
    });
  }

  /** Compiles a full-text search. The index is used as a table function, since the hidden column of MATCH has the table's name. */
  #match(field: FieldPlan, match: string): string {
    const { table } = this.#source;
    const { words, docs } = this.#names.fulltext(table, field);
    const found = `SELECT d.key FROM ${words}(${this.#bind(match)}) AS w CROSS JOIN ${docs} AS d ON d.doc = w.rowid`;
    return `${this.#column(table.primaryKey.name)} IN (${found})`;
  }

  #reach(path: FieldPath, test: PathTest): string {
    const [root, ...rest] = path.fields;
    const base = this.#column(root.name);
    return this.#walk({ type: root.type, base, steps: '', isColumn: true }, rest, test);
  }

  /** Follows the path; a list on the way becomes EXISTS over its elements. */
  #walk(location: JsonLocation, rest: readonly FieldPlan[], test: PathTest): string {
    const { type } = location;
    const [next, ...further] = rest;
    if (type.kind === 'list' && (next !== undefined || !test.wholeList)) {
      const alias = `j${this.#lists++}`;
      const source = location.steps === '' ? location.base : `${location.base}, ${jsonPath(location.steps)}`;
      const element: JsonLocation = { type: type.of, base: `${alias}.value`, steps: '', isColumn: false };
      // json_each returns one row for a JSON null in place of a list, and that row is not an element.
      const guard = test.wholeList ? `json_type(${source}) = 'array' AND ` : '';
      const inner = this.#walk(element, rest, test);
      return `EXISTS (SELECT 1 FROM json_each(${source}) AS ${alias} WHERE ${guard}${inner})`;
    }
    if (next === undefined) return test.write(location);
    const steps = `${location.steps}."${next.name}"`;
    return this.#walk({ type: next.type, base: location.base, steps, isColumn: false }, further, test);
  }

  #test(condition: Exclude<Condition, { type: 'null' | 'words' }>, value: string): string {
    switch (condition.type) {
      case 'compare':
        return `${value} ${OPERATORS[condition.op]} ${this.#bind(condition.value)}`;
      case 'in':
        return `${value} IN (${condition.values.map((item) => this.#bind(item)).join(', ')})`;
      case 'range': {
        const low = `${value} ${OPERATORS[condition.lowOp]} ${this.#bind(condition.low)}`;
        return `(${low} AND ${value} ${OPERATORS[condition.highOp]} ${this.#bind(condition.high)})`;
      }
      case 'text':
        return this.#text(condition.op, value, condition.value);
      case 'pattern':
        return this.#pattern(value, condition.runs);
    }
  }

  // LIKE would ignore case; these compare byte by byte.
  #text(op: TextOp, value: string, text: string): string {
    if (text === '') return `${value} IS NOT NULL`;
    if (op === 'contains') return `instr(${value}, ${this.#bind(text)}) > 0`;
    if (op === 'starts') return this.#prefix(value, text);
    return `substr(${value}, ${this.#bind(-[...text].length)}) = ${this.#bind(text)}`;
  }

  #prefix(value: string, prefix: string): string {
    const from = `${value} >= ${this.#bind(prefix)}`;
    const bound = prefixBound(prefix);
    return bound === undefined ? from : `(${from} AND ${value} < ${this.#bind(bound)})`;
  }

  #pattern(value: string, runs: readonly string[]): string {
    const [first = ''] = runs;
    const prefix = first === '' ? '' : `${this.#prefix(value, first)} AND `;
    const glob = runs.map((run) => run.replace(/[*?[]/g, '[$&]')).join('*');
    // With the plus SQLite does not read a prefix from the pattern, for which it would plan the statement again at each run.
    return `(${prefix}${value} GLOB +${this.#bind(glob)})`;
  }

  #bind(value: Scalar): string {
    this.params.push(typeof value === 'boolean' ? Number(value) : value);
    return '?';
  }
}

function jsonPath(steps: string): string {
  return `'$${steps.replaceAll("'", "''")}'`;
}

/** Returns the SQL expression of a value. JSON does not keep the type of a field: a large Float is written like an integer, a large Long as a string. */
function expressionOf(location: JsonLocation, uncast = false): string {
  const value = location.steps === '' ? location.base : `json_extract(${location.base}, ${jsonPath(location.steps)})`;
  if (location.isColumn || uncast || location.type.kind !== 'scalar') return value;
  if (location.type.name === 'Float') return `CAST(${value} AS REAL)`;
  return location.type.name === 'Long' ? `CAST(${value} AS INTEGER)` : value;
}

function leadsThroughList(path: FieldPath): boolean {
  return path.fields.some((field) => field.type.kind === 'list');
}

/** Characters of a word: FTS5 cuts words after 32768 bytes. */
const MAX_WORD_CHARS = 8000;
/** Words of one query. */
const MAX_WORDS = 256;

/**
 * Returns an FTS5 query for all of the words, each in quotes, so that none is parsed as syntax. Undefined when it would
 * not find the same records as the function for words does.
 */
export function matchOf(words: readonly Word[]): string | undefined {
  if (words.length > MAX_WORDS || words.some(({ text }) => text.length > MAX_WORD_CHARS)) return undefined;
  return words.map(({ text, prefix }) => `"${text.replaceAll('"', '""')}"${prefix ? '*' : ''}`).join(' AND ');
}
