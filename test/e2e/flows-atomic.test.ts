import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, makeApp, runToExit, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { V1Client } from '../support/v1-client.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `type Order @table @export { id: ID! @primaryKey n: Int! }
type Copy @table @export { id: ID! @primaryKey n: Int }
type Small @table @export { id: ID! @primaryKey n: Int @constraint(max: 10) }`;

const FLOWS = `connectors:
  lobby: {type: websocket, path: /lobby}
flows:
  copies:
    from: {connector: table, operation: change, table: Order, filter: n>=0}
    when: input.event != "delete"
    transform: {id: input.id, n: input.record.n}
    atomic: true
    to:
      - {connector: table, operation: upsert, target: Copy}
      - {connector: lobby, operation: broadcast}
      - {connector: table, operation: upsert, target: Small}
    retry: {attempts: 2, delay: 1ms}
  removed:
    from: {connector: table, operation: delete, table: Order}
    transform: {id: input.id}
    atomic: true
    to:
      - {connector: table, operation: delete, target: Copy}
      - {connector: table, operation: delete, target: Small}
`;

describe('a flow that is atomic', { timeout: 120_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ schema: SCHEMA, config: BASE_CONFIG + FLOWS });
  }, 60_000);
  afterAll(() => server[Symbol.asyncDispose]());

  const statusOf = async (path: string) => (await server.ask('GET', path)).status;
  const waitFor = (path: string, status: number) =>
    until(
      () => statusOf(path),
      (found) => found === status,
      { timeout: 30_000, what: `${path} is ${status}` },
    );
  const letters = async () => {
    const { record } = await server.ask('GET', '_/flows/dead-letters');
    return record.dead_letters as Json[];
  };

  test('writes its tables in one transaction, and delivers to the others after it', async () => {
    using room = await WsClient.open(server.wsUrl('lobby'));
    using live = await V1Client.open(`${server.origin}/my-app`);
    for (const table of ['Copy', 'Small']) await live.subscribe(table, table);
    await server.put('Order/a', { n: 5 });
    const message = await room.controls.next(({ type }) => type === 'message');
    expect(message.data).toEqual({ id: 'a', n: 5 });
    expect((await server.ask('GET', 'Small/a')).record).toEqual({ id: 'a', n: 5 });
    const [copy, small] = [await live.next({ type: 'update', id: 'a' }), await live.next({ type: 'update', id: 'a' })];
    expect([copy.s, small.s]).toEqual([['Copy'], ['Small']]);
    expect([copy.tx, small.tx]).toEqual([small.seq, small.seq]);
  });

  test('writes none of them and delivers nothing when one is refused; the event is one dead letter', async () => {
    using room = await WsClient.open(server.wsUrl('lobby'));
    await server.put('Order/b', { n: 50 });
    const [letter] = await until(letters, (all) => all.length > 0, { timeout: 30_000, what: 'a dead letter' });
    expect(letter).toMatchObject({ flow: 'copies', error: expect.stringContaining('steps[1].n: must be at most 10') });
    expect([await statusOf('Copy/b'), await statusOf('Small/b')]).toEqual([404, 404]);
    const replay = await server.ask('POST', `_/flows/dead-letters/${letter?.id}/replay`);
    expect([replay.status, replay.record.code]).toEqual([502, 'FLOW_FAILED']);
    await server.put('Order/c', { n: 6 });
    const message = await room.controls.next(({ type }) => type === 'message');
    expect(message.data).toEqual({ id: 'c', n: 6 });
    expect(await letters()).toHaveLength(1);
  });

  test('removes what is there', async () => {
    await server.put('Order/d', { n: 1 });
    await waitFor('Small/d', 200);
    await server.ask('DELETE', 'Small/d');
    await server.ask('DELETE', 'Order/d');
    await waitFor('Copy/d', 404);
    expect((await letters()).filter(({ flow }) => flow === 'removed')).toEqual([]);
  });
});

test.each([
  ['{connector: table, operation: upsert, target: Copy}', 'there is one'],
  [
    '[{connector: table, operation: upsert, target: Copy}, {connector: lobby, operation: broadcast}]',
    'lobby broadcast cannot be part of a transaction',
  ],
])(
  'check refuses a flow that cannot be atomic: to: %s',
  async (to, reason) => {
    const flows = `connectors:
  lobby: {type: websocket, path: /lobby}
flows:
  one:
    from: {connector: table, operation: change, table: Order}
    transform: {id: input.id}
    atomic: true
    to: ${to}
`;
    const dir = await makeApp({ schema: SCHEMA, config: BASE_CONFIG + flows });
    try {
      const { code, stderr } = await runToExit(['check', dir.dir]);
      expect(code).toBe(1);
      expect(stderr).toContain(`flows.one.atomic is for several targets that are tables: ${reason}`);
    } finally {
      await rm(dir.dir, { recursive: true });
    }
  },
  60_000,
);
