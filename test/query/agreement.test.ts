import Database from 'better-sqlite3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compilePredicate } from '../../src/query/predicate.ts';
import type { Comparison, FieldPath, Filter, Scalar } from '../../src/query/syntax/ast.ts';
import type { FieldPlan, FieldType, JsonValue, TablePlan } from '../../src/schema/plan.ts';
import { compileFilterSql } from '../../src/store/sqlite/sql/condition.ts';
import { NAMES as SQL_NAMES } from './products.ts';
import { createSql, enumOf, field, listOf, objectOf, scalar, table, toCell } from './tables.ts';

type JsonRecord = Record<string, JsonValue>;

// Few characters, so that strings meet: astral ones, the last before and first after the surrogates, GLOB's own,
// quotes.
const CHARACTERS = [
  'a',
  'A',
  'b',
  'é',
  '😀',
  '𐀀',
  '\u{10ffff}',
  '\ud7ff',
  '\ue000',
  '\uffff',
  '*',
  '?',
  '[',
  ']',
  '%',
  '_',
  '"',
  "'",
  '\\',
  '\n',
];
const text = fc.array(fc.constantFrom(...CHARACTERS), { maxLength: 4 }).map((characters) => characters.join(''));
const int = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 31, -(2 ** 31) - 1),
);
const float = fc.oneof(
  int,
  fc.constantFrom(
    -0,
    0.1,
    0.5,
    -0.5,
    5e-324,
    1.7976931348623157e308,
    1e21,
    2 ** 53,
    2 ** 60 + 2 ** 8,
    59859465769345192,
    0.1 + 0.2,
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const bigLong = fc.constantFrom(
  2n ** 53n,
  2n ** 53n + 1n,
  -(2n ** 53n) - 1n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  2n ** 62n + 1n,
);
const date = fc
  .constantFrom(0, 1, 86_400_000, -1, Date.UTC(2025, 0, 15, 10, 30), Date.UTC(9999, 11, 31), -62_167_219_200_000)
  .map((time) => new Date(time).toISOString());

/** Generates a value as a record has it. */
function recordValue(type: FieldType): fc.Arbitrary<JsonValue> {
  if (type.kind === 'list') return fc.array(orNull(recordValue(type.of)), { maxLength: 3 });
  if (type.kind === 'object') {
    return fc.record(Object.fromEntries(type.fields.map((member) => [member.name, orNull(recordValue(member.type))])));
  }
  if (type.kind === 'enum') return fc.constantFrom(...type.values);
  switch (type.name) {
    case 'ID':
    case 'String':
      return text;
    case 'Int':
      return int;
    case 'Float':
      return float;
    case 'Long':
      return fc.oneof(int, bigLong.map(String));
    case 'Boolean':
      return fc.boolean();
    case 'Date':
      return date;
    case 'JSON':
      return fc.constantFrom<JsonValue>(1, 'x', '', false, [], {}, [null], { a: null });
  }
}

function orNull(value: fc.Arbitrary<JsonValue>): fc.Arbitrary<JsonValue> {
  return fc.option(value, { nil: null, freq: 4 });
}

/** Generates a value as a filter has it: any, or one of the records, so that equality and bounds are met. */
function literalOf(type: FieldType, pool: Pool): fc.Arbitrary<Scalar> {
  const isLong = type.kind === 'scalar' && type.name === 'Long';
  const any: fc.Arbitrary<Scalar> = isLong ? fc.oneof(int, bigLong) : recordValue(type).map((value) => value as Scalar);
  const stored = [...(pool.get('name' in type ? type.name : '') ?? [])];
  return (stored.length === 0 ? any : fc.oneof(any, fc.constantFrom(...stored))).map(plain);
}

/** Scalars of the records by the name of their type. */
type Pool = ReadonlyMap<string, ReadonlySet<Scalar>>;

function poolOf(fields: readonly FieldPlan[], records: readonly JsonRecord[]): Pool {
  const pool = new Map<string, Set<Scalar>>();
  const add = (type: FieldType, value: JsonValue | undefined): void => {
    if (value === null || value === undefined) return;
    if (type.kind === 'list') {
      for (const item of value as JsonValue[]) add(type.of, item);
    } else if (type.kind === 'object') {
      for (const member of type.fields) add(member.type, (value as JsonRecord)[member.name]);
    } else {
      const scalars = pool.get(type.name) ?? new Set();
      pool.set(type.name, scalars);
      scalars.add(type.name === 'Long' && typeof value === 'string' ? BigInt(value) : (value as Scalar));
    }
  };
  for (const record of records) for (const member of fields) add(member.type, record[member.name]);
  return pool;
}

/** Generates a part of a stored string, or of any. */
function partOf(whole: fc.Arbitrary<Scalar>): fc.Arbitrary<string> {
  return fc.tuple(whole, fc.nat(4), fc.nat(4)).map(([value, from, length]) => {
    return [...String(value)].slice(from === 4 ? 0 : from, from + length).join('');
  });
}

/**
 * Generates a stored string, or any, with stars in place of some of its characters, and now and then a character twice.
 */
function runsOf(whole: fc.Arbitrary<Scalar>): fc.Arbitrary<string[]> {
  const cuts = fc.array(fc.constantFrom('keep', 'cut', 'drop', 'double'), { minLength: 5, maxLength: 5 });
  return fc.tuple(whole, cuts).map(([value, what]) => {
    const runs = [''];
    [...String(value)].forEach((character, index) => {
      const last = runs.length - 1;
      if (what[index] === 'cut') runs.push(character);
      else if (what[index] === 'drop') runs.push('');
      else runs[last] += what[index] === 'double' ? character + character : character;
    });
    const [first = '', ...rest] = runs;
    const last = rest.pop() ?? '';
    return [first, ...rest.filter((run) => run !== ''), last];
  });
}

/** Replaces minus zero, which the parser never returns. */
function plain(value: Scalar): Scalar {
  return typeof value === 'number' ? value + 0 : value;
}

const SCALARS = (['String', 'Int', 'Float', 'Long', 'Boolean', 'Date', 'JSON'] as const).map(scalar);
const leafType = fc.constantFrom(...SCALARS, enumOf('Color', 'RED', 'GREEN', 'BLUE'));

function typeOf(depth: number): fc.Arbitrary<FieldType> {
  if (depth === 0) return leafType;
  return fc.oneof(
    { weight: 3, arbitrary: leafType },
    { weight: 1, arbitrary: typeOf(depth - 1).map(listOf) },
    { weight: 1, arbitrary: fieldsOf(depth - 1).map((fields) => objectOf('Nested', fields)) },
  );
}

// Names that json_each, JavaScript objects and SQL have too.
const NAMES = ['value', 'key', 'type', 'toString', 'order', 'json', 't', 'j0'];

function fieldsOf(depth: number): fc.Arbitrary<FieldPlan[]> {
  return fc
    .uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 4 })
    .chain((names) => fc.tuple(...names.map((name) => typeOf(depth).map((type) => field(name, type)))));
}

const tables = fieldsOf(2).map((fields) => table('Thing', [field('id', scalar('ID')), ...fields]));

function elementOf(type: FieldType): FieldType {
  return type.kind === 'list' ? elementOf(type.of) : type;
}

interface Target {
  readonly path: FieldPath;
  readonly type: FieldType;
}

function targets(plan: TablePlan): Target[] {
  const below = (fields: readonly FieldPlan[], above: readonly FieldPlan[]): Target[] =>
    fields.flatMap((member) => {
      const path = [...above, member];
      const [first = member, ...rest] = path;
      const target = {
        path: { name: path.map(({ name }) => name).join('.'), fields: [first, ...rest] as const },
        type: member.type,
      };
      const element = elementOf(member.type);
      return element.kind === 'object' ? [target, ...below(element.fields, path)] : [target];
    });
  return below(plan.fields, []);
}

function conditionOn({ path, type }: Target, pool: Pool): fc.Arbitrary<Filter> {
  const isNull = fc.constant<Filter>({ type: 'null', path });
  const element = elementOf(type);
  if (element.kind === 'object' || (element.kind === 'scalar' && element.name === 'JSON')) return isNull;
  const literal = literalOf(element, pool);
  const isText = element.kind === 'scalar' && (element.name === 'String' || element.name === 'ID');
  const isOrdered = element.kind === 'scalar' && element.name !== 'Boolean';
  const ops: Comparison[] = isOrdered ? ['eq', 'lt', 'le', 'gt', 'ge'] : ['eq'];
  const conditions: fc.Arbitrary<Filter>[] = [
    isNull,
    fc.record({
      type: fc.constant('compare' as const),
      path: fc.constant(path),
      op: fc.constantFrom(...ops),
      value: literal,
    }),
    fc.record({
      type: fc.constant('in' as const),
      path: fc.constant(path),
      values: fc.array(literal, { minLength: 1, maxLength: 3 }),
    }),
  ];
  if (isOrdered) {
    conditions.push(
      fc.record({
        type: fc.constant('range' as const),
        path: fc.constant(path),
        low: literal,
        lowOp: fc.constantFrom('ge' as const, 'gt' as const),
        high: literal,
        highOp: fc.constantFrom('le' as const, 'lt' as const),
      }),
    );
  }
  if (isText) {
    conditions.push(
      fc.record({
        type: fc.constant('text' as const),
        path: fc.constant(path),
        op: fc.constantFrom('contains' as const, 'starts' as const, 'ends' as const),
        value: partOf(literal),
      }),
      runsOf(literal).map((runs) => ({ type: 'pattern' as const, path, runs })),
    );
  }
  return fc.oneof(...conditions);
}

function filterOn(plan: TablePlan, pool: Pool): fc.Arbitrary<Filter> {
  const leaf = fc.constantFrom(...targets(plan)).chain((target) => conditionOn(target, pool));
  return fc.letrec<{ filter: Filter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      leaf,
      fc.record({ type: fc.constant('not' as const), item: tie('filter') }),
      fc.record({
        type: fc.constantFrom('and' as const, 'or' as const),
        items: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }),
      }),
    ),
  })).filter;
}

const cases = tables
  .chain((plan) => {
    const members = plan.fields.filter(({ primaryKey }) => !primaryKey);
    const record = fc.record(Object.fromEntries(members.map(({ name, type }) => [name, orNull(recordValue(type))])));
    return fc.record({ plan: fc.constant(plan), records: fc.array(record, { minLength: 1, maxLength: 6 }) });
  })
  .chain(({ plan, records }) => {
    const filter = filterOn(plan, poolOf(plan.fields, records));
    return fc.record({
      plan: fc.constant(plan),
      records: fc.constant(records),
      filters: fc.array(filter, { minLength: 4, maxLength: 4 }),
    });
  });

test('SQL and predicate give the same answer for every schema, record and filter', () => {
  const db = new Database(':memory:');
  let answers = 0;
  const seen = { yes: 0, no: 0 };
  const property = fc.property(cases, ({ plan, records, filters }) => {
    db.exec('DROP TABLE IF EXISTS "Thing"');
    db.exec(createSql(plan, 'Thing'));
    const insert = db.prepare(`INSERT INTO "Thing" VALUES (${plan.fields.map(() => '?').join(', ')})`);
    const rows: JsonRecord[] = records.map((record, index) => ({ ...record, id: `r${index}` }));
    for (const row of rows) insert.run(...plan.fields.map(({ name, type }) => toCell(type, row[name])));
    for (const filter of filters) {
      const { sql, params } = compileFilterSql(filter, { table: plan, alias: 't', names: SQL_NAMES });
      const select = db.prepare(`SELECT "t"."id" FROM "Thing" AS "t" WHERE ${sql} ORDER BY "t"."id"`).pluck();
      const found = select.all(...params);
      const matches = compilePredicate(filter);
      const expected = rows.filter((row) => matches(row)).map(({ id }) => id);
      expect(found, sql).toEqual(expected);
      answers += rows.length;
      seen.yes += found.length;
      seen.no += rows.length - found.length;
    }
  });
  fc.assert(property, { numRuns: 1000 });
  db.close();
  expect(answers).toBeGreaterThan(2000);
  // A test whose filters all have the same result would prove nothing.
  expect(Math.min(seen.yes, seen.no)).toBeGreaterThan(answers / 10);
}, 60_000);
