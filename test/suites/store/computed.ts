// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the expressions have templates of their own.
import { describe, expect, test } from 'vitest';
import type { Cell } from '../../../src/store/store.ts';
import { type EngineUnderTest, StoreHarness } from './harness.ts';

const schema = (more: string) =>
  `enum Size { small large } type T @table { id: ID! @primaryKey name: String price: Float count: Long ${more} }`;
const TOTAL = 'total: Float @computed(from: "price * count") @indexed';
const LABEL = 'label: String @computed(from: "`${lower(name)}!`") @unique';

export function computedSuite(subject: EngineUnderTest): void {
  const open = (sdl: string, options = {}) => StoreHarness.open(subject, sdl, options);

  describe('a computed field', () => {
    test('is made again at every write, whatever the writer says of it', async () => {
      const harness = await open(schema(`${TOTAL} ${LABEL}`));
      await harness.create('a', 'Box', 1.5, 4, 99, 'own');
      expect(await harness.records()).toEqual([
        { id: 'a', name: 'Box', price: 1.5, count: 4, total: 6, label: 'box!' },
      ]);
      await harness.put('a', 'Axe', 2, null);
      expect(await harness.records()).toMatchObject([{ count: null, total: null, label: 'axe!' }]);
      await harness.patch('a', undefined, undefined, 3);
      const entry = (await harness.log()).at(-1);
      expect(JSON.parse(entry?.data ?? '')).toMatchObject({ count: 3, total: 6 });
      expect(JSON.parse(entry?.before ?? '')).toEqual({ count: null, total: null });
      expect((await harness.patch('a', undefined, undefined, 3)).changed).toBe(false);
      const cells = [undefined, 'Cup', 0.5, undefined, 1, 'x'];
      await harness.write({ type: 'patch-where', filter: undefined, limit: 9, cells });
      expect(await harness.records()).toEqual([
        { id: 'a', name: 'Cup', price: 0.5, count: 3, total: 1.5, label: 'cup!' },
      ]);
    });

    test('is filtered, sorted and selected like any other, and can be unique', async () => {
      const harness = await open(schema(`${TOTAL} ${LABEL}`), { largestScan: 1 });
      for (const [id, count] of [
        ['a', 3],
        ['b', 2],
        ['c', null],
      ] as const)
        await harness.create(id, id, 1, count);
      expect(await harness.find('total=gt=0&sort=total&select=total')).toEqual([
        { id: 'b', total: 2 },
        { id: 'a', total: 3 },
      ]);
      expect(await harness.find('total==null&select=label')).toEqual([{ id: 'c', label: 'c!' }]);
      const errors = [{ field: 'label', message: 'is taken by another record' }];
      await expect(harness.create('d', 'A', 1, 1)).rejects.toMatchObject({ code: 'CONFLICT', errors });
    });

    test('sees the times that the server sets, and may say when the record expires', async () => {
      const harness = await open(`type T @table { id: ID! @primaryKey ms: Long @updatedTime
        until: Long @computed(from: "ms + 60000") @expiresAt size: Boolean @computed(from: "ms > 0") }`);
      await harness.create('a');
      const [record] = (await harness.records()) as { ms: number; until: number; size: boolean }[];
      const until = (record?.ms ?? 0) + 60_000;
      expect(record).toMatchObject({ until, size: true });
      expect(await harness.store.expired(harness.table, until - 1, 9)).toEqual([]);
      expect(await harness.store.expired(harness.table, until, 9)).toEqual(['a']);
    });

    test.each<[string, string, unknown, readonly Cell[]]>([
      ['Int', 'round(price)', 3, [2.5, null]],
      ['Int', 'count', null, [null, 2n ** 53n]],
      ['Long', 'count + 1', null, [null, Number.MAX_SAFE_INTEGER]],
      ['Long', 'count * -1', 0, [null, 0]],
      ['Float', 'price / count', null, [1, 0]],
      ['Boolean', 'price > count', false, [1, 2]],
      ['Date', 'date(`2025-01-0${count}`)', '2025-01-07T00:00:00.000Z', [null, 7]],
      ['Size', "price > 10 ? 'large' : 'tiny'", 'large', [11, null]],
      ['Size', "price > 10 ? 'large' : 'tiny'", null, [1, null]],
      ['String', 'string(price) + ` ${count}`', '1e+21 5', [1e21, 5]],
    ])('of type %s: %s is %j', async (type, from, value, cells) => {
      const harness = await open(schema(`f: ${type} @computed(from: "${from}")`));
      await harness.create('a', null, ...cells);
      expect(await harness.records()).toMatchObject([{ f: value }]);
    });
  });
}
