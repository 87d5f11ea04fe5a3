import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { BASE_CONFIG, makeApp, runToExit, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { until } from '../support/wait.ts';

const SCHEMA = `type Order @table @export { id: ID! @primaryKey number: Int! }
type Big @table @export { id: ID! @primaryKey double: Int! }
type Seen @table @export { id: ID! @primaryKey order: ID! event: String! }`;

const FLOWS = `flows:
  big:
    from: {connector: table, operation: change, table: Order, filter: number>=50}
    when: input.event != "delete"
    transform: {id: input.id, double: input.record.number * 2}
    to: {connector: table, operation: upsert, target: Big}
  seen:
    from: {connector: table, operation: change, table: Order}
    transform: {order: input.id, event: input.event}
    to: {connector: table, operation: create, target: Seen}
    retry: {attempts: 3, delay: 1ms}
`;

const LIMITS = 'limits: {page_default: 1000, anonymous_requests_per_second: 0, requests_per_second: 0}\n';

/** Orders that are written at once: more than the flows have done when the server is killed. */
const BATCH = 150;
const KILLS = 5;

async function read(server: TestServer, table: string): Promise<readonly Json[]> {
  return (await server.ask('GET', `${table}?sort=id`)).records;
}

test('kill -9 in the middle of writes: every change goes through every flow, and is there once', {
  timeout: 120_000,
}, async () => {
  await using server = await startServer({ schema: SCHEMA, config: BASE_CONFIG + LIMITS + FLOWS });
  const size = BATCH * KILLS;
  const orders = Array.from({ length: size }, (_, number) => ({ id: `o${number}`, number }));
  for (let kills = 0; kills < KILLS; kills++) {
    const answer = await server.ask('POST', 'Order', { json: orders.slice(kills * BATCH, (kills + 1) * BATCH) });
    expect(answer.status).toBe(201);
    await pause(40 * (kills + 1));
    await server.kill();
    await server.restart();
  }
  const seen = await until(
    () => read(server, 'Seen'),
    (records) => new Set(records.map(({ order }) => order)).size === size,
    { timeout: 30_000, what: `a record of ${size} orders` },
  );
  const creations = seen.filter(({ event }) => event === 'create');
  expect(creations).toHaveLength(size);
  const expected = Array.from({ length: size - 50 }, (_, index) => ({
    id: `o${index + 50}`,
    double: (index + 50) * 2,
  }));
  const big = await until(
    () => read(server, 'Big'),
    (records) => records.length === expected.length,
    { timeout: 30_000, what: 'all big orders' },
  );
  expect(big).toEqual(expected.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
  const { record } = await server.ask('GET', 'flows/dead-letters');
  expect(record).toEqual({ dead_letters: [], next: null });
});

test('a target that fails is tried again; then the event is a dead letter, which can be replayed', async () => {
  const hooks = `import { existsSync } from 'node:fs';
const flag = new URL('./broken', import.meta.url);
export const tables = { Seen: { beforeCreate() { if (existsSync(flag)) throw new TypeError('broken'); } } };
`;
  const config = `${BASE_CONFIG}${LIMITS}hooks: hooks.js\n${FLOWS}`;
  await using server = await startServer({ schema: SCHEMA, config, files: { 'hooks.js': hooks, broken: '' } });
  await server.put('Order/a', { number: 1 });
  const letters = () => server.ask('GET', 'flows/dead-letters').then(({ record }) => record.dead_letters as Json[]);
  const [letter] = await until(letters, (found) => found.length === 1, { what: 'a dead letter' });
  expect(letter).toMatchObject({ flow: 'seen', attempts: 3, done: [] });
  expect(letter?.error).toMatch(/^HOOK_FAILED/);
  expect(await server.metric(/^tablecast_flow_retries_total\{.*flow="seen"/)).toBe(2);
  expect(await server.metric(/^tablecast_flow_dead_letters\{.*flow="seen"/)).toBe(1);
  const path = `flows/dead-letters/${letter?.id}/replay`;
  expect((await server.ask('POST', path)).status).toBe(502);
  await rm(join(server.dir, 'broken'));
  // It outlives the process, too.
  await server.kill();
  await server.restart();
  expect((await server.ask('POST', path)).record).toMatchObject({ replayed: true, result: { order: 'a' } });
  expect(await read(server, 'Seen')).toMatchObject([{ order: 'a', event: 'create' }]);
  expect(await letters()).toEqual([]);
  expect((await server.ask('POST', path)).status).toBe(404);
});

test('`tablecast check` prints connectors and flows, and mistakes where they stand in config.yaml', async () => {
  const { dir, root } = await makeApp({ schema: SCHEMA, config: BASE_CONFIG + FLOWS });
  try {
    const good = await runToExit(['check', dir]);
    expect(good).toMatchObject({ code: 0, stderr: '' });
    expect(good.stdout).toContain('\nconnectors\n  table\n');
    expect(good.stdout).toContain(
      '\n  big\n    from   table change table=Order filter=number>=50, when …, transformed\n    to     table upsert Big (as server)\n',
    );
    await writeFile(join(dir, 'config.yaml'), BASE_CONFIG + FLOWS.replace('target: Big', 'target: Bigg'));
    for (const command of ['check', 'start']) {
      const bad = await runToExit([command, dir]);
      expect(bad.code).toBe(1);
      expect(bad.stderr).toMatch(/config\.yaml:12:55 flows\.big\.to\.target: there is no exported table "Bigg"/);
      expect(bad.stderr).toContain('did you mean "Big"?');
    }
  } finally {
    if (root !== undefined) await rm(root, { recursive: true, force: true });
  }
});
