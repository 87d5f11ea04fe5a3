import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import type { FoldedPageOptions } from './folded-page.ts';
import { PropertyHarness } from './harness.ts';
import { itemSteps, Runner } from './runner.ts';
import { TotalsPage } from './totals-page.ts';

const RUNS = Number(process.env.PROPERTY_RUNS ?? 100);
const FROM = JSON.parse(process.env.PROPERTY_FROM ?? '{}') as fc.Parameters<unknown>;

const SDL = `
  enum Kind { RED BLUE }
  type Item @table @export {
    id: ID! @primaryKey n: Int @indexed s: String k: Kind b: Boolean l: Long f: Float d: Date
  }
`;

const KEYS = ['a', 'b', 'c', 'd', 'e', 'é', '😀', '\uff5e'];
const key = fc.constantFrom(...KEYS);
const number = fc.integer({ min: 0, max: 3 });
const fields = fc.record(
  {
    n: fc.option(number),
    s: fc.option(fc.constantFrom('', 'a', 'ab', '😀', '\uff5e')),
    k: fc.option(fc.constantFrom('RED', 'BLUE')),
    b: fc.option(fc.boolean()),
    l: fc.option(fc.constantFrom(1, -1, '9223372036854775807', '9007199254740993', '-9223372036854775808')),
    f: fc.option(fc.constantFrom(0, 0.1, 0.2, -2.5, 1e300, 1e308, 1)),
    d: fc.option(fc.constantFrom('2025-01-01', '1969-01-01')),
  },
  { requiredKeys: [] },
);
const COLUMNS = [
  'count',
  'count(s)',
  'sum(n)',
  'avg(n)',
  'min(n)',
  'max(n)',
  'sum(l)',
  'avg(l)',
  'min(l)',
  'max(l)',
].concat(['sum(f)', 'avg(f)', 'min(f)', 'max(f)', 'min(s)', 'max(s)', 'max(d)', 'min(d)']);
const nameOf = (column: string) => column.replace(/\((\w)\)/, '_$1');
const query = fc
  .record({
    filter: fc.constantFrom('', '', 'n=gt=0', 'n==1', 'k==RED', '!b==true', 's=sw=a|n==2'),
    columns: fc.uniqueArray(fc.constantFrom(...COLUMNS), { minLength: 1, maxLength: 4 }),
    group: fc.uniqueArray(fc.constantFrom('n', 's', 'k', 'b', 'l', 'f', 'd'), { maxLength: 2 }),
    having: fc.constantFrom('', '', '=gt=1', '==2', '=lt=1', '==null', '!==null'),
    sort: fc.constantFrom('', '', '-', '+'),
    limit: fc.constantFrom(0, 0, 1, 2, 3),
    offset: fc.constantFrom(0, 0, 0, 1, 2),
    count: fc.constantFrom(false, false, false, true),
    fast: fc.boolean(),
  })
  .map(({ filter, columns, group, having, sort, limit, offset, count, fast }) => {
    if (count) return { url: [filter, 'count=true'].filter(Boolean).join('&'), fast };
    const named = nameOf(columns[0] ?? '');
    const isText = /_[sd]$/.test(named) && !named.startsWith('count');
    const parts = [
      filter,
      `aggregate=${columns.join()}`,
      group.length === 0 ? '' : `group=${group}`,
      having === '' || (isText && !having.includes('null'))
        ? ''
        : `having=${named}${having.replace('!==null', '!=null')}`,
      sort === '' ? '' : `sort=${sort === '-' ? '-' : ''}${named}`,
      limit === 0 ? '' : `limit=${limit}`,
      offset === 0 ? '' : `offset=${offset}`,
    ];
    return { url: parts.filter(Boolean).join('&'), fast };
  });
const step = itemSteps(key, fields, query);

test('totals that are folded from their frames are what the list returns, at every position', {
  retry: 0,
  timeout: 240_000,
}, async () => {
  let compared = 0;
  const property = fc.asyncProperty(
    fc.array(query, { minLength: 1, maxLength: 4 }),
    fc.array(step, { minLength: 10, maxLength: 60 }),
    fc.constantFrom<object[]>({}, { flushed: true }, { later: true }),
    fc.record({ replayPage: fc.constantFrom(1, 3, 500), maxCount: fc.constantFrom(3, 100_000) }),
    async (queries, steps, how, bounds) => {
      using rig = new PropertyHarness({ sdl: SDL, clientBuffer: 500, ...bounds, ...how });
      const run = new Runner<TotalsPage>(rig);
      const open = (each: Pick<FoldedPageOptions, 'url' | 'fast'>) =>
        run.pages.push(new TotalsPage(rig, { ...each, identity: SERVER }));
      const many = Array.from({ length: 14 }, (_, n) => ({ id: `m${n}`, n: n % 4, s: 'ab', f: n / 10 }));
      await rig.resource('Item').createMany(SERVER, many);
      for (const one of queries) open(one);
      for (const one of steps) await run.execute(one, open);
      await run.settle();
      expect(run.pages.flatMap(({ wrongs }) => wrongs)).toEqual([]);
      for (const page of run.pages) {
        const { json, total } = await rig.resource('Item').list(SERVER, page.url);
        if (total === undefined) expect(page.list, page.url).toEqual(JSON.parse(json));
        else expect(page.total, page.url).toBe(total);
        compared += page.compared;
      }
      expect(rig.faults).toEqual([]);
    },
  );
  await fc.assert(property, { numRuns: RUNS, ...(FROM as object) });
  expect(compared).toBeGreaterThan(RUNS);
});
