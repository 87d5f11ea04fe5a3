import { prefixBound } from '../../../query/compare.ts';
import type { Comparison, Condition, FieldPath, Filter, Scalar, TextOp } from '../../../query/syntax/ast.ts';
import type { FieldPlan, FieldType, TablePlan } from '../../../schema/plan.ts';
import { quote, recordsName, wordsColumn } from './names.ts';
import type { Params } from './params.ts';
import { queryOf, type SqlType, sqlType } from './types.ts';

const OPERATORS: Readonly<Record<Comparison, string>> = { eq: '=', lt: '<', le: '<=', gt: '>', ge: '>=' };

/** Table in a statement. */
export interface TableSource {
  readonly table: TablePlan;
  /** Fixed word, never a client's text. */
  readonly alias: string;
}

/**
 * Compiles a filter to a condition for WHERE. Every value is a parameter and every name is from the plan. The condition is
 * true, false or null, which counts as false.
 */
export function compileFilter(filter: Filter, source: TableSource, params: Params): string {
  return new ConditionWriter(source, params).filter(filter);
}

/** Location of a value: a column or an element of a list, and the path from there into its JSON. */
interface JsonLocation {
  readonly type: FieldType;
  readonly base: string;
  readonly steps: readonly string[];
  /** True when the expression is a column, whose stored type is that of the field. */
  readonly isColumn: boolean;
}

interface PathTest {
  /** True to test a list at the end of the path as a whole, not element by element. */
  readonly wholeList: boolean;
  readonly write: (location: JsonLocation) => string;
}

class ConditionWriter {
  readonly #params: Params;
  #source: TableSource;
  #lists = 0;
  #relations = 0;

  constructor(source: TableSource, params: Params) {
    this.#source = source;
    this.#params = params;
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
          write: (location) => this.#test(filter, typedValue(location), valueType(location)),
        });
    }
  }

  #chain(items: readonly Filter[], operator: string): string {
    return `(${items.map((item) => this.filter(item)).join(operator)})`;
  }

  /** Negates a filter: null counts as false. */
  #not(item: Filter): string {
    if (item.type === 'compare' && item.op === 'eq' && !leadsThroughList(item.path)) {
      return this.#reach(item.path, {
        wholeList: false,
        write: (location) =>
          `${typedValue(location)} IS DISTINCT FROM ${this.#params.bind(item.value, valueType(location))}`,
      });
    }
    if (item.type === 'null' && item.path.fields.length === 1) return this.#null(item.path, 'IS NOT NULL');
    return `(${this.filter(item)}) IS NOT TRUE`;
  }

  #null(path: FieldPath, is: string): string {
    return this.#reach(path, { wholeList: true, write: (location) => `${textOf(location)} ${is}` });
  }

  #column(name: string): string {
    return `${this.#source.alias}.${quote(name)}`;
  }

  /** Compiles a condition on related records with IN, not a correlated EXISTS, so that the search can begin with an index of either side. */
  #related({ relation, item }: Extract<Filter, { type: 'related' }>): string {
    const { target, from, to } = relation;
    const alias = `${this.#source.alias}r${this.#relations++}`;
    const own = this.#column((from ?? this.#source.table.primaryKey).name);
    const outer = this.#source;
    this.#source = { table: target, alias };
    const where = item === undefined ? 'true' : this.filter(item);
    const records = `${recordsName(target)} AS ${alias}`;
    const targetKey = this.#column(target.primaryKey.name);
    const pointer = to && this.#column(to.name);
    this.#source = outer;
    if (pointer === undefined) {
      const found = `SELECT ${targetKey} FROM ${records} WHERE ${where}`;
      if (from?.type.kind !== 'list') return `${own} IN (${found})`;
      const key = castKey(`k${alias}.value`, target.primaryKey);
      return `EXISTS (SELECT 1 FROM ${elementTexts(own)} AS k${alias}(value) WHERE ${key} IN (${found}))`;
    }
    if (to?.type.kind !== 'list') return `${own} IN (SELECT ${pointer} FROM ${records} WHERE ${where})`;
    const key = castKey(`k${alias}.value`, this.#source.table.primaryKey);
    return `${own} IN (SELECT ${key} FROM ${records} CROSS JOIN LATERAL ${elementTexts(pointer)} AS k${alias}(value) WHERE ${where})`;
  }

  #words({ path, words }: Extract<Filter, { type: 'words' }>): string {
    const [field] = path.fields;
    // Others were replaced by what they find: the server does not split texts as the index does.
    if (!isIndexedWords(path)) throw new Error(`The words of ${path.name} are not in an index.`);
    return `${this.#column(wordsColumn(field))} @@ ${this.#params.bind(queryOf(words), 'text')}::tsquery`;
  }

  #reach(path: FieldPath, test: PathTest): string {
    const [root, ...rest] = path.fields;
    return this.#walk({ type: root.type, base: this.#column(root.name), steps: [], isColumn: true }, rest, test);
  }

  /** Follows the path; a list on the way becomes EXISTS over its elements. */
  #walk(location: JsonLocation, rest: readonly FieldPlan[], test: PathTest): string {
    const { type } = location;
    const [next, ...further] = rest;
    if (type.kind === 'list' && (next !== undefined || !test.wholeList)) {
      const alias = `${this.#source.alias}j${this.#lists++}`;
      const element: JsonLocation = { type: type.of, base: `${alias}.value`, steps: [], isColumn: false };
      const inner = this.#walk(element, rest, test);
      return `EXISTS (SELECT 1 FROM ${elements(jsonOf(location))} AS ${alias}(value) WHERE ${inner})`;
    }
    if (next === undefined) return test.write(location);
    const steps = [...location.steps, next.name];
    return this.#walk({ type: next.type, base: location.base, steps, isColumn: false }, further, test);
  }

  #test(condition: Exclude<Condition, { type: 'null' | 'words' }>, value: string, type: SqlType): string {
    const bind = (item: Scalar) => this.#params.bind(item, type);
    switch (condition.type) {
      case 'compare':
        return `${value} ${OPERATORS[condition.op]} ${bind(condition.value)}`;
      case 'in':
        return `${value} = ANY(${this.#params.bindAll(condition.values, type)})`;
      case 'range': {
        const low = `${value} ${OPERATORS[condition.lowOp]} ${bind(condition.low)}`;
        return `(${low} AND ${value} ${OPERATORS[condition.highOp]} ${bind(condition.high)})`;
      }
      case 'text':
        return this.#text(condition.op, value, condition.value);
      case 'pattern':
        return this.#pattern(value, condition.runs);
    }
  }

  #text(op: TextOp, value: string, text: string): string {
    const bind = (item: string) => this.#params.bind(item, 'text');
    if (text === '') return `${value} IS NOT NULL`;
    if (op === 'contains') return `strpos(${value}, ${bind(text)}) > 0`;
    if (op === 'starts') return this.#prefix(value, text);
    return `right(${value}, ${[...text].length}) = ${bind(text)}`;
  }

  #prefix(value: string, prefix: string): string {
    const from = `${value} >= ${this.#params.bind(prefix, 'text')}`;
    const bound = prefixBound(prefix);
    return bound === undefined ? from : `(${from} AND ${value} < ${this.#params.bind(bound, 'text')})`;
  }

  #pattern(value: string, runs: readonly string[]): string {
    const [first = ''] = runs;
    const prefix = first === '' ? '' : `${this.#prefix(value, first)} AND `;
    const like = runs.map((run) => run.replace(/[\\%_]/g, '\\$&')).join('%');
    return `(${prefix}${value} LIKE ${this.#params.bind(like, 'text')})`;
  }
}

/** Returns a set of the elements of a JSON array; of any other value, of none. */
function elements(json: string): string {
  return `json_array_elements(CASE json_typeof(${json}) WHEN 'array' THEN ${json} END)`;
}

/** Returns a set of the texts of the elements of a JSON array. */
export function elementTexts(json: string): string {
  return `json_array_elements_text(CASE json_typeof(${json}) WHEN 'array' THEN ${json} END)`;
}

/** Returns the text of a key as the type of a key column. */
export function castKey(text: string, { type }: FieldPlan): string {
  return sqlType(type) === 'text' ? text : `(${text})::${sqlType(type)}`;
}

function jsonOf({ base, steps }: JsonLocation): string {
  return steps.reduce((json, step) => `${json}->'${step}'`, base);
}

/** Returns the SQL expression of a value's text; of a column the column itself. */
function textOf(location: JsonLocation): string {
  const { base, steps, isColumn } = location;
  if (isColumn) return base;
  const last = steps.at(-1);
  if (last === undefined) return `(${base} #>> '{}')`;
  return `(${jsonOf({ ...location, steps: steps.slice(0, -1) })}->>'${last}')`;
}

/** Returns the type in which a value is compared: numbers in JSON may be written in any way. */
function valueType({ type, isColumn }: JsonLocation): SqlType {
  const own = sqlType(type);
  // Dates in JSON are text in a form whose order is that of the times.
  if (!isColumn && own === 'timestamptz') return 'text';
  return own;
}

function typedValue(location: JsonLocation): string {
  const text = textOf(location);
  if (location.isColumn) return text;
  switch (valueType(location)) {
    case 'bigint':
      return `${text}::numeric`;
    case 'double precision':
      return `${text}::double precision`;
    case 'boolean':
      return `${text}::boolean`;
    default:
      return `${text} COLLATE "C"`;
  }
}

/** True when the words of the field are in an index. */
export function isIndexedWords({ fields }: FieldPath): boolean {
  return fields.length === 1 && fields[0].fulltext;
}

function leadsThroughList(path: FieldPath): boolean {
  return path.fields.some((field) => field.type.kind === 'list');
}
