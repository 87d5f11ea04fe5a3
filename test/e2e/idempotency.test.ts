import { expect, test } from 'vitest';
import { startServer } from '../support/app.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `type Message @table @export(public: [read, create, update, delete, publish, subscribe]) {
  id: ID! @primaryKey
  title: String!
  slug: String @unique
}`;

test('a write that is sent again with its key is answered alike, written once, also after kill -9', {
  timeout: 60_000,
}, async () => {
  await using server = await startServer({ schema: SCHEMA });
  using client = await WsClient.subscribe(server.wsUrl('Message'));
  const writes = [
    ['POST', 'Message', { title: 'made' }],
    ['POST', 'Message', [{ title: 'one' }, { title: 'two' }]],
    ['PUT', 'Message/a', { title: 'put' }],
    ['PATCH', 'Message/a', { title: 'patched' }],
    ['POST', 'Message/a?publish=true', { n: 1 }],
    ['PATCH', 'Message?title==patched', { title: 'many' }],
    ['DELETE', 'Message/a', undefined],
    ['DELETE', 'Message?title==two', undefined],
  ] as const;
  const send = (index: number) => {
    const [method, path, json] = writes[index] as (typeof writes)[number];
    return server.ask(method, path, { ...(json && { json }), headers: { 'idempotency-key': `"key ${index}"` } });
  };
  const seen = ({ status, headers, text }: Awaited<ReturnType<typeof send>>) => [
    status,
    headers.get('etag'),
    headers.get('location'),
    text,
  ];
  const first: unknown[] = [];
  for (const index of writes.keys()) first.push(seen(await send(index)));
  expect(first.map((answer) => (answer as unknown[])[0])).toEqual([201, 201, 201, 200, 202, 200, 204, 200]);
  for (const index of writes.keys()) {
    const again = await send(index);
    expect(seen(again)).toEqual(first[index]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  }
  await server.put('Message/end', { title: 'end' });
  await client.next(({ id }) => id === 'end');
  expect(client.texts.filter((text) => text.includes('message_type'))).toHaveLength(10);
  await server.kill();
  await server.restart();
  for (const index of writes.keys()) expect(seen(await send(index))).toEqual(first[index]);
});

test('a key is refused with another request, is free after a refusal, and must be a string', async () => {
  await using server = await startServer({ schema: SCHEMA });
  const put = (title: unknown, key: string) =>
    server.ask('PUT', 'Message/a', { json: { title }, headers: { 'idempotency-key': key } });
  expect((await put(1, 'k')).status).toBe(400);
  expect((await put('x', 'k')).status).toBe(201);
  expect((await put('y', '"k"')).record.code).toBe('IDEMPOTENCY_KEY_REUSED');
  for (const key of ['', '""', 'a b', '"a', 'x'.repeat(257)]) expect((await put('z', key)).status).toBe(400);
  expect((await server.ask('GET', 'Message/a')).record.title).toBe('x');
});

test('a bulk write changes what matches, all or none, one event each', { timeout: 120_000 }, async () => {
  await using server = await startServer({ schema: SCHEMA, config: 'port: 0\nlimits:\n  bulk: 1000\n' });
  using client = await WsClient.subscribe(server.wsUrl('Message'));
  const records = Array.from({ length: 1000 }, (_, n) => ({ id: `${n}`.padStart(4, '0'), title: 'old' }));
  await server.ask('POST', 'Message', { json: records });
  const clash = await server.ask('PATCH', 'Message?title==old', { json: { slug: 'same' } });
  expect([clash.status, clash.record.code]).toEqual([409, 'CONFLICT']);
  const patched = await server.ask('PATCH', 'Message?title==old', { json: { title: 'new' } });
  expect(patched.record).toEqual({ matched: 1000, changed: 1000 });
  for (const { id } of records) {
    const frame = await client.next(({ op }) => op === 'update');
    expect([frame.id, frame.data]).toMatchObject([id, { title: 'new', slug: null }]);
  }
  await server.put('Message/more', { title: 'new' });
  const tooMany = await server.ask('DELETE', 'Message?all=true');
  expect([tooMany.status, tooMany.record.detail]).toEqual([400, expect.stringContaining('1001 records')]);
  expect((await server.ask('DELETE', 'Message?id=ne=more')).record).toEqual({ matched: 1000, changed: 1000 });
  expect((await server.ask('GET', 'Message')).records).toHaveLength(1);
});

test('if_seq makes a WebSocket write conditional', async () => {
  await using server = await startServer({ schema: SCHEMA });
  using client = await WsClient.subscribe(server.wsUrl('Message'));
  const update = { message_type: 'Update', id: 'a', data: { title: 'x' } };
  client.send({ ...update, ref: 'new', if_seq: null });
  const { seq } = await client.control('ack', 'new');
  for (const [index, if_seq] of [null, 1, '1', -1, {}, true].entries()) {
    client.send({ ...update, data: { title: 'y' }, ref: index, if_seq });
    const { code } = await client.control('error', index);
    expect(code).toBe(index < 2 ? 'PRECONDITION_FAILED' : 'INVALID_MESSAGE');
  }
  expect((await server.ask('GET', 'Message/a')).record.title).toBe('x');
  client.send({ message_type: 'Delete', id: 'a', ref: 'gone', if_seq: seq as number });
  await client.control('ack', 'gone');
  expect((await server.ask('GET', 'Message/a')).status).toBe(404);
});
