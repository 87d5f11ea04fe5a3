import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { ControlFrame, Json } from '../support/frames.ts';
import { refusedUpgrade, WsClient } from '../support/ws-client.ts';

const SCHEMA = `type Message @table @export(public: [read, create, update, delete, publish, subscribe]) {
  id: ID! @primaryKey
  title: String!
}
type Note @table @export { id: ID! @primaryKey title: String! }`;

const MESSAGES: readonly Json[] = [
  { message_type: 'Update', data: { title: 'made' }, ref: 'made' },
  { message_type: 'Update', id: 'a', data: { title: 'put' }, ref: 1 },
  { message_type: 'Update', id: 'a', data: { title: 'put' }, ref: '1' },
  { message_type: 'Update', id: 'b', data: { title: 'new' }, ref: 'if', if_seq: null },
  { message_type: 'Publish', id: 'a', data: { n: 1 }, ref: 'record' },
  { message_type: 'Publish', data: { n: 2 }, ref: 'table' },
  { message_type: 'Delete', id: 'a', ref: 'gone' },
];

function open(server: TestServer, client: string, path = 'Message'): Promise<WsClient> {
  return WsClient.subscribe(server.wsUrl(`${path}?client=${client}`));
}

/** Sends them in one go; gives the answers in order. */
async function send(client: WsClient, messages: readonly Json[]): Promise<readonly ControlFrame[]> {
  const from = client.controls.items.length;
  for (const message of messages) client.send(message);
  return (await client.controls.atLeast(from + messages.length)).slice(from);
}

describe('refs of a client that has named itself', { timeout: 120_000 }, () => {
  test('sent again, on any connection and after kill -9, are acknowledged alike and written once', async () => {
    await using server = await startServer({ schema: SCHEMA });
    using witness = await WsClient.open(server.wsUrl('Message'));
    const { seq: start } = await witness.ready();
    using first = await open(server, 'one');
    const acks = await send(first, MESSAGES);
    expect(acks.map(({ type, ref }) => [type, ref])).toEqual(MESSAGES.map(({ ref }) => ['ack', ref]));
    expect(acks.filter((ack) => 'replayed' in ack)).toEqual([]);
    const replayed = acks.map((ack) => ({ ...ack, replayed: true }));
    expect(await send(first, MESSAGES)).toEqual(replayed);
    using second = await open(server, 'one');
    expect(await send(second, MESSAGES)).toEqual(replayed);
    await server.kill();
    await witness.closed;
    await server.restart();
    using third = await open(server, 'one');
    expect(await send(third, MESSAGES)).toEqual(replayed);
    // The equal put of ref "1" changed nothing; everything else was one change.
    using resumed = await WsClient.subscribe(server.wsUrl(`Message?since=${start}`));
    expect(resumed.changes.items).toHaveLength(MESSAGES.length - 1);
    expect(witness.changes.items).toEqual(resumed.changes.items);
    expect((await server.ask('GET', 'Message')).records.map(({ title }) => title).sort()).toEqual(['made', 'new']);
  });

  test('are those of the record channel too, and apart for each table and client', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const message = { message_type: 'Update', data: { title: 'x' }, ref: 1 };
    using record = await open(server, 'one', 'Message/a');
    const [ack] = await send(record, [message]);
    using table = await open(server, 'one');
    expect(await send(table, [{ ...message, id: 'a' }])).toEqual([{ ...ack, replayed: true }]);
    for (const other of [await open(server, 'two'), await open(server, 'one', 'Note')]) {
      using client = other;
      const [answer] = await send(client, [message]);
      expect(answer).toMatchObject({ type: 'ack', ref: 1 });
      expect(answer).not.toHaveProperty('replayed');
      expect(answer?.id).not.toBe('a');
    }
  });

  test('are refused with another message, while under way, and free after a refusal', async () => {
    await using server = await startServer({ schema: SCHEMA });
    using client = await open(server, 'one');
    const put = { message_type: 'Update', id: 'a', data: { title: 'x' }, ref: 1 };
    const [refused, ack, busy] = await send(client, [{ ...put, data: { title: 1 } }, put, put]);
    expect(refused).toMatchObject({ type: 'error', code: 'VALIDATION_ERROR', ref: 1 });
    expect(ack).toMatchObject({ type: 'ack', ref: 1 });
    // Where the network tears the two apart, the first one is done by then.
    if (busy?.type === 'ack') expect(busy).toEqual({ ...ack, replayed: true });
    else expect(busy).toMatchObject({ type: 'error', code: 'IDEMPOTENCY_IN_PROGRESS', ref: 1 });
    const others = [
      { ...put, data: { title: 'y' } },
      { ...put, id: 'b' },
      { ...put, if_seq: null },
      { ...put, if_seq: Number(ack?.seq) },
      { message_type: 'Delete', id: 'a', ref: 1 },
      { message_type: 'Publish', id: 'a', data: { title: 'x' }, ref: 1 },
    ];
    for (const other of others) {
      const [answer] = await send(client, [other]);
      expect(answer).toMatchObject({ type: 'error', code: 'IDEMPOTENCY_KEY_REUSED', ref: 1 });
    }
    expect((await server.ask('GET', 'Message')).records).toEqual([{ id: 'a', title: 'x' }]);
  });

  test('are only given back when the client has no name', async () => {
    await using server = await startServer({ schema: SCHEMA });
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    const message = { message_type: 'Publish', data: 1, ref: 1 };
    const [first, second] = [...(await send(client, [message])), ...(await send(client, [message]))];
    expect(second).toMatchObject({ type: 'ack', ref: 1 });
    expect(second).not.toHaveProperty('replayed');
    expect(Number(second?.seq)).toBeGreaterThan(Number(first?.seq));
    expect(await client.changes.atLeast(2)).toHaveLength(2);
  });

  test.each(['', 'a b', 'a/b', 'x'.repeat(129), '%00'])(
    'a bad name is refused before the upgrade: %j',
    async (name) => {
      await using server = await startServer({ schema: SCHEMA, config: BASE_CONFIG });
      const { status, body } = await refusedUpgrade(server.wsUrl(`Message?client=${encodeURIComponent(name)}`));
      expect(status).toBe(400);
      expect(JSON.parse(body)).toMatchObject({ code: 'INVALID_QUERY', detail: expect.stringContaining('1 to 128') });
    },
  );
});
