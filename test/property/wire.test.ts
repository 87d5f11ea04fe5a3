import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { FoldClient, type FoldKind } from '../support/fold-client.ts';
import { V1_KINDS } from '../support/v1-client.ts';

const RUNS = Number(process.env.PROPERTY_RUNS ?? 2);
const FROM = JSON.parse(process.env.PROPERTY_FROM ?? '{}') as fc.Parameters<unknown>;

const PLAIN = `
  type Board @table @export(sse: true) { id: ID! @primaryKey name: String level: Int }
  type Item @table @export(sse: true) { id: ID! @primaryKey n: Int @indexed s: String boardId: ID }`;
const RELATED = `
  type Board @table @export(sse: true) {
    id: ID! @primaryKey name: String level: Int items: [Item] @relationship(to: "boardId")
  }
  type Item @table @export(sse: true) {
    id: ID! @primaryKey n: Int @indexed s: String boardId: ID @indexed
    board: Board @relationship(from: "boardId", onDelete: CASCADE)
  }`;

const PLAIN_FILTERS = ['', 'n=gt=0', 's==a', 'n==1|s==b'];
const RELATED_FILTERS = [
  ...PLAIN_FILTERS,
  'board.name==a',
  'board.level=gt=1&n=gt=0',
  '!(board.name==b)',
  'board==null',
];
const queryOf = (filters: readonly string[], shown: readonly string[]) =>
  fc
    .record({
      filter: fc.constantFrom(...filters),
      what: fc.constantFrom('window', 'window', 'window', 'cursor', 'totals', 'count', 'records'),
      sort: fc.constantFrom('n', '-n', 's,-n', '-id'),
      limit: fc.integer({ min: 1, max: 5 }),
      select: fc.constantFrom(...shown),
      totals: fc.constantFrom(
        'aggregate=count,sum(n)&group=s',
        'aggregate=count,min(n),max(n)&group=boardId&sort=-count',
        'aggregate=count,avg(n)&group=s&having=count=gt=1',
        'aggregate=count,max(n)',
      ),
    })
    .map(({ filter, what, sort, limit, select, totals }) => {
      const parts = {
        window: [filter, `sort=${sort}`, `limit=${limit}`, select],
        cursor: [filter, `sort=${sort}`, `limit=${limit}`, select],
        totals: [filter, totals],
        count: [filter, `sort=${sort}`, `limit=${limit}`, 'count=true'],
        records: [filter, select],
      }[what] as string[];
      return { query: parts.filter(Boolean).join('&'), isPage2: what === 'cursor', isSet: what === 'records' };
    });

const item = fc.constantFrom('a', 'b', 'c', 'd', 'm1', 'm2', 'm3');
const board = fc.constantFrom('x', 'y', 'z');
const fields = {
  Item: fc.record(
    { n: fc.option(fc.integer({ min: 0, max: 3 })), s: fc.constantFrom('a', 'b', null), boardId: fc.option(board) },
    { requiredKeys: [] },
  ),
  Board: fc.record({ name: fc.constantFrom('a', 'b'), level: fc.integer({ min: 0, max: 3 }) }, { requiredKeys: [] }),
};
const write = fc.oneof(
  fc.record({
    method: fc.constantFrom('PUT', 'PATCH', 'DELETE'),
    table: fc.constant('Item'),
    id: item,
    data: fields.Item,
  }),
  fc.record({
    method: fc.constantFrom('PUT', 'PATCH', 'DELETE'),
    table: fc.constant('Board'),
    id: board,
    data: fields.Board,
  }),
);
type OneWrite = typeof write extends fc.Arbitrary<infer T> ? T : never;
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('write' as const), write }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('together' as const),
      writes: fc.array(write, { minLength: 2, maxLength: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('bulk' as const), level: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('stall' as const), client: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('return' as const), client: fc.nat() }) },
);
const KINDS: readonly FoldKind[] = ['ws', 'sse', ...V1_KINDS.map((kind) => `v1 ${kind}` as const)];

/** What every query lists after each step: no other write comes before the lists are read. */
interface Moment {
  readonly position: number;
  readonly lists: readonly { readonly list: unknown; readonly total: number | undefined }[];
}

async function send(server: TestServer, { method, table, id, data }: OneWrite): Promise<void> {
  await server.ask(method, `${table}/${id}`, method === 'DELETE' ? {} : { json: data as never });
}

async function sendTogether(server: TestServer, writes: readonly OneWrite[]): Promise<void> {
  const steps = writes.map(({ method, table, id, data }) => ({
    ...{ op: method.toLowerCase(), table, id },
    ...(method === 'DELETE' ? {} : { data }),
  }));
  await server.ask('POST', '_/transaction', { json: { steps } as never });
}

async function look(server: TestServer, queries: readonly string[]): Promise<Moment> {
  const lists: { list: unknown; total: number | undefined }[] = [];
  for (const query of queries) {
    const { records, headers } = await server.ask('GET', `Item?${query}`);
    const total = headers.get('x-total-count');
    lists.push({ list: records, total: total === null ? undefined : Number(total) });
  }
  return { position: await FoldClient.head(server), lists };
}

function check(client: FoldClient, index: number, moments: readonly Moment[]): void {
  for (const { position, list, total } of client.states.splice(0)) {
    const moment = moments.find((one) => one.position >= position);
    if (moment === undefined) throw new Error(`${client.name} is at ${position}, which no write has reached`);
    const wanted = moment.lists[index];
    expect({ at: position, list: client.inOrder(list), total }, client.name).toEqual({
      at: position,
      list: client.inOrder(wanted?.list as unknown[]),
      total: wanted?.total,
    });
  }
}

test('what clients fold is what GET answers, at every position that they have, over slow readers, returns and kill -9', {
  retry: 0,
  timeout: 300_000,
}, async () => {
  let compared = 0;
  const cases = fc.constantFrom(
    { schema: PLAIN, query: queryOf(PLAIN_FILTERS, ['', 'select=n']) },
    { schema: RELATED, query: queryOf(RELATED_FILTERS, ['', 'select=n', 'select=n,board{id,name}']) },
    { schema: RELATED, query: queryOf(RELATED_FILTERS, ['', 'select=n', 'select=n,board{id,name}']) },
  );
  const plans = cases.chain(({ schema, query }) =>
    fc.record({
      schema: fc.constant(schema),
      // One for each way to be connected, and one more.
      queries: fc.array(query, { minLength: KINDS.length, maxLength: KINDS.length + 1 }),
      rounds: fc.array(fc.array(step, { minLength: 8, maxLength: 16 }), { minLength: 2, maxLength: 3 }),
    }),
  );
  const property = fc.asyncProperty(plans, async ({ schema, queries, rounds }) => {
    await using server = await startServer({
      schema,
      config: `${BASE_CONFIG}sse: true\nlimits: {messages_per_second: 100000, messages_burst: 100000}\n`,
    });
    for (const [id, name] of [
      ['x', 'a'],
      ['y', 'b'],
    ] as const)
      await server.put(`Board/${id}`, { name, level: 2 });
    for (let n = 0; n < 12; n++)
      await server.put(`Item/m${n}`, { n: n % 4, s: n % 3 ? 'a' : 'b', boardId: n % 2 ? 'x' : 'y' });
    const lists: string[] = [];
    for (const { query, isPage2 } of queries) {
      const next = isPage2 ? (await server.ask('GET', `Item?${query}`)).headers.get('link') : null;
      const cursor = next === null ? undefined : /cursor=([^&>]+)/.exec(next)?.[1];
      lists.push(cursor === undefined ? query : `${query}&cursor=${cursor}`);
    }
    const moments = [await look(server, lists)];
    const clients = lists.map(
      (query, index) => new FoldClient(KINDS[index % KINDS.length] as FoldKind, query, queries[index]?.isSet === true),
    );
    for (const [index, round] of rounds.entries()) {
      for (const client of clients) await client.open(server);
      for (const one of round) {
        const client = 'client' in one ? clients[one.client % clients.length] : undefined;
        if (one.do === 'write') await send(server, one.write);
        else if (one.do === 'together') await sendTogether(server, one.writes);
        else if (one.do === 'bulk') await server.ask('PATCH', 'Board?all=true', { json: { level: one.level } });
        else if (one.do === 'stall') client?.stall();
        else {
          client?.close();
          await client?.open(server);
        }
        if (client === undefined) moments.push(await look(server, lists));
      }
      if (index < rounds.length - 1) {
        await server.kill();
        for (const client of clients) client.close();
        await server.start();
      }
    }
    const last = moments.at(-1);
    for (const [index, client] of clients.entries()) {
      client.wake();
      const wanted = last?.lists[index];
      await expect
        .poll(() => [client.inOrder(client.list), client.total], { timeout: 20_000 })
        .toEqual([client.inOrder(wanted?.list as unknown[]), wanted?.total]);
      compared += client.states.length;
      check(client, index, moments);
      client.close();
    }
  });
  await fc.assert(property, { numRuns: RUNS, endOnFailure: true, ...(FROM as object) });
  expect(compared).toBeGreaterThan(10 * RUNS);
});
