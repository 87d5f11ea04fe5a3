import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { BASE_CONFIG, makeApp, runToExit, startServer, type TestServer } from '../support/app.ts';
import { SseClient } from '../support/sse-client.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `
enum Size { SMALL LARGE }
type Order @table @export @compositeIndex(fields: ["room", "place"], unique: true) {
  id: ID! @primaryKey
  title: String @indexed(type: "fulltext")
  price: Float
  count: Int
  room: String
  place: Int
  total: Float @computed(from: "price * count") @indexed
  size: Size @computed(from: "count > 10 ? 'LARGE' : 'SMALL'")
}`;

describe('computed fields and indexes at every door', { timeout: 120_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}limits:\n  scan: 2\n` });
  }, 30_000);
  afterAll(() => server[Symbol.asyncDispose]());
  beforeEach(async () => {
    await server.ask('DELETE', 'Order?all=true');
    await server.put('Order/1', { title: 'Crème brûlée', price: 2, count: 3, room: 'a', place: 1 });
    await server.put('Order/2', { title: 'Hot dog', price: 1.5, count: 20, room: 'a', place: 2 });
    await server.put('Order/3', { title: 'Creme', price: null, count: 1 });
  });

  test('REST gives what is computed, after every way to write', async () => {
    expect((await server.ask('GET', 'Order/2')).record).toMatchObject({ total: 30, size: 'LARGE' });
    expect((await server.ask('PATCH', 'Order/2', { json: { count: 2 } })).record).toMatchObject({
      total: 3,
      size: 'SMALL',
    });
    expect((await server.ask('PUT', 'Order/2', { json: { count: 2 } })).record).toMatchObject({
      total: null,
      size: 'SMALL',
    });
    const many = await server.ask('POST', 'Order', { json: [{ id: '4', price: 1, count: 1 }, { id: '5' }] });
    expect(many.records.map(({ total }) => total)).toEqual([1, null]);
    await server.ask('PATCH', 'Order?id=in=4,5', { json: { price: 9, count: 11 } });
    const listed = await server.ask('GET', 'Order?total=gt=5&sort=-total&select=total,size');
    expect(listed.records).toEqual([
      { id: '4', total: 99, size: 'LARGE' },
      { id: '5', total: 99, size: 'LARGE' },
      { id: '1', total: 6, size: 'SMALL' },
    ]);
  });

  test.each([
    ['POST', 'Order'],
    ['PUT', 'Order/1'],
    ['PATCH', 'Order/1'],
    ['PATCH', 'Order?id=1'],
  ])('%s %s refuses a computed field by name', async (method, path) => {
    const answer = await server.ask(method, path, { json: { title: 'x', total: 5, size: 'LARGE' } });
    const message = 'is computed from other fields; leave it out';
    expect([answer.status, answer.record.code, answer.record.errors]).toEqual([
      400,
      'VALIDATION_ERROR',
      [
        { field: 'total', message },
        { field: 'size', message },
      ],
    ]);
    expect((await server.ask('GET', 'Order/1')).record).toMatchObject({ title: 'Crème brûlée', total: 6 });
  });

  test('streams have it: whole, as what changed, and in their conditions', async () => {
    using ws = await WsClient.subscribe(server.wsUrl('Order?total=gt=10&select=total'));
    await using sse = await SseClient.subscribe(server.url('Order/1?delta=true&retained=false'));
    using words = await WsClient.subscribe(server.wsUrl('Order?title=ft=cake&select=title'));
    await server.ask('PATCH', 'Order/1', { json: { price: 10, title: 'A Cáke' } });
    await server.ask('PATCH', 'Order/1', { json: { price: 1, title: 'A pie' } });
    const frames = await ws.changes.atLeast(2);
    expect(frames.map(({ message_type, data }) => [message_type, data])).toEqual([
      ['Update', { id: '1', total: 30 }],
      ['Delete', { id: '1' }],
    ]);
    expect((await sse.next('update')).json).toEqual({ id: '1', title: 'A Cáke', price: 10, total: 30 });
    const found = await words.changes.atLeast(2);
    expect(found.map(({ message_type }) => message_type)).toEqual(['Update', 'Delete']);
  });

  test('a WebSocket refuses it in a write, and gives it in the answer to one', async () => {
    using ws = await WsClient.subscribe(server.wsUrl('Order'));
    ws.send({ id: '7', title: 'x', total: 5 });
    const refused = await ws.control('error');
    expect(refused).toMatchObject({ code: 'VALIDATION_ERROR' });
    expect(JSON.stringify(refused)).toContain('total');
    ws.send({ id: '7', price: 2, count: 2 });
    expect(await ws.next()).toMatchObject({ message_type: 'Update', id: '7', data: { total: 4, size: 'SMALL' } });
  });

  test('words are found by their index in a table that is too large to be read, and others are not', async () => {
    const find = async (query: string) =>
      (await server.ask('GET', `Order?${query}&select=id`)).records.map(({ id }) => id);
    expect(await find('title=ft=creme')).toEqual(['1', '3']);
    expect(await find('title=ft=CREME%20brul*&sort=-price')).toEqual(['1']);
    expect(await find('room=a&place=gt=1&sort=-title')).toEqual(['2']);
    const refused = await server.ask('GET', 'Order?title=ct=Cr');
    expect([refused.status, refused.record.code]).toEqual([400, 'SCAN_TOO_LARGE']);
    await server.ask('PATCH', 'Order/3', { json: { title: 'Pie' } });
    await server.ask('DELETE', 'Order/1');
    expect(await find('title=ft=creme')).toEqual([]);
  });

  test('values that are unique together are a conflict that names them', async () => {
    const answer = await server.ask('POST', 'Order', { json: { room: 'a', place: 2 } });
    const message = 'room, place together are taken by another record';
    expect([answer.status, answer.record.code, answer.record.errors]).toEqual([
      409,
      'CONFLICT',
      [
        { field: 'room', message },
        { field: 'place', message },
      ],
    ]);
    expect((await server.ask('POST', 'Order', { json: { room: 'a' } })).status).toBe(201);
  });

  test('the contract says what is computed, and what is not taken', async () => {
    const { components } = (await server.ask('GET', 'openapi.json')).record as unknown as {
      components: { schemas: Record<string, { properties: Record<string, { readOnly?: boolean }> }> };
    };
    expect(components.schemas.Order?.properties.total?.readOnly).toBe(true);
    expect(components.schemas['Order.create']?.properties).not.toHaveProperty('total');
  });
});

test('tablecast check shows them, and every mistake with its place', async () => {
  const check = async (schema: string) => {
    const app = await makeApp({ schema });
    onTestFinished(() => rm(app.root ?? '', { recursive: true, force: true }));
    return runToExit(['check', app.dir]);
  };
  const { code, stdout } = await check(SCHEMA);
  expect(code).toBe(0);
  for (const line of ['  computed total = price * count', '  index    room, place, unique', '  words    title']) {
    expect(stdout).toContain(`${line}\n`);
  }
  const wrong = SCHEMA.replace('price * count', 'price * cuont').replace('"room", "place"', '"room", "plaec"');
  const { code: failed, stderr } = await check(wrong);
  expect(failed).toBe(1);
  expect(stderr).toContain('schema.graphql:10:41 type "Order" has no stored field "cuont"');
  expect(stderr).toContain('did you mean "count"?');
  expect(stderr).toContain('schema.graphql:3:60 type "Order" has no stored field "plaec"');
});
