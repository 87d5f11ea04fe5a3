import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Identity, SERVER } from '../../src/auth/identity.ts';
import type { Write } from '../../src/store/rows/write.ts';
import { PropertyHarness } from './harness.ts';
import { clientSteps, Runner } from './runner.ts';
import { TotalsPage } from './totals-page.ts';
import { WindowPage } from './window-page.ts';

const RUNS = Number(process.env.PROPERTY_RUNS ?? 100);
const FROM = JSON.parse(process.env.PROPERTY_FROM ?? '{}') as fc.Parameters<unknown>;

const schema = (rule: string) => `
  type Item @table @export ${rule} {
    id: ID! @primaryKey n: Int @indexed s: String boardId: ID @indexed parentId: ID @indexed
    board: Board @relationship(from: "boardId", onDelete: CASCADE)
    parent: Item @relationship(from: "parentId")
    children: [Item] @relationship(to: "parentId")
    notes: [Note] @relationship(to: "itemId")
  }
  type Board @table @export(public: [read, subscribe]) {
    id: ID! @primaryKey name: String level: Int owner: String items: [Item] @relationship(to: "boardId")
  }
  type Note @table @export(public: [read, subscribe]) {
    id: ID! @primaryKey text: String itemId: ID @indexed
    item: Item @relationship(from: "itemId", onDelete: CASCADE)
  }`;
const RULE = '@access(read: "board.owner==$auth.sub | s==ab", subscribe: "board.owner==$auth.sub | s==ab")';
const ADA: Identity = { type: 'principal', sub: 'ada', roles: [], claims: {}, expiresAt: undefined };

const item = fc.constantFrom('a', 'b', 'c', 'd', 'm1', 'm2', 'm3');
const board = fc.constantFrom('x', 'y', 'z');
const number = fc.integer({ min: 0, max: 3 });
const fields = {
  Item: fc.record(
    {
      n: fc.option(number),
      s: fc.constantFrom(null, 'a', 'ab'),
      boardId: fc.option(board, { freq: 4 }),
      parentId: fc.option(item),
    },
    { requiredKeys: [] },
  ),
  Board: fc.record(
    { name: fc.constantFrom('a', 'b', null), level: number, owner: fc.constantFrom('ada', 'ben') },
    { requiredKeys: [] },
  ),
  Note: fc.record({ text: fc.constantFrom('a', 'b'), itemId: fc.option(item) }, { requiredKeys: [] }),
};
const keys = { Item: item, Board: board, Note: fc.constantFrom('n1', 'n2', 'n3') };
const writeTo = (table: keyof typeof fields) =>
  fc.record({
    table: fc.constant(table),
    op: fc.constantFrom('put' as const, 'patch' as const, 'patch' as const, 'delete' as const),
    id: keys[table],
    data: fields[table],
  });
const write = fc.oneof(
  { weight: 3, arbitrary: writeTo('Item') },
  { weight: 2, arbitrary: writeTo('Board') },
  { weight: 1, arbitrary: writeTo('Note') },
);
type OneWrite = typeof write extends fc.Arbitrary<infer T> ? T : never;

const FILTERS = [
  '',
  'n=gt=0',
  'board.name==a',
  'board.level=gt=1',
  'board.name!=a&n=lt=3',
  'notes.text==a',
  'parent.n==1|board.name==b',
  'children.s==ab',
  '!(parent.board.name==a)',
  'board==null',
  'notes!=null',
];
const query = fc.record({
  filter: fc.constantFrom(...FILTERS),
  totals: fc.constantFrom(
    '',
    '',
    '',
    'aggregate=count&group=s',
    'aggregate=count,sum(n),min(n),max(n)&group=boardId',
    'aggregate=count,max(n)&group=s&having=count=gt=1&limit=2',
    'count=true',
  ),
  sort: fc.constantFrom('', 'n', '-n', 's,-n', '-boardId'),
  limit: fc.integer({ min: 1, max: 4 }),
  offset: fc.constantFrom(0, 0, 0, 1, 2),
  select: fc.constantFrom('', 'select=n', 'select=n,board{id,name}', 'select=s,notes{id,text}', 'select=parent{id,n}'),
  delta: fc.boolean(),
  fast: fc.boolean(),
  mine: fc.boolean(),
});
type Query = typeof query extends fc.Arbitrary<infer T> ? T : never;

const step = fc.oneof(
  {
    weight: 14,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      writes: fc.array(write, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('all' as const), level: number }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('open' as const), query }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trim' as const), limit: fc.integer({ min: 1, max: 9 }) }) },
  ...clientSteps,
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Run extends Runner<WindowPage | TotalsPage> {
  openPage({ filter, totals, sort, limit, offset, select, delta, fast, mine }: Query): void {
    const identity = mine ? ADA : SERVER;
    if (totals !== '') {
      const url = [filter, totals].filter(Boolean).join('&');
      this.pages.push(new TotalsPage(this.rig, { url, fast, identity }));
      return;
    }
    const order = sort === '' ? '' : `sort=${sort}`;
    const place = offset === 0 ? '' : `offset=${offset}`;
    const url = [filter, order, `limit=${limit}`, place, select].filter(Boolean).join('&');
    this.pages.push(new WindowPage(this.rig, { url, delta: delta && !select.includes('{'), fast, identity }));
  }

  async step(one: Step): Promise<void> {
    if (one.do === 'write') this.keep(this.#write(one.writes));
    else if (one.do === 'all')
      this.keep(this.rig.resource('Board').patchMany(SERVER, 'all=true', { level: one.level }));
    else if (one.do === 'open') {
      if (this.pages.length < 8) this.openPage(one.query);
    } else if (one.do === 'trim') await this.rig.outerStore.trim(Date.now(), one.limit);
    else await this.executeClient(one);
  }

  /** Writes all, or none where one is refused. */
  async #write(writes: readonly OneWrite[]): Promise<void> {
    const prepared: Write[] = [];
    for (const { table, op, id, data } of writes) {
      const fieldsOf = op === 'delete' ? undefined : data;
      const { write: one } = await this.rig.resource(table).prepare(SERVER, {
        ...{ op, id, data: fieldsOf, precondition: undefined },
        isRepeated: true,
      });
      prepared.push(one);
    }
    await this.rig.commits.submit(prepared);
  }
}

test('windows and totals over relations are what the list returns, at every position', {
  retry: 0,
  timeout: 240_000,
}, async () => {
  let compared = 0;
  let resets = 0;
  const property = fc.asyncProperty(
    fc.array(query, { minLength: 1, maxLength: 4 }),
    fc.array(step, { minLength: 10, maxLength: 50 }),
    fc.constantFrom<object[]>({}, { flushed: true }, { later: true }),
    fc.record({
      ruled: fc.boolean(),
      replayPage: fc.constantFrom(1, 3, 500),
      maxCount: fc.constantFrom(3, 100_000, 100_000),
    }),
    async (queries, steps, how, { ruled, ...bounds }) => {
      using rig = new PropertyHarness({ sdl: schema(ruled ? RULE : ''), clientBuffer: 500, ...bounds, ...how });
      const run = new Run(rig);
      await rig.resource('Board').createMany(SERVER, [
        { id: 'x', name: 'a', level: 1, owner: 'ada' },
        { id: 'y', name: 'b', level: 2, owner: 'ben' },
      ]);
      const many = Array.from({ length: 16 }, (_, n) => ({
        id: `m${n}`,
        n: n % 4,
        s: n % 3 ? 'ab' : 'a',
        boardId: n % 2 ? 'x' : 'y',
      }));
      await rig.resource('Item').createMany(SERVER, many);
      await rig.resource('Note').createMany(SERVER, [{ id: 'n1', text: 'a', itemId: 'm1' }]);
      for (const one of queries) run.openPage(one);
      for (const one of steps) await run.step(one);
      await run.settle();
      expect(run.pages.flatMap(({ wrongs }) => wrongs)).toEqual([]);
      for (const page of run.pages) {
        const { json, total } = await rig.resource('Item').list(page.identity, page.url);
        if (total !== undefined && page instanceof TotalsPage) expect(page.total, page.url).toBe(total);
        else expect(page.list, page.url).toEqual(JSON.parse(json));
        compared += page.compared;
        resets += page.resets;
      }
      expect(rig.faults).toEqual([]);
    },
  );
  await fc.assert(property, { numRuns: RUNS, ...(FROM as object) });
  expect(compared).toBeGreaterThan(3 * RUNS);
  expect(resets).toBeLessThan(compared);
});
