import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { comparePositions, parseListQuery, positionReader, totalOrder } from '../../src/query/index.ts';
import type { Write } from '../../src/store/rows/write.ts';
import type { Cell } from '../../src/store/store.ts';
import { onlyTable, StoreFolder } from '../store/stores.ts';
import { LIMITS } from './tables.ts';

const SDL = `
  enum Kind { RED BLUE }
  type T @table { id: ID! @primaryKey s: String i: Int l: Long f: Float b: Boolean d: Date k: Kind }
`;
const NAMES = ['s', 'i', 'l', 'f', 'b', 'd', 'k', 'id'];
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 4 }),
  fc.constantFrom('', 'a', 'A', 'ab', 'é', 'e\u0301', '\uff5e', '😀', '\u{10ffff}', '\ud7ff', '\ue000', '\u0000', '~'),
);
const long = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(2n ** 53n, 2n ** 53n + 1n, 2n ** 53n - 1n, -(2n ** 63n), 2n ** 63n - 1n, 0n, 1n),
);
const cells = fc.tuple(
  fc.option(text),
  fc.option(fc.maxSafeInteger()),
  fc.option(long),
  fc.option(
    fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
      fc.constantFrom(0.1, 0.1 + 2 ** -56, 5e-324),
    ),
  ),
  fc.option(fc.constantFrom(0, 1)),
  fc.option(fc.constantFrom('1969-12-31T23:59:59.999Z', '2025-01-01T00:00:00.000Z', '2025-01-01T00:00:00.001Z')),
  fc.option(fc.constantFrom('RED', 'BLUE')),
);
const sort = fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), fc.boolean()), {
  minLength: 1,
  maxLength: 4,
  selector: ([name]) => name,
});

describe('the order of positions', () => {
  test('is the order in which the store lists its records, for every type and direction', { timeout: 60_000 }, () => {
    const folder = new StoreFolder();
    const opened = folder.open(SDL);
    const table = onlyTable(opened);
    const { store } = opened;
    fc.assert(
      fc.property(fc.array(cells, { minLength: 2, maxLength: 40 }), fc.array(sort, { minLength: 3 }), (rows, sorts) => {
        const old = store.page(table, undefined, 100).map(({ id }): Write => ({ type: 'delete', table, id }));
        const writes = rows.map((row, n): Write => {
          const id = `r${(n * 7) % 41}`;
          return { type: 'create', table, id, cells: [id, ...row] as readonly Cell[] };
        });
        store.commit([[...old, ...writes]]);
        for (const keys of sorts) {
          const names = keys.map(([name, down]) => `${down ? '-' : ''}${name}`).join();
          const query = parseListQuery(`sort=${names}&limit=1000`, table, LIMITS, new Set());
          const order = totalOrder(query.sort, table);
          const [compare, read] = [comparePositions(order), positionReader(order)];
          const records = store.records(table, query).map(({ json }) => JSON.parse(json));
          const positions = records.map(read);
          expect(positions).toHaveLength(rows.length);
          const compared = positions.slice(1).map((after, index) => {
            const before = positions[index] as typeof after;
            return Math.sign(compare(before, after)) - Math.sign(compare(after, before));
          });
          expect([names, ...new Set(compared)]).toEqual([names, -2]);
        }
      }),
      { numRuns: 60 },
    );
  });
});
