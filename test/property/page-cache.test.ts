import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import { PropertyHarness } from './harness.ts';

const RUNS = Number(process.env.PROPERTY_RUNS ?? 100);

const SDL = `
  type Author @table @export { id: ID! @primaryKey name: String books: [Book] @relationship(to: "authorId") }
  type Book @table @export {
    id: ID! @primaryKey
    n: Int @indexed
    authorId: ID
    author: Author @relationship(from: "authorId")
  }
  type Other @table @export { id: ID! @primaryKey n: Int }
`;

const QUERIES: readonly (readonly [string, string])[] = [
  ['Book', ''],
  ['Book', 'n=gt=1&sort=-n&count=true'],
  ['Book', 'limit=2&sort=n'],
  ['Book', 'author.name==x'],
  ['Book', 'select=id,author{name}'],
  ['Author', 'select=name,books{n}'],
  ['Author', 'books.n==2&count=true'],
  ['Other', 'n=1'],
];

const id = fc.constantFrom('a', 'b', 'c');
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ table: fc.constant('Book'), id, n: fc.nat(3), authorId: fc.option(id) }),
  },
  { weight: 2, arbitrary: fc.record({ table: fc.constant('Author'), id, name: fc.constantFrom('x', 'y') }) },
  { weight: 1, arbitrary: fc.record({ table: fc.constant('Other'), id, n: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ remove: fc.constantFrom('Book', 'Author', 'Other'), id }) },
  { weight: 8, arbitrary: fc.record({ read: fc.array(fc.nat(QUERIES.length - 1), { minLength: 1, maxLength: 6 }) }) },
);

test('a list from the cache equals that of the store after any writes', { retry: 0 }, async () => {
  let cached = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.constantFrom(0, 2), async (steps, commitTurns) => {
      using rig = new PropertyHarness({ sdl: SDL, commitTurns });
      for (const one of steps) {
        if ('read' in one) {
          // Each is read repeatedly, so that it is cached.
          for (const index of [...one.read, ...one.read, ...one.read]) check(rig, index);
        } else if ('remove' in one) {
          await rig
            .resource(one.remove)
            .delete(SERVER, one.id)
            .catch(() => {});
        } else {
          const { table, ...record } = one;
          await rig.resource(table).put(SERVER, record.id, record);
        }
      }
      for (const name of ['Book', 'Author', 'Other']) cached += rig.resource(name).counters.cached;
    }),
    { numRuns: RUNS },
  );
  // Otherwise the cache was not tested at all.
  expect(cached).toBeGreaterThan(RUNS);
});

function check(rig: PropertyHarness, index: number): void {
  const [name, query] = QUERIES[index] as (typeof QUERIES)[number];
  const resource = rig.resource(name);
  const given = resource.list(SERVER, query);
  expect(given).toEqual(rig.store.list(resource.table, resource.parseList(SERVER, query)));
}
