import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import { turns } from '../support/engine.ts';
import { PropertyHarness } from './harness.ts';
import { Page } from './page.ts';

const RUNS = Number(process.env.PROPERTY_RUNS ?? 150);
const FROM = JSON.parse(process.env.PROPERTY_FROM ?? '{}') as fc.Parameters<unknown>;

const SDL = `
  enum Kind { RED BLUE }
  type Item @table @export { id: ID! @primaryKey n: Int @indexed s: String k: Kind b: Boolean tags: [String!] l: Long }
`;

const key = fc.constantFrom('a', 'b', 'c', 'd');
const number = fc.integer({ min: 0, max: 3 });
const text = fc.constantFrom('', 'a', 'ab', 'Été b', '😀');
const fields = fc.record(
  {
    n: fc.option(number),
    s: fc.option(text),
    k: fc.option(fc.constantFrom('RED', 'BLUE')),
    b: fc.option(fc.boolean()),
    tags: fc.option(fc.array(text, { maxLength: 2 })),
    l: fc.option(fc.constantFrom(1, '9223372036854775807')),
  },
  { requiredKeys: [] },
);
const condition = fc.oneof(
  fc.tuple(fc.constantFrom('n==', 'n!=', 'n=gt=', 'n=le='), number).map((parts) => parts.join('')),
  fc
    .tuple(fc.constantFrom('s===', 's!==', 's=sw=', 's=ct=', 'tags==', 'id='), text.map(encodeURIComponent))
    .map((parts) => parts.join('')),
  fc.constantFrom('k==RED', 'k!=BLUE', 'b==true', 'b=false', 'n==null', 's!=null', 'tags==null', 'l==1', 'l=gt=5'),
  fc.constantFrom('l==9223372036854775807', 's=ft=ete', 'tags=ft=b*', 'n=in=1,null', 'id=in=a,c', 'n=gele=1,2'),
);
const filter = fc.letrec((tie) => ({
  filter: fc.oneof(
    { maxDepth: 2 },
    { weight: 4, arbitrary: condition },
    {
      weight: 2,
      arbitrary: fc.array(tie('filter'), { minLength: 2, maxLength: 3 }).map((items) => `(${items.join('&')})`),
    },
    {
      weight: 1,
      arbitrary: fc.array(tie('filter'), { minLength: 2, maxLength: 3 }).map((items) => `(${items.join('|')})`),
    },
    { weight: 1, arbitrary: tie('filter').map((item) => `!(${item as string})`) },
  ),
})).filter as fc.Arbitrary<string>;
const query = fc.record({ filter, select: fc.constantFrom('', '', 'select=n', 'select=s,tags'), delta: fc.boolean() });
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('put' as const), id: key, fields }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('patch' as const), id: key, fields }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), id: key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leave' as const), client: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('return' as const), client: fc.nat() }) },
);

test('the URL that lists is the URL that streams: folded frames are the list, after every step', {
  retry: 0,
  timeout: 120_000,
}, async () => {
  let compared = 0;
  const property = fc.asyncProperty(
    fc.array(query, { minLength: 1, maxLength: 6 }),
    fc.array(step, { minLength: 5, maxLength: 30 }),
    fc.constantFrom({}, { flushed: true }, { later: true }),
    async (queries, steps, how) => {
      using rig = new PropertyHarness({ sdl: SDL, ...how });
      const resource = rig.resource('Item');
      await resource.createMany(SERVER, [
        { id: 'a', n: 1, s: 'a' },
        { id: 'b', k: 'RED', tags: ['ab'] },
      ]);
      const pages = queries.map((one) => new Page(rig, { ...one, identity: SERVER }));
      for (const one of steps) {
        if (one.do === 'put') await resource.put(SERVER, one.id, one.fields);
        else if (one.do === 'patch') await resource.patch(SERVER, one.id, one.fields).catch(() => {});
        else if (one.do === 'delete') await resource.delete(SERVER, one.id).catch(() => {});
        else if (one.do === 'leave') pages[one.client % pages.length]?.leave();
        else pages[one.client % pages.length]?.open();
        for (let turn = 0; turn < 200 && !pages.every(({ isSettled }) => isSettled); turn++) await turns(1);
        expect(pages.filter(({ isSettled }) => !isSettled)).toEqual([]);
        for (const page of pages) {
          if (!page.isOpen) continue;
          const { json } = await resource.list(SERVER, page.url);
          const listed = new Map((JSON.parse(json) as Record<string, unknown>[]).map((record) => [record.id, record]));
          expect(page.records, page.url).toEqual(listed);
          compared++;
        }
      }
      expect(rig.faults).toEqual([]);
    },
  );
  await fc.assert(property, { numRuns: RUNS, ...(FROM as object) });
  expect(compared).toBeGreaterThan(RUNS);
});
