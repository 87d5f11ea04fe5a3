import type { FieldPlan, FieldType, JsonValue } from '../schema/plan.ts';
import { compareText } from './compare.ts';
import type { Comparison, Condition, FieldPath, Filter, Scalar, TextOp } from './syntax/ast.ts';
import { elementType } from './syntax/literal.ts';
import { haveWords } from './words.ts';

export type JsonRecord = Readonly<Record<string, JsonValue>>;

/** Condition on records of other tables. */
export type RelatedCondition = Extract<Filter, { type: 'related' }>;

/** Decision of a condition on the records that are related to this one. */
export type RelatedTest = (condition: RelatedCondition, record: JsonRecord) => boolean;

/** Test of a record. `related` is needed where the filter has conditions on other tables. */
export type Predicate = (record: JsonRecord, related?: RelatedTest) => boolean;

/** Test of one value at the end of a path. Absent counts as null. */
type ValueTest = (value: JsonValue) => boolean;

/** Compiles a filter into a function of a record's JSON with the same result as the SQL has for its row. */
export function compilePredicate(filter: Filter): Predicate {
  switch (filter.type) {
    case 'and': {
      const items = filter.items.map(compilePredicate);
      return (record, related) => items.every((item) => item(record, related));
    }
    case 'or': {
      const items = filter.items.map(compilePredicate);
      return (record, related) => items.some((item) => item(record, related));
    }
    case 'not': {
      const item = compilePredicate(filter.item);
      return (record, related) => !item(record, related);
    }
    case 'null':
      return compilePath(filter.path, (value) => value === null, true);
    case 'words':
      return compilePath(filter.path, (value) => haveWords(stringsAt(value), filter.words), true);
    case 'related':
      return (record, related) => {
        if (related === undefined) throw new Error('Records of other tables are looked at with a test of the store.');
        return related(filter, record);
      };
    default:
      return compilePath(filter.path, compileTest(filter), false);
  }
}

/** Returns all strings of a value, however its lists nest. */
function stringsAt(value: JsonValue): readonly string[] {
  if (typeof value === 'string') return [value];
  return isList(value) ? value.flatMap(stringsAt) : [];
}

function compilePath(path: FieldPath, test: ValueTest, wholeList: boolean): Predicate {
  const [root, ...rest] = path.fields;
  const inner = walk(root.type, rest, test, wholeList);
  return (record) => inner(read(record, root.name));
}

function walk(type: FieldType, rest: readonly FieldPlan[], test: ValueTest, wholeList: boolean): ValueTest {
  const [next, ...further] = rest;
  if (type.kind === 'list' && (next !== undefined || !wholeList)) {
    const element = walk(type.of, rest, test, wholeList);
    return (value) => isList(value) && value.some(element);
  }
  if (next === undefined) return test;
  const inner = walk(next.type, further, test, wholeList);
  return (value) => inner(isRecord(value) ? read(value, next.name) : null);
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function isRecord(value: JsonValue): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function read(record: JsonRecord, name: string): JsonValue {
  const value = record[name];
  // A field may have the name of a member that every object inherits.
  if (value === undefined || typeof value === 'function') return null;
  return value;
}

function compileTest(condition: Exclude<Condition, { type: 'null' | 'words' }>): ValueTest {
  switch (condition.type) {
    case 'text':
      return textTest(condition.op, condition.value);
    case 'pattern':
      return patternTest(condition.runs);
    case 'compare':
      return compareTest(condition.path, condition.op, condition.value);
    case 'in': {
      const known = new Set<unknown>(condition.values);
      return isLong(condition.path) ? (value) => known.has(exact(value)) : (value) => known.has(value);
    }
    case 'range': {
      const low = compareTest(condition.path, condition.lowOp, condition.low);
      const high = compareTest(condition.path, condition.highOp, condition.high);
      return (value) => low(value) && high(value);
    }
  }
}

function isLong(path: FieldPath): boolean {
  const type = elementType((path.fields.at(-1) ?? path.fields[0]).type);
  return type.kind === 'scalar' && type.name === 'Long';
}

/** Returns a Long as a number or BigInt: beyond ±(2^53−1) it is a string of digits in a record. */
function exact(value: JsonValue): JsonValue | bigint {
  return typeof value === 'string' && /^-?\d{1,40}$/.test(value) ? BigInt(value) : value;
}

function compareTest(path: FieldPath, op: Comparison, literal: Scalar): ValueTest {
  if (isLong(path)) {
    const holds = ORDER[op];
    const bound = typeof literal === 'bigint' ? literal : Number(literal);
    return (value) => {
      const long = exact(value);
      if (typeof long !== 'number' && typeof long !== 'bigint') return false;
      // Numbers and BigInts compare by their exact values.
      return holds(long < bound ? -1 : long > bound ? 1 : 0);
    };
  }
  if (op === 'eq') return (value) => value === literal;
  const holds = ORDER[op];
  if (typeof literal === 'string') return (value) => typeof value === 'string' && holds(compareText(value, literal));
  const number = Number(literal);
  return (value) => typeof value === 'number' && holds(value - number);
}

const ORDER: Readonly<Record<Comparison, (order: number) => boolean>> = {
  eq: (order) => order === 0,
  lt: (order) => order < 0,
  le: (order) => order <= 0,
  gt: (order) => order > 0,
  ge: (order) => order >= 0,
};

function textTest(op: TextOp, text: string): ValueTest {
  switch (op) {
    case 'contains':
      return (value) => typeof value === 'string' && value.includes(text);
    case 'starts':
      return (value) => typeof value === 'string' && value.startsWith(text);
    case 'ends':
      return (value) => typeof value === 'string' && value.endsWith(text);
  }
}

/** Searches each run once, from the end of the last one: no backtracking, whatever the pattern. */
function patternTest(runs: readonly string[]): ValueTest {
  const [first = ''] = runs;
  const last = runs.at(-1) ?? '';
  const middle = runs.slice(1, -1);
  return (value) => {
    if (typeof value !== 'string' || value.length < first.length + last.length) return false;
    if (!value.startsWith(first) || !value.endsWith(last)) return false;
    let from = first.length;
    for (const run of middle) {
      const at = value.indexOf(run, from);
      if (at === -1) return false;
      from = at + run.length;
    }
    return from <= value.length - last.length;
  };
}
