import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import { PropertyHarness } from './harness.ts';
import { itemSteps, Runner } from './runner.ts';
import { WindowPage } from './window-page.ts';

const RUNS = Number(process.env.PROPERTY_RUNS ?? 100);
const FROM = JSON.parse(process.env.PROPERTY_FROM ?? '{}') as fc.Parameters<unknown>;

const SDL = `
  enum Kind { RED BLUE }
  type Item @table @export {
    id: ID! @primaryKey n: Int @indexed s: String k: Kind b: Boolean l: Long f: Float d: Date pad: String
  }
`;
const FIELDS = ['n', 's', 'k', 'b', 'l', 'f', 'd', 'id'];

const KEYS = ['a', 'b', 'c', 'd', 'e', 'é', '😀', '\uff5e'];
const key = fc.constantFrom(...KEYS);
const number = fc.integer({ min: 0, max: 3 });
const fields = fc.record(
  {
    n: fc.option(number),
    s: fc.option(fc.constantFrom('', 'a', 'ab', 'Été', '😀', '\uff5e', 'B')),
    k: fc.option(fc.constantFrom('RED', 'BLUE')),
    b: fc.option(fc.boolean()),
    l: fc.option(fc.constantFrom(1, -1, '9223372036854775807', '9007199254740993', '-9223372036854775808')),
    f: fc.option(fc.constantFrom(0, 0.1, -2.5, 1e300, 1)),
    d: fc.option(fc.constantFrom('2025-01-01', '2025-01-01T00:00:00.001Z', '1969-01-01')),
    pad: fc.constantFrom(null, 'p'.repeat(150)),
  },
  { requiredKeys: [] },
);
const sort = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...FIELDS), fc.boolean()), { maxLength: 3, selector: ([name]) => name })
  .map((keys) => keys.map(([name, down]) => `${down ? '-' : ''}${name}`).join());
const query = fc.record({
  filter: fc.constantFrom('', '', 'n=gt=0', 'n==1', 'k==RED', '!b==true', 's=sw=a|n==2', 'l=gt=5'),
  sort,
  limit: fc.integer({ min: 1, max: 4 }),
  offset: fc.constantFrom(0, 0, 0, 1, 2, 5),
  /** Begins at the second page of the list, if there is one. */
  cursor: fc.boolean(),
  select: fc.constantFrom('', '', 'select=n', 'select=s,l'),
  delta: fc.boolean(),
  fast: fc.boolean(),
});
const step = itemSteps(key, fields, query);
type Query = typeof query extends fc.Arbitrary<infer T> ? T : never;

async function open(
  run: Runner<WindowPage>,
  { filter, sort: order, limit, offset, cursor, select, delta, fast }: Query,
): Promise<void> {
  const parts = [filter, order === '' ? '' : `sort=${order}`, `limit=${limit}`, select];
  const list = parts.filter(Boolean).join('&');
  const { next } = cursor ? await run.rig.resource('Item').list(SERVER, list) : {};
  const place = next === undefined ? (offset === 0 ? '' : `&offset=${offset}`) : `&cursor=${next}`;
  run.pages.push(new WindowPage(run.rig, { url: `${list}${place}`, delta, fast, identity: SERVER }));
}

test('a window that is folded from its frames is what the list returns, at every position', {
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
      const run = new Runner<WindowPage>(rig);
      const many = Array.from({ length: 14 }, (_, n) => ({ id: `m${n}`, n: n % 4, s: 'ab', f: n / 10 }));
      await rig.resource('Item').createMany(SERVER, many);
      for (const one of queries) await open(run, one);
      for (const one of steps) await run.execute(one, (each) => open(run, each));
      await run.settle();
      expect(run.pages.flatMap(({ wrongs }) => wrongs)).toEqual([]);
      for (const page of run.pages) {
        const { json } = await rig.resource('Item').list(SERVER, page.url);
        expect(page.list, page.url).toEqual(JSON.parse(json));
        compared += page.compared;
      }
      expect(rig.faults).toEqual([]);
    },
  );
  await fc.assert(property, { numRuns: RUNS, ...(FROM as object) });
  expect(compared).toBeGreaterThan(RUNS);
});
