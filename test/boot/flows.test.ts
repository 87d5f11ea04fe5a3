import { writeFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { startServer } from '../../src/index.ts';
import { makeFolder } from '../config/folders.ts';
import { ask } from '../support/http.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';

const PUBLIC = '@export(public: [read, create, update, delete, subscribe, publish])';
const SCHEMA = `type Order @table ${PUBLIC} { id: ID! @primaryKey number: Int status: String }
type Copy @table ${PUBLIC} { id: ID! @primaryKey number: Int! @constraint(max: 100) }`.replace(
  ' @constraint(max: 100)',
  '',
);

const FLOWS = `flows:
  copy:
    from: {connector: table, operation: create, table: Order}
    when: input.record.status != "skip"
    transform: {id: input.id, number: input.record.number}
    to:
      - {connector: table, operation: create, target: Copy}
      - {connector: table, operation: publish, target: Order}
    retry: {attempts: 2, delay: 1ms}
`;

async function start(config: string, schema = SCHEMA) {
  const dir = makeFolder({ 'schema.graphql': schema, 'config.yaml': `port: 0\nlogging: {level: silent}\n${config}` });
  const options = { dir, env: {}, allowDestructive: false };
  let server = await startServer(options);
  onTestFinished(() => server.close());
  return {
    ask: (method: string, path: string, more: Parameters<typeof ask>[2] = {}) =>
      ask(method, `${server.url}/my-app/${path}`, more),
    metrics: async () => (await ask('GET', `${server.url}/metrics`)).text,
    restart: async () => {
      await server.close();
      server = await startServer(options);
    },
  };
}

type Started = Awaited<ReturnType<typeof start>>;

async function flowOf({ ask }: Started, name = 'copy') {
  const { flows } = (await ask('GET', 'flows')).record as unknown as { flows: Record<string, unknown>[] };
  return flows.find((flow) => flow.name === name) as Record<string, unknown>;
}

async function lettersOf({ ask }: Started, query = '') {
  return (await ask('GET', `flows/dead-letters${query}`)).record as unknown as {
    dead_letters: Record<string, unknown>[];
    next: string | null;
  };
}

describe('a flow of a server', () => {
  test('passes the changes of one table to another, over a restart, and is counted', async () => {
    const app = await start(FLOWS);
    await app.ask('POST', 'Order', {
      json: [
        { id: 'a', number: 1 },
        { id: 'b', number: 2, status: 'skip' },
      ],
    });
    await vi.waitFor(async () => expect((await app.ask('GET', 'Copy')).records).toEqual([{ id: 'a', number: 1 }]));
    await vi.waitFor(async () =>
      expect(await flowOf(app)).toEqual({
        name: 'copy',
        from: { connector: 'table', operation: 'create' },
        to: [
          { connector: 'table', operation: 'create', target: 'Copy' },
          { connector: 'table', operation: 'publish', target: 'Order' },
        ],
        events: { done: 1, skipped: 1, failed: 0, dead: 0 },
        retries: 0,
        at_work: 0,
        dead_letters: 0,
      }),
    );
    const text = await app.metrics();
    expect(text).toContain('tablecast_flow_events_total{app="my-app",flow="copy",outcome="done"} 1');
    expect(text).toContain('# TYPE tablecast_flow_duration_seconds histogram');
    expect(text).toContain('tablecast_flow_duration_seconds_bucket{app="my-app",flow="copy",le="+Inf"} 1');
    expect(text).toMatch(/tablecast_flow_duration_seconds_sum\{app="my-app",flow="copy"\} 0\.\d+/);
    expect(text).toContain('tablecast_flow_duration_seconds_count{app="my-app",flow="copy"} 1');
    expect(text).toContain('tablecast_flow_dead_letters{app="my-app",flow="copy"} 0');
    expect(text).toContain('tablecast_flow_gaps_total{app="my-app",flow="copy"} 0');
    expect(text).toContain('tablecast_connections{transport="my-app/table"} 0');
    await app.restart();
    await app.ask('POST', 'Order', { json: { id: 'c', number: 3 } });
    await vi.waitFor(async () => expect((await app.ask('GET', 'Copy?sort=id')).records).toHaveLength(2));
  });

  test('stores an event that it cannot handle as a dead letter, which can be read, retried and deleted', async () => {
    const app = await start(FLOWS);
    for (const id of ['a', 'b', 'c']) await app.ask('POST', 'Order', { json: { id } });
    await vi.waitFor(async () => expect((await lettersOf(app)).dead_letters).toHaveLength(3));
    const first = await lettersOf(app, '?limit=2');
    expect(first.dead_letters).toMatchObject([{ flow: 'copy' }, { flow: 'copy' }]);
    const second = await lettersOf(app, `?limit=2&before=${first.next}&flow=copy`);
    expect([second.dead_letters.length, second.next]).toEqual([1, null]);
    expect((await lettersOf(app, '?flow=other')).dead_letters).toEqual([]);
    const [oldest] = second.dead_letters;
    const path = `flows/dead-letters/${String(oldest?.id)}`;
    const found = await app.ask('GET', path);
    expect(found.record).toMatchObject({
      flow: 'copy',
      error: 'VALIDATION_ERROR: number: must not be null',
      attempts: 1,
      done: ['1 table publish Order'],
      input: { event: 'create', id: 'a', record: { number: null } },
    });
    expect(found.headers.get('cache-control')).toBe('no-store');
    expect(found.record).not.toHaveProperty('identity');
    const typed = { headers: { 'content-type': 'application/json' } };
    const again = await app.ask('POST', `${path}/replay`, typed);
    expect([again.status, again.record]).toMatchObject([502, { code: 'FLOW_FAILED' }]);
    expect((await app.ask('GET', path)).record).toMatchObject({ attempts: 2 });
    expect((await app.ask('DELETE', path, typed)).status).toBe(204);
    for (const [method, end] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/replay'],
    ] as const) {
      expect((await app.ask(method, `${path}${end}`)).status).toBe(404);
    }
    expect(await flowOf(app)).toMatchObject({ events: { dead: 3 }, dead_letters: 2 });
    for (const query of [
      '?limit=0',
      '?limit=x',
      '?limit=201',
      '?nope=1',
      '?flow=copy&flow=other',
      '?before=a&before=b',
    ]) {
      expect((await app.ask('GET', `flows/dead-letters${query}`)).record).toMatchObject({ code: 'INVALID_QUERY' });
    }
  });

  test('removes a dead letter after a successful retry', async () => {
    const config = FLOWS.replace('number: input.record.number', 'number: input.record.missing');
    const dir = makeFolder({ 'schema.graphql': SCHEMA, 'config.yaml': '' });
    const write = (flows: string) => writeFileSync(`${dir}/config.yaml`, `port: 0\nlogging: {level: silent}\n${flows}`);
    const run = async (flows: string) => {
      write(flows);
      const server = await startServer({ dir, env: {}, allowDestructive: false });
      const at = (method: string, path: string, more = {}) => ask(method, `${server.url}/my-app/${path}`, more);
      return { server, at };
    };
    const broken = await run(config);
    await broken.at('POST', 'Order', { json: { id: 'a', number: 7 } });
    await vi.waitFor(async () =>
      expect((await broken.at('GET', 'flows/dead-letters')).record).toMatchObject({
        dead_letters: [{ error: 'input.record.missing: No such key: missing', attempts: 0 }],
      }),
    );
    await broken.server.close();
    const mended = await run(FLOWS);
    onTestFinished(() => mended.server.close());
    const { dead_letters: letters } = (await mended.at('GET', 'flows/dead-letters')).record as unknown as {
      dead_letters: { id: string }[];
    };
    const replayed = await mended.at('POST', `flows/dead-letters/${letters[0]?.id}/replay`);
    expect([replayed.status, replayed.record]).toEqual([200, { replayed: true, result: { id: 'a', number: 7 } }]);
    expect((await mended.at('GET', 'Copy')).records).toEqual([{ id: 'a', number: 7 }]);
    expect((await mended.at('GET', 'flows/dead-letters')).record).toEqual({ dead_letters: [], next: null });
  });

  test('removes dead letters beyond their maximum, the oldest first', async () => {
    const app = await start(`dead_letters: {max_count: 2}\n${FLOWS}`);
    for (const id of ['a', 'b', 'c']) await app.ask('POST', 'Order', { json: { id } });
    await vi.waitFor(async () => expect((await flowOf(app)).events).toMatchObject({ dead: 3 }));
    const { dead_letters: letters } = await lettersOf(app);
    expect(letters.map(({ event_key: key }) => key)).toHaveLength(2);
    expect(await flowOf(app)).toMatchObject({ dead_letters: 2 });
  });
});

describe('access to flows', () => {
  const paths = ['flows', 'flows/dead-letters', 'flows/dead-letters/x'];

  test('is for the admin role when authentication is on', async () => {
    const app = await start(`auth: {jwt: {secret: ${SECRET}}}\n${FLOWS}`);
    const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
    for (const path of paths) {
      expect([path, (await app.ask('GET', path)).status]).toEqual([path, 401]);
      expect([path, (await app.ask('GET', path, as(tokenOf('ann')))).status]).toEqual([path, 403]);
      const status = path.endsWith('x') ? 404 : 200;
      expect([path, (await app.ask('GET', path, as(tokenOf('root', { roles: ['admin'] })))).status]).toEqual([
        path,
        status,
      ]);
    }
    for (const method of ['POST', 'DELETE']) {
      const path = method === 'POST' ? 'flows/dead-letters/x/replay' : 'flows/dead-letters/x';
      expect((await app.ask(method, path)).status).toBe(401);
      expect((await app.ask(method, path, as(tokenOf('ann')))).status).toBe(403);
    }
  });

  test('is for this machine only when authentication is off', async () => {
    const app = await start(`host: 0.0.0.0\nauth: none\n${FLOWS}`);
    for (const path of paths) expect([path, (await app.ask('GET', path)).status]).toEqual([path, 403]);
    const proxied = await start(`trust_proxy: true\n${FLOWS}`);
    expect((await proxied.ask('GET', 'flows')).status).toBe(403);
  });
});

test('a table cannot use the path of flows, which is not served without flows', async () => {
  const named = `type Flow @table @export(name: "flows") { id: ID! @primaryKey }`;
  await expect(start('', named)).rejects.toThrow('"flows" is used by the server itself');
  const app = await start('');
  expect((await app.ask('GET', 'flows')).status).toBe(404);
});
