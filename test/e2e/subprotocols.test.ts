import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { type BinarySubprotocol, BinaryWs } from '../support/binary-ws.ts';
import { OPCODE, RawWs } from '../support/raw-ws.ts';
import { refusedUpgrade, WsClient } from '../support/ws-client.ts';

const SCHEMA = `type Message @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey  title: String!  big: Long  tags: [String!]  extra: JSON
}`;
const NAMES = ['tablecast.cbor', 'tablecast.msgpack'] as const;

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: BASE_CONFIG });
});
afterAll(() => server[Symbol.asyncDispose]());

describe.each(NAMES)('%s', (name: BinarySubprotocol) => {
  test('gives the same frames as JSON, in binary, and takes messages in it', async () => {
    const channel = server.wsUrl('Message');
    using json = await WsClient.subscribe(channel);
    using binary = await BinaryWs.open(channel, name);
    expect(binary.socket.protocol).toBe(name);
    await binary.next({ type: 'ready' });
    const id = `${name}-1`;
    const data = { id, title: 'é 😀', big: '9223372036854775807', tags: ['a', 'b'], extra: { deep: [1, 2.5, null] } };
    binary.send(data);
    const created = await binary.next({ message_type: 'Update', op: 'create' });
    expect(created).toEqual(await json.next((frame) => frame.op === 'create'));
    expect(created).toMatchObject({ data, id, seq: expect.any(Number), timestamp: expect.stringMatching(/Z$/) });
    binary.send({ message_type: 'Update', id, data: { ...data, title: 'new' }, if_seq: created.seq, ref: 7 });
    expect(await binary.next({ type: 'ack', ref: 7 })).toMatchObject({ id, seq: expect.any(Number) });
    const updated = await binary.next({ message_type: 'Update', op: 'update' });
    expect(updated).toEqual(await json.next((frame) => frame.op === 'update'));
    binary.send({ message_type: 'Publish', id, data: [1, { any: 'thing' }], ref: 'p' });
    expect(await binary.next({ message_type: 'Publish' })).toEqual(
      await json.next((frame) => frame.message_type === 'Publish'),
    );
    binary.send({ message_type: 'Delete', id, ref: 8 });
    expect(await binary.next({ message_type: 'Delete' })).toEqual(
      await json.next((frame) => frame.message_type === 'Delete'),
    );
    expect(binary.texts).toBe(0);
  });

  test('has snapshots, resumes, resets, filters and changed fields', async () => {
    const id = `${name}-2`;
    const put = await server.put(`Message/${id}`, { title: 'one', big: 5 });
    const seq = Number(JSON.parse(put.headers.get('etag') ?? '0'));
    using record = await BinaryWs.open(server.wsUrl(`Message/${id}`), name);
    expect(await record.next({ message_type: 'Retained' })).toMatchObject({ data: { id, title: 'one', big: 5 }, seq });
    using delta = await BinaryWs.open(server.wsUrl(`Message?id=${id}&delta=true&select=title`), name);
    await delta.next({ type: 'ready' });
    await server.ask('PATCH', `Message/${id}`, { json: { title: 'two' } });
    expect(await delta.next({ message_type: 'Update' })).toMatchObject({ data: { title: 'two' }, changed: ['title'] });
    using resumed = await BinaryWs.open(server.wsUrl(`Message/${id}?since=${seq}`), name);
    expect(await resumed.next({ message_type: 'Update' })).toMatchObject({ data: { title: 'two' }, op: 'update' });
    using reset = await BinaryWs.open(server.wsUrl(`Message/${id}?since=9007199254740991`), name);
    expect(await reset.next({ type: 'reset' })).toMatchObject({ reason: 'position_unknown', seq: expect.any(Number) });
    using filtered = await BinaryWs.open(server.wsUrl('Message?title==two'), name);
    await filtered.next({ type: 'ready' });
    await server.ask('PATCH', `Message/${id}`, { json: { title: 'three' } });
    expect(await filtered.next({ message_type: 'Delete' })).toMatchObject({ data: { id }, reason: 'filter' });
  });

  test('answers what is wrong with a message in the same form, and stays open', async () => {
    using binary = await BinaryWs.open(server.wsUrl('Message'), name);
    await binary.next({ type: 'ready' });
    binary.socket.send('{"id":"text","title":"x"}');
    expect(await binary.next({ type: 'error' })).toMatchObject({
      code: 'INVALID_MESSAGE',
      message: `A message is a binary frame: ${name} was selected.`,
    });
    binary.socket.send(Buffer.from([0xc1]));
    expect(await binary.next({ type: 'error', code: 'INVALID_CONTENT' })).toBeDefined();
    binary.send([1]);
    expect(await binary.next({ type: 'error', code: 'INVALID_MESSAGE' })).toBeDefined();
    binary.send({ message_type: 'Update', id: 'x', data: { title: 5 }, ref: 'r' });
    expect(await binary.next({ type: 'error', ref: 'r' })).toMatchObject({
      code: 'VALIDATION_ERROR',
      details: [{ field: 'title', message: 'must be a string' }],
    });
    binary.send({ message_type: 'Update', id: `${name}-3`, data: { title: 'still here' }, ref: 'ok' });
    await binary.next({ type: 'ack', ref: 'ok' });
    expect((await server.ask('GET', 'Message/text')).status).toBe(404);
  });

  test('frames of every length have the right header', async () => {
    using binary = await BinaryWs.open(server.wsUrl('Message'), name);
    await binary.next({ type: 'ready' });
    for (const length of [1, 100, 200, 60_000, 70_000]) {
      binary.send({ message_type: 'Update', id: `${name}-long`, data: { title: 'x'.repeat(length) }, ref: length });
      const frame = await binary.next({ message_type: 'Update' });
      expect((frame.data as { title: string }).title.length).toBe(length);
    }
  });
});

describe('the subprotocol', () => {
  test('is JSON where it is named or where nothing was offered', async () => {
    using named = await WsClient.subscribe(server.wsUrl('Message'), { protocols: ['tablecast.json'] });
    using plain = await WsClient.subscribe(server.wsUrl('Message'));
    expect([named.socket.protocol, plain.socket.protocol]).toEqual(['tablecast.json', '']);
    named.send({ message_type: 'Update', id: 'j', data: { title: 'x' }, ref: 1 });
    await named.control('ack', 1);
    expect((await plain.next(({ id }) => id === 'j')).data).toMatchObject({ title: 'x' });
    named.send(Buffer.from('{"title":"x"}'));
    expect(await named.control('error')).toMatchObject({
      code: 'INVALID_MESSAGE',
      message: 'A message is a text frame.',
    });
  });

  test('is the first that is known of those that were offered, and only that is given back', async () => {
    const offers = ['graphql-ws', 'tablecast.v9', 'tablecast.msgpack', 'tablecast.json'];
    using binary = await BinaryWs.open(server.wsUrl('Message'), 'tablecast.msgpack', offers);
    expect(binary.socket.protocol).toBe('tablecast.msgpack');
    await binary.next({ type: 'ready' });
    using raw = await RawWs.open(server.port, '/my-app/Message', {
      moreHeaders: ['Sec-WebSocket-Protocol: secret-token , tablecast.cbor'],
    });
    expect(raw.answer.headers.get('sec-websocket-protocol')).toBe('tablecast.cbor');
    expect((await raw.frames.next(({ opcode }) => opcode === OPCODE.binary)).payload[0]).toBe(0xa2);
  });

  test.each([[['tablecast.xml']], [['tablecast.v2', 'tablecast.v3']], [['graphql-ws']]])(
    'is refused before the 101 when only %j is offered',
    async (protocols) => {
      const { status, body } = await refusedUpgrade(server.wsUrl('Message'), { protocols });
      expect(status).toBe(400);
      expect(JSON.parse(body)).toMatchObject({
        code: 'BAD_REQUEST',
        detail:
          'None of the offered subprotocols is supported; there are tablecast.json, tablecast.cbor, tablecast.msgpack.',
      });
    },
  );
});
