import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { BinaryWs } from '../support/binary-ws.ts';
import type { Json } from '../support/frames.ts';
import { GatewayClient, REALTIME } from '../support/gateway-client.ts';
import { SseClient } from '../support/sse-client.ts';
import { V1_KINDS, V1Client } from '../support/v1-client.ts';
import { WsClient } from '../support/ws-client.ts';

const OPEN = '@export(public: [read, create, update, delete, subscribe, publish])';
const SCHEMA = `
type Account @table ${OPEN} { id: ID! @primaryKey owner: String @indexed balance: Int! }
type Entry @table ${OPEN} { id: ID! @primaryKey accountId: ID amount: Int! account: Account @relationship(from: "accountId") }`;

/** Steps that write two accounts of `owner`, one of another owner, and one entry between them. */
const steps = (owner: string): Json[] => [
  { op: 'put', table: 'Account', id: `${owner}-1`, data: { owner, balance: 1 } },
  { op: 'put', table: 'Entry', id: `${owner}-e`, data: { accountId: `${owner}-1`, amount: 2 } },
  { op: 'put', table: 'Account', id: `${owner}-2`, data: { owner, balance: 3 } },
  { op: 'put', table: 'Account', id: `${owner}-x`, data: { owner: 'nobody', balance: 4 } },
];

describe('frames of a transaction', { timeout: 120_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}sse: true\n` });
  }, 60_000);
  afterAll(() => server[Symbol.asyncDispose]());

  const transact = async (owner: string) => {
    const { status, record } = await server.ask('POST', '_/transaction', { json: { steps: steps(owner) } });
    expect(status).toBe(200);
    return Number(record.seq);
  };
  /** A change that was made alone, after the others. */
  const single = (owner: string) => server.put(`Account/${owner}-3`, { owner, balance: 0 });
  const marksOf = (frames: readonly Json[]) => frames.map(({ id, tx, more }) => [id, tx, more]);

  test('have its mark on a table channel, and all but the last that the filter lets pass have more', async () => {
    using client = await WsClient.subscribe(server.wsUrl('Account?owner==ws&echo=false'));
    const tx = await transact('ws');
    await single('ws');
    await client.changes.next(({ id }) => id === 'ws-3');
    expect(marksOf(client.changes.items as never)).toEqual([
      ['ws-1', tx, true],
      ['ws-2', tx, undefined],
      ['ws-3', undefined, undefined],
    ]);
  });

  test('have it in binary frames', async () => {
    using client = await BinaryWs.open(server.wsUrl('Account?owner==bin'), 'tablecast.cbor');
    await client.next({ type: 'ready' });
    const tx = await transact('bin');
    expect(await client.next({ id: 'bin-1' })).toMatchObject({ tx, more: true });
    const last = await client.next({ id: 'bin-2' });
    expect([last.tx, last.more]).toEqual([tx, undefined]);
  });

  test('have it for a record that changes by another table, and in a window', async () => {
    using related = await WsClient.subscribe(server.wsUrl('Entry?select=amount,account{balance}'));
    using window = await WsClient.subscribe(server.wsUrl('Account?owner==win&sort=-balance&limit=1'));
    const tx = await transact('win');
    await single('win');
    const moved = await window.changes.next(({ id, op }) => id === 'win-2' && op === 'create');
    expect(moved).toMatchObject({ tx, at: 0 });
    const frames = window.changes.items as unknown as Json[];
    expect(frames.map(({ more }) => more)).toEqual([...frames.slice(1).map(() => true), undefined]);
    expect(marksOf(related.changes.items as never)).toEqual([['win-e', tx, undefined]]);
  });

  test('have their id with the last event of an event stream only', async () => {
    using client = await SseClient.open(`${server.origin}/my-app/Account?owner==sse`);
    await client.events.next(({ event }) => event === 'ready');
    await transact('sse');
    const first = await client.events.next(({ event }) => event === 'update');
    const last = await client.events.next(({ event }) => event === 'update');
    expect([first.id, JSON.parse(first.data).id]).toEqual([undefined, 'sse-1']);
    expect([last.id, JSON.parse(last.data).id]).toEqual([expect.stringMatching(/^\d+$/), 'sse-2']);
  });

  test('have it on the multiplexed connection', async () => {
    using client = await GatewayClient.open(server.wsUrl(`${REALTIME.slice(1)}/ws`));
    client.send({ action: 'subscribe', collection: 'Account', filter: 'owner==gw', operations: ['create'] });
    await client.messages.next(({ type }) => type === 'subscribed');
    const tx = await transact('gw');
    await single('gw');
    await client.messages.next(({ data }) => (data as Json | undefined)?.id === 'gw-3');
    expect(client.events.map(({ data, tx: mark, more }) => [(data as Json).id, mark, more])).toEqual([
      ['gw-1', tx, true],
      ['gw-2', tx, undefined],
      ['gw-3', undefined, undefined],
    ]);
  });

  test.each(V1_KINDS)('have it in protocol v1 over %s, and come again after a resume before them', async (kind) => {
    const owner = `v1-${kind}`;
    using client = await V1Client.open(`${server.origin}/my-app`, { kind });
    await client.subscribe(1, `Account?owner==${owner}`);
    await client.subscribe('all', 'Account?select=owner');
    const tx = String(await transact(owner));
    await single(owner);
    await client.next({ id: `${owner}-3` });
    await client.settle();
    const changes = client.of(1).filter(({ type }) => type === 'update');
    expect(marksOf(changes)).toEqual([
      [`${owner}-1`, tx, true],
      [`${owner}-2`, tx, undefined],
      [`${owner}-3`, undefined, undefined],
    ]);
    const all = client.of('all').filter(({ tx: mark }) => mark !== undefined);
    expect(marksOf(all)).toEqual([
      [`${owner}-1`, tx, true],
      [`${owner}-2`, tx, true],
      [`${owner}-x`, tx, undefined],
    ]);
    const since = String(BigInt(String(changes[0]?.seq)) - 1n);
    await client.subscribe(2, `Account?owner==${owner}`, { since });
    const resumed = client.of(2).filter(({ type }) => type === 'update');
    expect(resumed).toEqual(changes.map((change) => ({ ...change, s: [2] })));
  });

  test('have it for a write of many records', async () => {
    for (const id of ['1', '2', '3']) await server.put(`Account/bulk-${id}`, { owner: 'bulk', balance: 0 });
    using client = await WsClient.subscribe(server.wsUrl('Account?owner==bulk'));
    expect((await server.ask('PATCH', 'Account?owner==bulk', { json: { balance: 7 } })).status).toBe(200);
    await server.put('Account/bulk-4', { owner: 'bulk', balance: 0 });
    await client.changes.next(({ id }) => id === 'bulk-4');
    const [first, ...others] = marksOf(client.changes.items as never);
    expect([first, ...others].map((mark) => mark?.[2])).toEqual([true, true, undefined, undefined]);
    expect(others[0]?.[1]).toBe(first?.[1]);
  });
});
