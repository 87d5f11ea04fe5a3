import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import type { Write } from '../../src/store/rows/write.ts';
import { PropertyHarness } from './harness.ts';
import { byId, MarkedPage, type MarkedQuery } from './marked-page.ts';
import { clientSteps, Runner } from './runner.ts';

const RUNS = Number(process.env.PROPERTY_RUNS ?? 100);
const FROM = JSON.parse(process.env.PROPERTY_FROM ?? '{}') as fc.Parameters<unknown>;

const SDL = `
  type Item @table @export {
    id: ID! @primaryKey n: Int boardId: ID pad: String
    board: Board @relationship(from: "boardId")
  }
  type Board @table @export { id: ID! @primaryKey name: String }
`;

type Json = Readonly<Record<string, unknown>>;
const n = ({ n: value }: Json) => (typeof value === 'number' ? value : -1);
const boardOf = ({ boardId }: Json, boards: ReadonlyMap<unknown, Json>) =>
  boardId === null ? undefined : boards.get(boardId);

const QUERIES: readonly MarkedQuery[] = [
  { url: '', isWindow: false, list: (items) => [...items] },
  { url: 'n=gt=1', isWindow: false, list: (items) => items.filter((item) => n(item) > 1) },
  { url: 'n==2', isWindow: false, list: (items) => items.filter((item) => n(item) === 2) },
  {
    url: 'sort=-n&limit=2',
    isWindow: true,
    list: (items) => items.toSorted((one, other) => n(other) - n(one) || byId(one, other)).slice(0, 2),
  },
  {
    url: 'board.name==a',
    isWindow: false,
    list: (items, boards) => items.filter((item) => boardOf(item, boards)?.name === 'a'),
  },
  {
    url: 'select=n,board{name}',
    isWindow: false,
    list: (items, boards) =>
      items.map((item) => {
        const board = boardOf(item, boards);
        return { id: item.id, n: item.n, board: board === undefined ? null : { name: board.name } };
      }),
  },
];

const write = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      table: fc.constant('Item' as const),
      id: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      data: fc.option(
        fc.record({
          n: fc.integer({ min: 0, max: 3 }),
          boardId: fc.constantFrom(null, 'x', 'y'),
          pad: fc.constantFrom(null, 'p'.repeat(120)),
        }),
        { freq: 3 },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      table: fc.constant('Board' as const),
      id: fc.constantFrom('x', 'y'),
      data: fc.option(fc.record({ name: fc.constantFrom('a', 'b') }), { freq: 4 }),
    }),
  },
);
type OneWrite = typeof write extends fc.Arbitrary<infer T> ? T : never;

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      writes: fc.array(write, { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('all' as const), n: fc.integer({ min: 0, max: 3 }) }) },
  ...clientSteps,
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Run extends Runner<MarkedPage> {
  constructor(rig: PropertyHarness, clients: readonly { readonly query: number; readonly fast: boolean }[]) {
    super(rig);
    for (const { query, fast } of clients) this.pages.push(new MarkedPage(rig, QUERIES[query] as MarkedQuery, fast));
  }

  async step(one: Step): Promise<void> {
    if (one.do === 'write') this.keep(this.#write(one.writes));
    else if (one.do === 'all') this.keep(this.rig.resource('Item').patchMany(SERVER, 'all=true', { n: one.n }));
    else await this.executeClient(one);
  }

  async #write(writes: readonly OneWrite[]): Promise<void> {
    const prepared: Write[] = [];
    for (const { table, id, data } of writes) {
      const resource = this.rig.resource(table);
      const op = data === null ? ('delete' as const) : ('put' as const);
      const { write: one } = await resource.prepare(SERVER, {
        ...{ op, id, data: data ?? undefined, precondition: undefined },
        isRepeated: true,
      });
      prepared.push(one);
    }
    await this.rig.commits.submit(prepared);
  }
}

test('a client that applies each transaction at once has at every mark what the list has there', {
  retry: 0,
  timeout: 240_000,
}, async () => {
  let compared = 0;
  const property = fc.asyncProperty(
    fc.array(fc.record({ query: fc.nat(QUERIES.length - 1), fast: fc.boolean() }), { minLength: 1, maxLength: 5 }),
    fc.array(step, { minLength: 5, maxLength: 40 }),
    fc.constantFrom<object[]>({}, { flushed: true }, { later: true }),
    fc.constantFrom(2, 3, 500),
    async (clients, steps, how, replayPage) => {
      using rig = new PropertyHarness({ sdl: SDL, clientBuffer: 600, replayPage, ...how });
      const run = new Run(rig, clients);
      for (const one of steps) await run.step(one);
      await run.settle();
      for (const page of run.pages) page.checkEnd();
      expect(run.pages.flatMap(({ wrongs }) => wrongs)).toEqual([]);
      expect(rig.faults).toEqual([]);
      for (const page of run.pages) compared += page.compared;
    },
  );
  await fc.assert(property, { numRuns: RUNS, ...(FROM as object) });
  expect(compared).toBeGreaterThan(3 * RUNS);
});
