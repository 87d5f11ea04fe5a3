import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromUnits, nearestDouble, toUnits } from '../../src/query/aggregate/exact.ts';
import { parseListQuery } from '../../src/query/index.ts';
import { tableOf } from '../schema/mistakes.ts';
import { LIMITS } from './tables.ts';

const table = tableOf(`
  enum Kind { RED BLUE }
  type T @table { id: ID! @primaryKey n: Int l: Long f: Float s: String k: Kind b: Boolean d: Date tags: [String] group: String }
`);

function parse(query: string) {
  return parseListQuery(query, table, LIMITS, new Set());
}

describe('a query for totals', () => {
  test('has columns, groups, a condition on them and a total order', () => {
    const { aggregate, limit, sort } = parse(
      'aggregate=count,sum(n),max(d)&group=k,b&having=count=gt=2;sum_n=lt=9&sort=-sum_n,b&n=gt=0',
    );
    expect(aggregate?.columns.map(({ result }) => [result.name, result.type])).toEqual([
      ['count', { kind: 'scalar', name: 'Int' }],
      ['sum_n', { kind: 'scalar', name: 'Long' }],
      ['max_d', { kind: 'scalar', name: 'Date' }],
    ]);
    expect(sort.map(({ field, descending }) => [field.name, descending])).toEqual([
      ['sum_n', true],
      ['b', false],
      ['k', false],
    ]);
    expect(aggregate?.having).toMatchObject({ type: 'and' });
    expect(limit).toBe(LIMITS.groups);
  });

  test('reserves group and having for itself only', () => {
    expect(parse('group==a').filter).toMatchObject({ type: 'compare', path: { name: 'group' } });
    expect(parse('aggregate=count&group=group&group[eq]=a').aggregate?.group[0]?.name).toBe('group');
  });

  test.each([
    ['aggregate=', 'aggregate: column 1: expected count, count(field), sum(field)'],
    ['aggregate=count,total(n)', 'aggregate: column 7: expected count, count(field)'],
    ['aggregate=sum', 'aggregate: column 1: sum needs a field: sum(field)'],
    ['aggregate=sum(m)', 'aggregate: column 5: T has no field "m"'],
    ['aggregate=sum(s)', 'aggregate: column 1: s is a String, which has no sum'],
    ['aggregate=min(k)', 'aggregate: column 1: k is a Kind, which has no min'],
    ['aggregate=count(tags)', 'aggregate: column 1: tags is a list of String, which has no count'],
    ['aggregate=count,count', 'aggregate: count is named twice'],
    ['aggregate=count&group=', 'group: column 1: expected a field'],
    ['aggregate=count&group=k,tags', 'group: column 3: tags is a list of String, which makes no groups'],
    ['aggregate=count&having=n==1', 'filter: column 1: The aggregate of T has no field "n"'],
    ['aggregate=count&sort=n', 'sort: column 1: The aggregate of T has no field "n"'],
    ['aggregate=count&select=n', 'select: cannot be combined with aggregate'],
    ['aggregate=count&count=true', 'count: cannot be combined with aggregate'],
    ['aggregate=count&limit=0', 'limit: expected an integer from 1'],
  ])('%s is refused: %s', (query, message) => {
    expect(() => parse(query)).toThrow(message);
  });
});

describe('exact sums', () => {
  const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);

  test('have every double as it is', () => {
    fc.assert(
      fc.property(double, (value) => {
        expect(fromUnits(toUnits(value), 1)).toBe(value);
      }),
    );
    for (const value of [5e-324, -5e-324, 2 ** -1022, Number.MAX_VALUE, 0.1, -1]) {
      expect(fromUnits(toUnits(value), 1)).toBe(value);
    }
  });

  test('do not depend on the order, and lose nothing that is taken away again', () => {
    expect(
      fromUnits(
        [1e308, 1, -1e308].reduce((sum, value) => sum + toUnits(value), 0n),
        1,
      ),
    ).toBe(1);
    expect(fromUnits(toUnits(0.1) + toUnits(0.2), 1)).toBe(0.30000000000000004);
    const property = fc.property(fc.array(double), fc.array(double), (values, more) => {
      const sum = (list: readonly number[]) => list.reduce((total, value) => total + toUnits(value), 0n);
      expect(sum([...values, ...more].reverse()) - sum(more)).toBe(sum(values));
    });
    fc.assert(property);
  });

  test('are rounded to the nearest double, ties to the even one', () => {
    expect(nearestDouble(1n, 3n)).toBe(1 / 3);
    expect(nearestDouble(-2n, 3n)).toBe(-2 / 3);
    expect(nearestDouble(2n ** 53n + 1n, 1n)).toBe(2 ** 53);
    expect(nearestDouble(2n ** 53n + 3n, 1n)).toBe(2 ** 53 + 4);
    expect(nearestDouble(2n ** 2000n, 1n)).toBe(Number.POSITIVE_INFINITY);
    const property = fc.property(fc.maxSafeInteger(), fc.integer({ min: 1, max: 2 ** 31 - 1 }), (top, bottom) => {
      // Both are exact, so that the division of doubles is rounded once too.
      expect(nearestDouble(BigInt(top), BigInt(bottom))).toBe(top / bottom + 0);
    });
    fc.assert(property);
  });
});
