import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, startToExit } from '../support/app.ts';
import { WsClient } from '../support/ws-client.ts';

const record = (title: string) => ({ title, content: 'c' });
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('messages from the client', { timeout: 120_000 }, () => {
  test('a bare record is stored', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    const message = { id: 'msg-new', title: 'From WebSocket', content: 'Sent via WS' };
    client.send(message);
    expect(await client.next()).toMatchObject({ message_type: 'Update', op: 'create', data: message });
    expect((await server.ask('GET', 'Message/msg-new')).record).toEqual(message);
  });

  test('a Ping is answered with pong and stores nothing', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    client.send({ message_type: 'Ping' });
    expect(await client.control('pong')).toEqual({ type: 'pong' });
    client.send({ message_type: 'Ping', ref: 7 });
    expect(await client.control('pong', 7)).toEqual({ type: 'pong', ref: 7 });
    client.send({ message_type: 'Ping', ref: {} });
    expect(await client.control('error')).toMatchObject({ code: 'INVALID_MESSAGE' });
    expect((await server.ask('GET', 'Message')).records).toEqual([]);
    expect(client.changes.items).toEqual([]);
  });

  test('a bare record replaces the one with the same id', async () => {
    const schema = `type Note @table @export { id: ID! @primaryKey title: String! extra: String }`;
    await using server = await startServer({ schema });
    using client = await WsClient.subscribe(server.wsUrl('Note'));
    client.send({ id: 'n', title: 'one', extra: 'gone after the second' });
    client.send({ id: 'n', title: 'two' });
    const frames = await client.changes.atLeast(2);
    expect(frames.map((frame) => [frame.op, frame.data])).toEqual([
      ['create', { id: 'n', title: 'one', extra: 'gone after the second' }],
      ['update', { id: 'n', title: 'two', extra: null }],
    ]);
    expect((await server.ask('GET', 'Note/n')).record).toEqual({ id: 'n', title: 'two', extra: null });
  });

  test('a record without an id gets a UUIDv7', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    client.send(record('no id'));
    const frame = await client.next();
    expect(frame.id).toMatch(UUID_V7);
    expect(frame.data).toEqual({ id: frame.id, ...record('no id') });
    expect((await server.ask('GET', `Message/${frame.id}`)).status).toBe(200);
  });

  test('on a record channel the id is that of the path, and another is an error', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message/mine'));
    client.send(record('by path'));
    expect((await client.next()).id).toBe('mine');
    client.send({ id: 'mine', ...record('same id') });
    expect((await client.next()).data.title).toBe('same id');
    client.send({ id: 'other', ...record('other id') });
    expect((await client.control('error')).code).toBeTypeOf('string');
    client.send({ message_type: 'Delete', id: 'other', ref: 'd' });
    expect((await client.control('error', 'd')).code).toBeTypeOf('string');
    expect((await server.ask('GET', 'Message/other')).status).toBe(404);
    expect((await server.ask('GET', 'Message/mine')).record.title).toBe('same id');
  });

  test('envelopes write, delete and publish, and are acknowledged by their ref', async () => {
    const schema = `type Message @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  title: String!
  content: String!
}`;
    await using server = await startServer({ schema });
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    client.send({ message_type: 'Update', id: 'e', data: record('stored'), ref: 'first' });
    const stored = await client.control('ack', 'first');
    expect(stored).toEqual({ type: 'ack', ref: 'first', id: 'e', seq: stored.seq });
    expect((await client.next()).seq).toBe(stored.seq);
    expect((await server.ask('GET', 'Message/e')).record).toEqual({ id: 'e', ...record('stored') });

    client.send({ message_type: 'Publish', id: 'e', data: record('only sent'), ref: 2 });
    const published = await client.control('ack', 2);
    expect(await client.next()).toMatchObject({ message_type: 'Publish', id: 'e', seq: published.seq });
    expect((await server.ask('GET', 'Message/e')).record.title).toBe('stored');

    client.send({ message_type: 'Delete', id: 'e', ref: 3 });
    const deleted = await client.control('ack', 3);
    expect(await client.next()).toMatchObject({ message_type: 'Delete', id: 'e', seq: deleted.seq });
    expect((await server.ask('GET', 'Message/e')).status).toBe(404);

    client.send({ message_type: 'Delete', id: 'e', ref: 4 });
    expect(await client.control('error', 4)).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('messages are handled and answered in the order in which they came, each once', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    for (let ref = 0; ref < 60; ref += 1) {
      const data = ref % 10 === 9 ? { title: 'no content' } : record(`t${ref}`);
      client.send({ message_type: 'Update', id: `r${ref}`, data, ref });
    }
    await client.controls.atLeast(61);
    const answers = client.controls.items.slice(1);
    expect(answers.map((frame) => frame.ref)).toEqual(Array.from({ length: 60 }, (_, ref) => ref));
    const good = Array.from({ length: 60 }, (_, ref) => ref).filter((ref) => ref % 10 !== 9);
    const acks = answers.filter((frame) => frame.type === 'ack');
    expect(acks.map((frame) => frame.ref)).toEqual(good);
    const errors = answers.filter((frame) => frame.type === 'error');
    expect(errors.map((frame) => frame.ref)).toEqual([9, 19, 29, 39, 49, 59]);
    await client.changes.atLeast(good.length);
    expect(client.changes.items.map((frame) => frame.id)).toEqual(good.map((ref) => `r${ref}`));
    expect(client.changes.items.map((frame) => frame.seq)).toEqual(acks.map((frame) => frame.seq));
  });

  test('a message that needs the one before it sees what that one did', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    client.send({ message_type: 'Update', id: 'm', data: record('short'), ref: 1 });
    client.send({ message_type: 'Delete', id: 'm', ref: 2 });
    client.send({ message_type: 'Delete', id: 'm', ref: 3 });
    client.send({ message_type: 'Update', id: 'm', data: record('again'), ref: 4 });
    await client.controls.atLeast(5);
    const byRef = new Map(client.controls.items.slice(1).map((frame) => [frame.ref, frame.code ?? frame.type]));
    expect([1, 2, 3, 4].map((ref) => byRef.get(ref))).toEqual(['ack', 'ack', 'NOT_FOUND', 'ack']);
    expect((await server.ask('GET', 'Message/m')).record.title).toBe('again');
  });

  test('a table with a field named message_type does not start', async () => {
    const schema = `type Message @table @export {\n  id: ID! @primaryKey\n  message_type: String\n}\n`;
    const exit = await startToExit({ schema });
    expect(exit.code).toBe(1);
    expect(exit.stderr).toMatch(/schema\.graphql:3:\d+/);
    expect(exit.stderr).toContain('message_type');
  });

  test('a bad message gets an error, no other client sees it, and the next good one works', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    using other = await WsClient.subscribe(server.wsUrl('Message'));
    const bad: readonly (readonly [message: string, code: string, word: string])[] = [
      ['{"id":"x",', 'INVALID_JSON', ''],
      ['', 'INVALID_JSON', ''],
      ['hello', 'INVALID_JSON', ''],
      ['{"id":"x"}{"id":"y"}', 'INVALID_JSON', ''],
      ['"a string"', 'INVALID_MESSAGE', ''],
      ['null', 'INVALID_MESSAGE', ''],
      ['42', 'INVALID_MESSAGE', ''],
      ['[]', 'INVALID_MESSAGE', ''],
      ['{"message_type":"Upsert","id":"x","data":{}}', 'INVALID_MESSAGE', ''],
      ['{"message_type":"update","id":"x","data":{}}', 'INVALID_MESSAGE', ''],
      ['{"id":"x","title":"no content"}', 'VALIDATION_ERROR', 'content'],
      ['{"id":"x","title":5,"content":"c"}', 'VALIDATION_ERROR', 'title'],
      ['{"id":"x","title":null,"content":"c"}', 'VALIDATION_ERROR', 'title'],
      ['{"id":"x","title":"t","content":"c","colour":"red"}', 'VALIDATION_ERROR', 'colour'],
      ['{"id":"x","title":"t","content":"c","__proto__":{"a":1}}', 'VALIDATION_ERROR', '__proto__'],
    ];
    for (const [message, code, word] of bad) {
      client.send(message);
      const error = await client.control('error');
      expect(error.code, message).toBe(code);
      expect(error.message, message).toBeTypeOf('string');
      expect(JSON.stringify(error), message).toContain(word);
    }
    client.send({ message_type: 'Update', id: 'x', data: { title: 'no content' }, ref: 'with ref' });
    expect(await client.control('error', 'with ref')).toMatchObject({ code: 'VALIDATION_ERROR' });
    client.send({ id: 'good', ...record('good') });
    for (const socket of [client, other]) expect((await socket.next()).id).toBe('good');
    expect(other.controls.items.map((frame) => frame.type)).toEqual(['ready']);
    expect((await server.ask('GET', 'Message')).records.map((found) => found.id)).toEqual(['good']);
  });

  test('a binary frame gets an error, no other client sees it, and the socket stays open', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    using other = await WsClient.subscribe(server.wsUrl('Message'));
    client.send(Buffer.from([0xff, 0x00, 0x7b]));
    expect(await client.control('error')).toMatchObject({ code: 'INVALID_MESSAGE' });
    client.send({ id: 'fence', ...record('fence') });
    for (const socket of [client, other]) expect((await socket.next()).id).toBe('fence');
  });

  test('a message over 512 KiB closes with 1009, one just below it is stored', async () => {
    await using server = await startServer();
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    client.send({ id: 'large', title: 't', content: 'x'.repeat(511 * 1024) });
    expect((await client.next()).id).toBe('large');
    client.send('x'.repeat(1024 * 1024));
    expect((await client.closed).code).toBe(1009);
    expect((await server.ask('GET', 'Message')).status).toBe(200);
  });

  test('more messages than the rate allows close with 1008 and a reason', async () => {
    const limits = 'limits:\n  messages_per_second: 10\n  messages_burst: 20\n';
    await using server = await startServer({ config: BASE_CONFIG + limits });
    using calm = await WsClient.subscribe(server.wsUrl('Message'));
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    for (let index = 0; index < 100; index += 1) client.send({ id: `m${index}`, ...record('flood') });
    const { code, reason } = await client.closed;
    expect(code).toBe(1008);
    expect(reason).not.toBe('');
    calm.send({ id: 'calm', ...record('still here') });
    await calm.next((frame) => frame.id === 'calm');
    expect(calm.changes.items.length).toBeLessThan(40);
  });

  test('without the right to write the message is refused, and the subscription goes on', async () => {
    const fields = '{ id: ID! @primaryKey title: String! content: String! }';
    const schema = `
type Message @table @export(public: [read, subscribe]) ${fields}
type Half @table @export(public: [read, subscribe, update, publish]) ${fields}`;
    await using server = await startServer({ schema });
    using client = await WsClient.subscribe(server.wsUrl('Message'));
    client.send({ id: 'm', ...record('bare') });
    expect(await client.control('error')).toMatchObject({ code: 'FORBIDDEN' });
    for (const message_type of ['Update', 'Delete', 'Publish']) {
      client.send({ message_type, id: 'm', data: record('envelope'), ref: message_type });
      expect(await client.control('error', message_type)).toMatchObject({ code: 'FORBIDDEN' });
    }
    expect(client.isOpen).toBe(true);
    expect((await server.ask('PUT', 'Message/m', { json: record('rest') })).status).toBe(403);
    expect((await server.ask('GET', 'Message')).records).toEqual([]);

    // The subscription of a table where only publishing and updating is allowed still delivers what is allowed.
    using half = await WsClient.subscribe(server.wsUrl('Half'));
    half.send({ message_type: 'Update', id: 'h', data: record('create'), ref: 1 });
    expect(await half.control('error', 1)).toMatchObject({ code: 'FORBIDDEN' });
    half.send({ message_type: 'Publish', id: 'h', data: record('sent'), ref: 2 });
    expect(await half.next()).toMatchObject({ message_type: 'Publish', id: 'h' });
  });
});
