import fc from 'fast-check';
import { describe, test } from 'vitest';
import { connect, type LiveList } from '../../src/client/index.ts';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { until } from '../support/wait.ts';

const SCHEMA = `type Item @table @export(public: [read, create, update, delete, subscribe]) {
  id: ID! @primaryKey
  title: String!
  n: Int
}`;
interface Item {
  readonly id: string;
  readonly title: string;
  readonly n: number | null;
}

const QUERIES = [
  '',
  'sort=-n',
  'n=ge=5',
  'n=ge=5&sort=title,-n',
  'sort=n&limit=3',
  'sort=-title&limit=2&offset=1',
  'n=lt=7&sort=-n&limit=4',
  'sort=n&limit=5&delta=true',
  'select=title&delta=true',
  'title=sw=a&sort=-title&limit=2',
];

type Step = readonly [kind: 'put' | 'patch' | 'delete' | 'many' | 'kill', id: number, title: string, n: number];
const step = fc.tuple(
  fc.constantFrom(...(['put', 'put', 'patch', 'patch', 'delete', 'many', 'kill'] as const)),
  fc.integer({ min: 0, max: 9 }),
  fc.constantFrom('a', 'ab', 'b', 'Ä', '😀'),
  fc.integer({ min: 0, max: 10 }),
);

async function run(server: TestServer, [kind, id, title, n]: Step): Promise<void> {
  const path = `Item/i${id}`;
  if (kind === 'put') await server.put(path, { title, n });
  else if (kind === 'patch') await server.ask('PATCH', path, { json: { n } });
  else if (kind === 'delete') await server.ask('DELETE', path);
  else if (kind === 'many') await server.ask('PATCH', `Item?n=ge=${n}`, { json: { title } });
  else {
    await server.kill();
    await server.restart();
  }
}

describe('the state that a client folds', { timeout: 240_000 }, () => {
  test('equals GET after every step, for all kinds of queries, through kill -9 and reset', async () => {
    await using server = await startServer({
      schema: SCHEMA,
      // So short a log that some positions are trimmed while the server is away.
      config: `${BASE_CONFIG}events:\n  max_count: 20\nlimits:\n  requests_per_second: 10000\n`,
    });
    const client = connect<{ Item: Item }>(server.url(''));
    const lists = QUERIES.map((query) => [query, client.tables.Item.live(query)] as const);
    await Promise.all(lists.map(([, list]) => list.ready));
    const states = (list: LiveList<Item>) => JSON.stringify(list.records);
    const steps = fc.sample(step, { numRuns: 30, seed: Number(process.env.SEED ?? Date.now()) });
    for (const one of steps) {
      await run(server, one);
      for (const [query, list] of lists) {
        const plain = query.replace(/&?delta=true/, '');
        const { records } = await server.ask('GET', `Item?${plain}`);
        await until(
          async () => states(list),
          (text) => text === JSON.stringify(records),
          { what: `${query} after ${JSON.stringify(one)} of ${JSON.stringify(steps)}: ${JSON.stringify(records)}` },
        );
      }
    }
    // After a kill in the last step the lists may be right before they are connected again.
    await until(
      async () => lists.map(([, { status }]) => status),
      (found) => found.every((status) => status === 'live'),
      { what: 'live lists' },
    );
    client.close();
  });
});
