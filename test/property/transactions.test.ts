import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import type { Write } from '../../src/store/store.ts';
import { turns } from '../support/engine.ts';
import { PropertyHarness } from './harness.ts';
import { byId, MarkedPage, type MarkedQuery } from './marked-page.ts';

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
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leave' as const), client: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('return' as const), client: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('read' as const), client: fc.nat(), size: fc.nat(900) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 3 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Run {
  readonly rig: PropertyHarness;
  readonly pages: readonly MarkedPage[];
  readonly #writes: Promise<unknown>[] = [];

  constructor(rig: PropertyHarness, clients: readonly { readonly query: number; readonly fast: boolean }[]) {
    this.rig = rig;
    this.pages = clients.map(({ query, fast }) => new MarkedPage(rig, QUERIES[query] as MarkedQuery, fast));
  }

  async execute(one: Step): Promise<void> {
    switch (one.do) {
      case 'write':
        return this.#keep(this.#write(one.writes));
      case 'all':
        return this.#keep(this.rig.resource('Item').patchMany(SERVER, 'all=true', { n: one.n }));
      case 'turns':
        return turns(one.count);
      case 'restart':
        await Promise.all(this.#writes);
        for (const page of this.pages) page.leave();
        return this.rig.restart();
    }
    const page = this.pages[one.client % this.pages.length];
    if (one.do === 'leave') page?.leave();
    else if (one.do === 'return') page?.open();
    else page?.sink?.drain(one.size);
  }

  async settle(): Promise<void> {
    await Promise.all(this.#writes);
    for (const page of this.pages) page.open();
    for (let quiet = 0, turn = 0; quiet < 4; turn++) {
      if (turn > 800) throw new Error(`it does not settle: ${this.rig.faults}`);
      for (const { sink } of this.pages) sink?.drain();
      await turns(1);
      quiet = this.pages.every(({ isSettled }) => isSettled) ? quiet + 1 : 0;
    }
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

  #keep(written: Promise<unknown>): void {
    this.#writes.push(written.catch(() => {}));
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
      for (const one of steps) await run.execute(one);
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
