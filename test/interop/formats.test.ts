import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decode as decodeCbor, encode as encodeCbor } from 'cbor-x';
import { pack, unpack } from 'msgpackr';
import Papa from 'papaparse';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { Mailbox } from '../support/mailbox.ts';

const SCHEMA = `type Item @table @export {
  id: ID! @primaryKey
  name: String!
  price: Float
  count: Int
  done: Boolean
  made: Date
  note: String
}
type Copy @table @export {
  id: ID! @primaryKey
  name: String!
  price: Float
  count: Int
  done: Boolean
  made: Date
  note: String
}`;
const ITEM = { name: 'Ä "quoted", one', price: 1.5, count: 3, done: true, made: '2026-01-02T03:04:05.678Z' };

test.each([
  ['cbor-x', 'tablecast.cbor', 'application/cbor', decodeCbor, encodeCbor],
  ['msgpackr', 'tablecast.msgpack', 'application/msgpack', unpack, pack],
])('%s decodes frames and answers, and writes', async (...[_name, protocol, type, decode, encode]) => {
  await using server = await startServer({ schema: SCHEMA });
  const socket = new WebSocket(server.wsUrl('Item'), protocol);
  const frames = new Mailbox<Record<string, unknown>>('frames');
  socket.on('message', (data: Buffer) => frames.push(decode(data) as Record<string, unknown>));
  await once(socket, 'open');
  socket.send(encode({ message_type: 'Update', id: 'a', data: ITEM }));
  const frame = await frames.next(({ message_type }) => message_type === 'Update');
  expect(frame).toMatchObject({ id: 'a', data: { id: 'a', ...ITEM } });
  const body = encode({ id: 'b', ...ITEM });
  const made = await fetch(server.url('Item'), { method: 'POST', headers: { 'content-type': type }, body });
  expect(made.status).toBe(201);
  expect((await frames.next(({ message_type }) => message_type === 'Update')).id).toBe('b');
  const list = await fetch(server.url('Item?sort=id'), { headers: { accept: type } });
  const records = decode(Buffer.from(await list.arrayBuffer()));
  expect(records).toMatchObject([
    { id: 'a', ...ITEM },
    { id: 'b', ...ITEM },
  ]);
  socket.terminate();
});

test('papaparse reads what is exported, and what it writes is imported as the same records', async () => {
  await using server = await startServer({ schema: SCHEMA });
  const names = ['plain', 'a,b', 'say "hi"', 'two\nlines', ' spaces ', "'=1+1"];
  for (const [n, name] of names.entries())
    await server.put(`Item/i${n}`, { ...ITEM, name, price: n === 0 ? null : n / 3 });
  const exported = await fetch(server.url('Item?sort=id'), { headers: { accept: 'text/csv' } });
  const { data, errors, meta } = Papa.parse<Record<string, string>>(await exported.text(), {
    header: true,
    skipEmptyLines: true,
  });
  expect([errors, data.map(({ name }) => name)]).toEqual([[], names]);
  const body = Papa.unparse(data, { columns: meta.fields ?? [] });
  const imported = await fetch(server.url('Copy'), { method: 'POST', headers: { 'content-type': 'text/csv' }, body });
  expect([imported.status, imported.ok]).toEqual([imported.status, true]);
  const [items, copies] = [await server.ask('GET', 'Item?sort=id'), await server.ask('GET', 'Copy?sort=id')];
  expect(copies.records).toEqual(items.records);
});

const SECRET = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`;

test('standardwebhooks verifies what is sent, and what it signs is taken', async () => {
  const received = new Mailbox<{ body: string; headers: IncomingMessage['headers'] }>('webhooks');
  await using receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    received.push({ body: Buffer.concat(chunks).toString(), headers: request.headers });
    response.end('{}');
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const config = `${BASE_CONFIG}connectors:
  shop: { type: http, url: "http://127.0.0.1:${(receiver.address() as AddressInfo).port}/", secret: ${SECRET}, allow_private: true }
flows:
  tell:
    from: { connector: table, operation: create, table: Item }
    transform: { id: input.record.id, name: input.record.name }
    to: { connector: shop, operation: POST }
  take:
    from: { connector: http, operation: "POST /take", secret: ${SECRET} }
    to: { connector: table, operation: create, target: Copy }
`;
  await using server = await startServer({ schema: SCHEMA, config });
  const webhook = new Webhook(SECRET);
  await server.put('Item/w', ITEM);
  const { body, headers } = await received.next(() => true, 20_000);
  expect(webhook.verify(body, headers as Record<string, string>)).toMatchObject({ id: 'w', name: ITEM.name });
  const sent = JSON.stringify({ id: 'in', name: 'signed' });
  const send = (text: string, signature: string) => {
    const at = new Date();
    const signed = signature === '' ? webhook.sign('msg_1', at, sent) : signature;
    return fetch(server.url('take'), {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': 'msg_1',
        'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
        'webhook-signature': signed,
      },
      body: text,
    });
  };
  expect((await send(sent, 'v1,bm9uZQ==')).status).toBe(401);
  expect((await send(sent, '')).status).toBe(200);
  expect((await server.ask('GET', 'Copy/in')).record).toMatchObject({ name: 'signed' });
});
