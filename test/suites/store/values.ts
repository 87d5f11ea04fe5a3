import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Cell, RecordKey } from '../../../src/store/store.ts';
import { type EngineUnderTest, StoreHarness } from './harness.ts';

const ALL = `
  enum Colour { red green }
  type Part { a: Int! b: [String] }
  type T @table {
    id: ID! @primaryKey s: String i: Int f: Float b: Boolean d: Date l: Long j: JSON c: Colour xs: [Int!] o: Part
  }`;

const text = fc.string({
  unit: fc.constantFrom('a', '"', '\\', '\n', '\x07', '\x7f', '\u2028', '/', 'é', '😀', '\uffff'),
});
const json = fc
  .json({ noUnicodeString: false } as fc.JsonSharedConstraints)
  .map((it) => JSON.stringify(JSON.parse(it)))
  // A key that is not given out.
  .filter((it) => !it.includes('"__proto__"'));
const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { freq: 4 });
const anyCells: fc.Arbitrary<readonly Cell[]> = fc.tuple(
  orNull(text),
  orNull(fc.maxSafeInteger()),
  orNull(fc.double({ noNaN: true, noDefaultInfinity: true })),
  orNull(fc.constantFrom(0, 1)),
  orNull(fc.constantFrom('1969-12-31T23:59:59.999Z', '2025-01-15T10:30:00.000Z')),
  orNull(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  orNull(json),
  orNull(fc.constantFrom('red', 'green')),
  orNull(fc.array(fc.maxSafeInteger()).map((items) => JSON.stringify(items))),
  orNull(fc.array(text).map((b) => JSON.stringify({ a: 1, b }))),
);

export function valuesSuite(subject: EngineUnderTest): void {
  describe('values', () => {
    test('of every type are given back as they were stored', async () => {
      const harness = await StoreHarness.open(subject, ALL);
      const id = 'é"\\\n😀';
      const outcome = await harness.create(
        id,
        'line\u2028"quoted"',
        -(2 ** 53 - 1),
        1e-7,
        1,
        '2025-01-15T10:30:00.000Z',
        2n ** 63n - 1n,
        '{"deep":[1,null,"x"]}',
        'green',
        '[1,2]',
        '{"a":1,"b":["x",null]}',
      );
      const expected = {
        id,
        s: 'line\u2028"quoted"',
        i: -(2 ** 53 - 1),
        f: 1e-7,
        b: true,
        d: '2025-01-15T10:30:00.000Z',
        l: '9223372036854775807',
        j: { deep: [1, null, 'x'] },
        c: 'green',
        xs: [1, 2],
        o: { a: 1, b: ['x', null] },
      };
      expect(JSON.parse(outcome.json)).toEqual(expected);
      const record = { id, seq: outcome.seq, json: outcome.json };
      expect(await harness.store.get(harness.table, id)).toEqual(record);
      expect(await harness.store.page(harness.table, undefined, 9)).toEqual([record]);
      expect(await harness.store.records(harness.table, harness.query(''))).toEqual([record]);
      expect((await harness.log()).map(({ data }) => data)).toEqual([outcome.json]);
    });

    test('of every type may be null', async () => {
      const harness = await StoreHarness.open(subject, ALL);
      const { json } = await harness.create('a', ...new Array<null>(10).fill(null));
      const { id, ...others } = JSON.parse(json) as Record<string, unknown>;
      expect([id, ...Object.values(others)]).toEqual(['a', ...new Array(10).fill(null)]);
      expect(await harness.records()).toEqual([{ id, ...others }]);
    });

    test('have one JSON text, letter by letter, wherever they are read', async () => {
      const harness = await StoreHarness.open(subject, ALL);
      const { table, store } = harness;
      const property = fc.asyncProperty(anyCells, async (cells) => {
        const { json } = await harness.put('x', ...cells);
        expect((await harness.list('')).json).toBe(`[${json}]`);
        expect((await store.get(table, 'x'))?.json).toBe(json);
        expect((await store.records(table, harness.query('')))[0]?.json).toBe(json);
        expect((await store.page(table, undefined, 1))[0]?.json).toBe(json);
      });
      await fc.assert(property, { numRuns: 100 });
    });

    test.each<[Cell, unknown]>([
      [2 ** 53 - 1, 9007199254740991],
      [2n ** 53n, '9007199254740992'],
      [-(2 ** 53) + 1, -9007199254740991],
      [-(2n ** 53n) - 1n, '-9007199254740993'],
      [-(2n ** 63n), '-9223372036854775808'],
      [0, 0],
      [7, 7],
    ])('a Long of %s is %j in JSON, from the writer and from the store', async (cell, expected) => {
      const harness = await StoreHarness.open(subject, 'type T @table { id: ID! @primaryKey l: Long }');
      expect(JSON.parse((await harness.create('a', cell)).json)).toEqual({ id: 'a', l: expected });
      expect(await harness.records()).toEqual([{ id: 'a', l: expected }]);
      expect((await harness.put('a', cell)).changed).toBe(false);
    });

    test.each([0.1 + 0.2, 5e-324, 1.7976931348623157e308, 1e21, 5, -0.5, 2 ** 53, 59859465769345190, 1e-7])(
      'a Float of %d is written as JSON.stringify does, and is equal to itself',
      async (value) => {
        const harness = await StoreHarness.open(subject, 'type T @table { id: ID! @primaryKey f: Float }');
        const json = JSON.stringify({ id: 'a', f: value });
        expect((await harness.create('a', value)).json).toBe(json);
        expect((await harness.list('')).json).toBe(`[${json}]`);
        expect((await harness.put('a', value)).changed).toBe(false);
        expect(await harness.ids(`f=${encodeURIComponent(value)}`)).toBe('a');
      },
    );

    test('of hidden fields are stored, count as changes, and are in no JSON text', async () => {
      const sdl = 'type T @table { id: ID! @primaryKey secret: String @hidden n: Int }';
      const harness = await StoreHarness.open(subject, sdl);
      expect((await harness.create('a', 'one', 1)).json).toBe('{"id":"a","n":1}');
      const { changed, seq, json } = await harness.patch('a', 'two');
      expect([changed, json]).toEqual([true, '{"id":"a","n":1}']);
      expect(await harness.patch('a', 'two')).toMatchObject({ changed: false, seq });
      await harness.patch('a', 'three', 2);
      await harness.delete('a');
      expect((await harness.log()).map(({ data, before }) => [data, before])).toEqual([
        ['{"id":"a","n":1}', null],
        ['{"id":"a","n":1}', '{}'],
        ['{"id":"a","n":2}', '{"n":1}'],
        ['{"id":"a"}', '{"id":"a","n":2}'],
      ]);
    });

    test('of a record with very many fields', async () => {
      const names = Array.from({ length: 900 }, (_, n) => `f${n}`);
      const fields = names.map((name) => `${name}: String`).join(' ');
      const harness = await StoreHarness.open(subject, `type Wide @table { id: ID! @primaryKey ${fields} }`);
      await harness.put('}', ...names.map((name) => `${name}}`));
      const record = { id: '}', ...Object.fromEntries(names.map((name) => [name, `${name}}`])) };
      expect(await harness.find('')).toEqual([record]);
    });
  });

  describe('keys', () => {
    test('that are numbers have the order of numbers', async () => {
      const harness = await StoreHarness.open(subject, 'type T @table { id: Int! @primaryKey }');
      for (const id of [10, 9, -1, 100]) await harness.create(id);
      const { store, table } = harness;
      expect((await store.page(table, undefined, 2)).map(({ id }) => id)).toEqual([-1, 9]);
      expect((await store.page(table, 9, 10)).map(({ id }) => id)).toEqual([10, 100]);
      expect((await store.page(table, 100, 10)).map(({ id }) => id)).toEqual([]);
      expect((await harness.log(0, 10, 9)).map(({ id }) => id)).toEqual([9]);
      expect((await store.get(table, 9))?.json).toBe('{"id":9}');
    });

    test('that are texts have the order of code points', async () => {
      const harness = await StoreHarness.open(subject, 'type T @table { id: ID! @primaryKey }');
      const ids = ['B', 'a', 'é', '\uff5e', '😀'];
      for (const id of ids.toReversed()) await harness.create(id);
      const { store, table } = harness;
      expect((await store.page(table, undefined, 9)).map(({ id }) => id)).toEqual(ids);
      expect((await store.page(table, 'é', 9)).map(({ id }) => id)).toEqual(['\uff5e', '😀']);
      expect((await store.page(table, 'b', 9)).map(({ id }) => id)).toEqual(['é', '\uff5e', '😀']);
    });

    test('that no number holds are paged through', async () => {
      const harness = await StoreHarness.open(subject, 'type T @table { id: Long! @primaryKey }');
      for (const id of [9_223_372_036_854_775_806n, 9_223_372_036_854_775_807n]) {
        await harness.write({ type: 'put', id: id as unknown as RecordKey, cells: [id] });
      }
      const first = await harness.list('limit=1');
      expect(first.json).toBe('[{"id":"9223372036854775806"}]');
      expect(await harness.list(`limit=1&cursor=${first.next}`)).toEqual({ json: '[{"id":"9223372036854775807"}]' });
    });
  });
}
