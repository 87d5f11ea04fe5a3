import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { ChangeFrame, Json } from '../support/frames.ts';
import { GatewayClient, REALTIME } from '../support/gateway-client.ts';
import { WsClient } from '../support/ws-client.ts';

const OPEN = '@export(public: [read, create, update, delete, subscribe, publish])';
const SCHEMA = `
type Account @table ${OPEN} { id: ID! @primaryKey owner: String @indexed balance: Int! }
type Entry @table ${OPEN} { id: ID! @primaryKey accountId: ID amount: Int! account: Account @relationship(from: "accountId") }
type Quiet @table @export(ws: false) { id: ID! @primaryKey }`;

/** Steps that write two accounts of `owner`, one of another owner, and one entry between them. */
const steps = (owner: string, amount: number): Json[] => [
  { op: 'put', table: 'Account', id: `${owner}-1`, data: { owner, balance: -amount } },
  { op: 'put', table: 'Entry', id: `${owner}-e`, data: { accountId: `${owner}-1`, amount } },
  { op: 'put', table: 'Account', id: `${owner}-2`, data: { owner, balance: amount } },
  { op: 'put', table: 'Account', id: `${owner}-x`, data: { owner: 'nobody', balance: amount } },
];

async function take(client: WsClient, count: number): Promise<readonly ChangeFrame[]> {
  const frames: ChangeFrame[] = [];
  while (frames.length < count) frames.push(await client.changes.next());
  return frames;
}

describe('a transaction over a WebSocket', { timeout: 120_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}sse: true\n` });
  }, 60_000);
  afterAll(() => server[Symbol.asyncDispose]());

  test('can be made over a table’s WebSocket, once for each ref of a client', async () => {
    using client = await WsClient.subscribe(server.wsUrl('Account?client=me&echo=false'));
    const message = { message_type: 'Transaction', ref: 1, steps: steps('ws', 5) };
    client.send(message);
    const ack = await client.controls.next(({ type }) => type === 'ack');
    expect(ack).toMatchObject({ ref: 1, results: [{ op: 'put', id: 'ws-1' }, { table: 'Entry' }, {}, {}] });
    expect(await take(client, 3)).toHaveLength(3);
    client.send(message);
    expect(await client.controls.next(({ type }) => type === 'ack')).toEqual({ ...ack, replayed: true });
    client.send({ ...message, steps: steps('ws', 6) });
    expect(await client.controls.next(({ type }) => type === 'error')).toMatchObject({
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
    client.send({ ...message, ref: 2, steps: [{ op: 'create', table: 'Quiet', data: {} }] });
    expect(await client.controls.next(({ type }) => type === 'error')).toMatchObject({
      code: 'VALIDATION_ERROR',
      details: [{ field: 'steps[0].table' }],
      step: 0,
      ref: 2,
    });
  });

  test('can be made over the multiplexed connection', async () => {
    using client = await GatewayClient.open(server.wsUrl(`${REALTIME.slice(1)}/ws`));
    const message = { action: 'transaction', ref: 'a', key: 'k1', steps: steps('gw', 5) };
    const answer = await client.ask(message);
    expect(answer).toMatchObject({ type: 'transaction', ref: 'a', results: [{ op: 'put', id: 'gw-1' }, {}, {}, {}] });
    expect(await client.ask(message)).toEqual({ ...answer, replayed: true });
    // The key is that of HTTP.
    const { status, headers } = await server.ask('POST', '_/transaction', {
      json: { steps: steps('gw', 5) },
      headers: { 'idempotency-key': 'k1' },
    });
    expect([status, headers.get('idempotency-replayed')]).toEqual([200, 'true']);
    const wrong = [...steps('gw', 1), { op: 'patch', table: 'Entry', id: 'none', data: {} }];
    expect(await client.ask({ action: 'transaction', ref: 'b', steps: wrong })).toEqual({
      type: 'error',
      error: 'steps[4]: There is no record with the id "none".',
      code: 'NOT_FOUND',
      step: 4,
      ref: 'b',
    });
    expect(await client.ask({ action: 'transaction', ref: {}, steps: [] })).toMatchObject({ code: 'INVALID_MESSAGE' });
    expect(await client.ask({ action: 'transaction', key: '', steps: [] })).toMatchObject({ code: 'INVALID_MESSAGE' });
  });
});
