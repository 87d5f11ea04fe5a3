import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseListQuery } from '../../src/query/index.ts';
import type { Cell, WriteOutcome } from '../../src/store/store.ts';
import { LIMITS } from '../query/tables.ts';
import { StoreFolder } from './stores.ts';

const NONE: ReadonlySet<string> = new Set();
const SDL = `enum Kind { RED BLUE }
type Thing @table @export {
  id: ID! @primaryKey
  s: String
  i: Int
  f: Float
  b: Boolean
  l: Long
  j: JSON
  k: Kind
  tags: [String]
}`;

const text = fc.string({
  unit: fc.constantFrom('a', '"', '\\', '\n', '\0', '\x07', '\x7f', '\u2028', '/', 'é', '😀', '\uffff'),
});
const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { freq: 4 });
const cells: fc.Arbitrary<readonly Cell[]> = fc.tuple(
  orNull(text),
  orNull(fc.maxSafeInteger()),
  orNull(fc.double({ noNaN: true, noDefaultInfinity: true })),
  orNull(fc.constantFrom(0, 1)),
  orNull(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  orNull(
    fc.json({ noUnicodeString: false } as fc.JsonSharedConstraints).map((json) => JSON.stringify(JSON.parse(json))),
  ),
  orNull(fc.constantFrom('RED', 'BLUE')),
  orNull(fc.array(text).map((items) => JSON.stringify(items))),
) as fc.Arbitrary<readonly Cell[]>;

test('the JSON text that SQL makes for a list is the one of the record, letter by letter', () => {
  const { store, plan } = new StoreFolder().open(SDL);
  const table = plan.tables[0] as (typeof plan.tables)[number];
  const query = parseListQuery('', table, LIMITS, NONE);
  fc.assert(
    fc.property(cells, (row) => {
      const id = 'x';
      const { results } = store.commit([[{ type: 'put', table, id, cells: [id, ...row] }]]);
      const [outcome] = results[0] as readonly WriteOutcome[];
      expect(store.list(table, query).json).toBe(`[${outcome?.json}]`);
      expect(store.get(table, id)?.json).toBe(outcome?.json);
    }),
    { numRuns: 300 },
  );
});

test('a record of more fields than an SQL function takes arguments', () => {
  const names = Array.from({ length: 900 }, (_, n) => `f${n}`);
  const { store, plan } = new StoreFolder().open(
    `type Wide @table @export { id: ID! @primaryKey ${names.map((name) => `${name}: String`).join(' ')} }`,
  );
  const table = plan.tables[0] as (typeof plan.tables)[number];
  store.commit([[{ type: 'put', table, id: '}', cells: ['}', ...names.map((name) => `${name}}`)] }]]);
  const found = JSON.parse(store.list(table, parseListQuery('', table, LIMITS, NONE)).json) as unknown;
  expect(found).toEqual([{ id: '}', ...Object.fromEntries(names.map((name) => [name, `${name}}`])) }]);
});
