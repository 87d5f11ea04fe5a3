import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startServer } from '../../src/boot/boot.ts';
import { PermanentError } from '../../src/connectors/connector.ts';
import { AppError } from '../../src/errors.ts';
import { makeFolder } from '../config/folders.ts';
import { turns } from '../support/engine.ts';
import { ask } from '../support/http.ts';
import { OPCODE, RawWs } from '../support/raw-ws.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { refusedUpgrade, WsClient } from '../support/ws-client.ts';
import { type Listener, RoomHostHarness } from './room-host.ts';

const AUTH = `auth: {users: true, jwt: {secret: ${SECRET}}}\n`;

const open = (keys = '', config = '', on: Record<string, Listener> = {}) =>
  RoomHostHarness.open({ connector: `ws: {type: websocket${keys}}`, config, on });

async function join(client: WsClient, ...rooms: string[]): Promise<void> {
  for (const room of rooms) {
    client.send({ type: 'join_room', room });
    await client.controls.next((frame) => frame.type === 'joined' && frame.room === room);
  }
}

/** The room that a message is about, as far as it has one. */
function roomOf(message: unknown): string | undefined {
  const { room } = Object(message) as { room?: unknown };
  return typeof room === 'string' ? room : undefined;
}

/** `data` of the messages that have come. */
const messages = (client: WsClient) =>
  client.texts.map((text) => JSON.parse(text)).filter(({ type }) => type === 'message');

describe('a WebSocket connector', () => {
  test('is on the port of the server, below the application and alone', async () => {
    await using house = await open();
    using one = await WsClient.open(house.ws('/ws'));
    using other = await WsClient.open(house.ws('/my-app/ws'));
    expect(await house.send('broadcast', { n: 1 })).toEqual({ delivered: 2 });
    for (const client of [one, other])
      expect(await client.control('message')).toEqual({ type: 'message', data: { n: 1 } });
    expect(house.connector.status()).toEqual({ connections: 2, rooms: 0 });
    expect(house.connector.name).toBe('ws');
  });

  test('has a port, a host and a path of its own, with the checks of the server', async () => {
    await using house = await open(', port: 0, host: 127.0.0.1, path: /chat/live');
    using client = await WsClient.open(house.ws('/chat/live'));
    await house.send('broadcast', {});
    await client.control('message');
    expect((await refusedUpgrade(house.ws('/ws'))).status).toBe(404);
    expect((await refusedUpgrade(house.ws('/chat/live'), { origin: 'http://evil.example' })).status).toBe(403);
    const headers = { host: 'evil.example' };
    expect((await refusedUpgrade(house.ws('/chat/live'), { headers })).status).toBe(421);
    const page = await ask('GET', `${house.origin}/socket.io/?EIO=4&transport=polling`);
    expect([page.status, page.record?.error]).toEqual([
      404,
      'This server does not speak Socket.IO or Engine.IO. Open a plain WebSocket or EventSource on /chat/live.',
    ]);
  });

  test('a port of its own is on all addresses, where that was meant', async () => {
    await using house = await open(', port: 0', 'auth: none\n');
    expect(house.logged).toMatchObject([
      { connector: 'ws', url: expect.stringMatching(/^http:\/\/0\.0\.0\.0:\d+\/ws$/) },
    ]);
    using _client = await WsClient.open(house.ws());
  });

  test('does not start where its port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(open(`, port: ${port}, host: 127.0.0.1`)).rejects.toThrow(
      `connectors.ws port ${port} on 127.0.0.1 is taken`,
    );
    await expect(open(', port: 0, host: 192.0.2.1', 'auth: none\n')).rejects.toThrow(/cannot listen on 192\.0\.2\.1:0/);
  });

  test.each([
    [
      ', port: 3001',
      '',
      'connectors.ws on host "0.0.0.0" can be reached from other machines, where callers are not authenticated',
    ],
    [', port: 3001, host: 10.0.0.1', '', 'connectors.ws on host "10.0.0.1" can be reached from other machines'],
    [', host: 127.0.0.1', '', 'connectors.ws.host is for a connector with a port of its own'],
    [', access: authenticated', '', 'connectors.ws.access: callers cannot authenticate here'],
    [', join: authenticated', 'auth: none\n', 'connectors.ws.join: callers cannot authenticate here'],
    [', ping_interval: 5', '', 'connectors.ws.ping_interval'],
    [', rooms: 5', '', 'unknown key "connectors.ws.rooms"'],
  ])('refuses %s with %j', async (keys, config, message) => {
    await expect(open(keys, config)).rejects.toThrow(message);
  });

  test('an idle client that answers pings lives on, one that does not is ended after the ping', async () => {
    // On a busy machine an answer takes its time.
    await using house = await open(', ping_interval: 3s, pong_timeout: 2s');
    using idle = await RawWs.open(house.port, '/ws');
    using silent = await RawWs.open(house.port, '/ws', { answerPings: false });
    const ended = await silent.closed;
    const [ping] = silent.of(OPCODE.ping);
    expect(ended).toBeGreaterThan(ping?.at ?? Number.POSITIVE_INFINITY);
    expect(silent.of(OPCODE.ping)).toHaveLength(1);
    await until(
      async () => idle.of(OPCODE.ping).length,
      (count) => count >= 3,
    );
    expect([idle.isOpen, house.connector.status().connections]).toEqual([true, 1]);
  });

  test('stops with 1001, and is done when flows are done with those who have gone', async () => {
    const gone: unknown[] = [];
    const disconnect = async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      gone.push(1);
    };
    await using house = await open('', '', { disconnect });
    using client = await WsClient.open(house.ws());
    using other = await WsClient.open(house.ws());
    await house.stop();
    expect([await client.closed, (await other.closed).code]).toEqual([
      { code: 1001, reason: 'the server stops' },
      1001,
    ]);
    expect([gone.length, house.connector.status().connections]).toEqual([2, 0]);
  });

  test('a client that does not answer when it stops is disconnected', async () => {
    const gone: unknown[] = [];
    await using house = await open(', port: 0, host: 127.0.0.1', '', { disconnect: () => gone.push(1) });
    using client = await RawWs.open(house.port, '/ws', { answerClose: false });
    const stopped = house.stop();
    expect(await client.closeCode()).toBe(1001);
    house.connector.abort();
    await stopped;
    expect(gone).toEqual([1]);
  });

  test('a port of its own has the TLS of the server', async () => {
    await using house = await open(', port: 0, host: 127.0.0.1', 'tls: auto\n');
    expect(house.origin).toMatch(/^https:/);
    using client = await WsClient.open(house.ws(), { rejectUnauthorized: false });
    await join(client, 'a');
    await house.stop();
    expect((await client.closed).code).toBe(1001);
  });

  test('a connection that is being closed is in no room any more, however long that takes', async () => {
    await using house = await open(', presence: true', 'limits: {messages_per_second: 1, messages_burst: 2}\n');
    using flood = await RawWs.open(house.port, '/ws?user_id=ann', { answerClose: false });
    for (let n = 0; n < 3; n++) flood.send({ payload: '{"type":"join_room","room":"a"}' });
    expect(await flood.closeCode()).toBe(1008);
    expect(house.connector.status()).toEqual({ connections: 1, rooms: 0 });
    expect(await house.send('send_to_user', {}, 'ann')).toEqual({ delivered: 0 });
  });

  test('counts for the limits of connections', async () => {
    await using house = await open('', 'limits: {connections: 1}\n');
    using client = await WsClient.open(house.ws());
    expect((await refusedUpgrade(house.ws())).status).toBe(503);
    await client.close();
    await until(
      async () => house.admission.open,
      (count) => count === 0,
    );
    using _next = await WsClient.open(house.ws());
  });
});

describe('messages of a client', () => {
  test('go to flows with what is known of the connection; results, failures and refs come back', async () => {
    const heard: { input: Record<string, unknown>; key: string }[] = [];
    await using house = await open('', '', {
      message: ({ input, key, identity }) => {
        heard.push({ input, key });
        expect(identity).toEqual({ type: 'anonymous' });
        if (input.fail === 'ours') throw new Error('a secret');
        if (input.fail === 'permanent') throw new PermanentError('there is no such order');
        if (input.fail === 'expected')
          throw new AppError('VALIDATION_ERROR', 'text: missing', { errors: [{ field: 'text', message: 'missing' }] });
        return input.quiet === true ? undefined : { got: input.text };
      },
    });
    using client = await WsClient.open(house.ws('/ws?user_id=ann&device=phone&tag=a&tag=b&token=t&ticket=t&event=x'));
    client.send({ type: 'message', data: { text: 'hi', user_id: 'eve', event: 'forged', device: 'other' }, ref: 1 });
    expect(await client.control('message', 1)).toEqual({ type: 'message', data: { got: 'hi' }, ref: 1 });
    const { connection_id, ...input } = (heard[0] as (typeof heard)[0]).input;
    expect(input).toEqual({ text: 'hi', device: 'other', tag: ['a', 'b'], event: 'message', user_id: 'ann' });
    expect(connection_id).toMatch(/^[0-9a-f-]{36}$/);
    client.send({ type: 'message', data: { quiet: true }, ref: 'two' });
    expect(await client.control('ack', 'two')).toEqual({ type: 'ack', ref: 'two' });
    client.send({ type: 'message', data: { quiet: true } });
    client.send({ type: 'message' });
    expect(await client.control('message')).toEqual({ type: 'message', data: {} });
    expect(new Set(heard.map(({ key }) => key)).size).toBe(4);
    for (const fail of ['ours', 'permanent', 'expected']) client.send({ type: 'message', data: { fail }, ref: fail });
    expect(await client.control('error', 'ours')).toMatchObject({
      code: 'FLOW_FAILED',
      message: expect.not.stringContaining('secret'),
    });
    expect(await client.control('error', 'permanent')).toMatchObject({ message: 'there is no such order' });
    expect(await client.control('error', 'expected')).toEqual({
      type: 'error',
      code: 'VALIDATION_ERROR',
      message: 'text: missing',
      details: [{ field: 'text', message: 'missing' }],
      ref: 'expected',
    });
    expect(house.faults).toMatchObject([{ message: 'a secret' }]);
    expect(client.texts).toHaveLength(6);
    expect(client.isOpen).toBe(true);
  });

  test('whatever is wrong with one, the socket stays open', async () => {
    await using house = await open(', rooms_per_connection: 1, room_name: 5', 'limits: {json_depth: 4}\n', {
      message: () => 1,
    });
    using client = await WsClient.open(house.ws());
    await join(client, 'a');
    const wrong: [string | object | Uint8Array, string, string?][] = [
      ['{', 'INVALID_JSON'],
      ['[]', 'INVALID_MESSAGE'],
      [Buffer.from('{}'), 'INVALID_MESSAGE', 'A message is a text frame.'],
      [{}, 'INVALID_MESSAGE'],
      [{ type: 'dance' }, 'INVALID_MESSAGE', 'unknown message type: dance'],
      [{ type: 'auth', token: 'x' }, 'INVALID_MESSAGE', 'unknown message type: auth'],
      [{ type: 'join_room' }, 'BAD_REQUEST', 'room must be the name of a room.'],
      [{ type: 'join_room', room: '' }, 'BAD_REQUEST'],
      [{ type: 'join_room', room: 'abcdef' }, 'BAD_REQUEST', 'The name of a room may have 5 characters at most.'],
      [{ type: 'join_room', room: 'b' }, 'BAD_REQUEST', 'A connection may be in 1 rooms at most.'],
      [{ type: 'leave_room', room: 5 }, 'BAD_REQUEST'],
      [{ type: 'leave_room', room: 'abcdef' }, 'BAD_REQUEST'],
      [{ type: 'message', data: 'text' }, 'INVALID_MESSAGE', 'data must be an object.'],
      [{ type: 'message', ref: {} }, 'INVALID_MESSAGE'],
      [{ type: 'message', ref: 'x'.repeat(257) }, 'INVALID_MESSAGE'],
      [{ type: 'message', data: { a: { b: { c: {} } } } }, 'TOO_DEEP'],
    ];
    for (const [message, code, text] of wrong) {
      client.send(message as string);
      const error = await client.control('error');
      expect([error.code, typeof error.message]).toEqual([code, 'string']);
      // By which it is known which join or leave was refused.
      expect(error.room).toBe(roomOf(message));
      if (text !== undefined) expect(error.message).toBe(text);
    }
    client.send({ type: 'message', data: {} });
    await client.control('message');
  });

  test('too many bad ones end the connection', async () => {
    await using house = await open();
    using client = await WsClient.open(house.ws());
    for (let n = 0; n < 25; n++) client.send('{');
    expect((await client.closed).code).toBe(1008);
  });

  test('where no flow takes them their sender is told', async () => {
    await using house = await open();
    using client = await WsClient.open(house.ws());
    client.send({ type: 'message', data: {}, ref: 1 });
    expect(await client.control('error', 1)).toMatchObject({ message: 'No flow handles messages of this connector.' });
  });

  test('one of more than 512 KiB closes the connection with 1009', async () => {
    await using house = await open('', '', { message: ({ input }) => ({ length: String(input.text).length }) });
    using client = await WsClient.open(house.ws());
    client.send({ type: 'message', data: { text: 'x'.repeat(500 * 1024) } });
    expect((await client.control('message')).data).toEqual({ length: 500 * 1024 });
    client.send({ type: 'message', data: { text: 'x'.repeat(600 * 1024) } });
    expect((await client.closed).code).toBe(1009);
  });

  test('are handled one after the other; a flow that is slow holds back the reading of more, not the pongs', async () => {
    let running = 0;
    const order: unknown[] = [];
    const message: Listener = async ({ input }) => {
      expect(++running).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      order.push(input.n);
      running--;
    };
    const config = 'limits: {waiting_messages: 4, messages_per_second: 1000, messages_burst: 1000}\n';
    await using house = await open(', ping_interval: 100ms, pong_timeout: 50ms', config, { message });
    using client = await WsClient.open(house.ws());
    for (let n = 0; n < 30; n++) client.send({ type: 'message', data: { n } });
    await until(
      async () => order.length,
      (count) => count === 30,
    );
    expect([order, client.isOpen, house.faults]).toEqual([[...Array(30).keys()], true, []]);
  });

  test('what was sent before the client closed is still handled, and then it has gone', async () => {
    const heard: unknown[] = [];
    const note: Listener = async ({ input }) => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      heard.push(input.event);
    };
    await using house = await open('', '', { connect: note, message: note, disconnect: note });
    using client = await WsClient.open(house.ws());
    for (let n = 0; n < 3; n++) client.send({ type: 'message', data: {} });
    await client.close();
    await until(
      async () => heard.length,
      (count) => count === 5,
    );
    expect(heard).toEqual(['connect', 'message', 'message', 'message', 'disconnect']);
  });
});

describe('rooms', () => {
  test('are joined and left, which is acknowledged', async () => {
    await using house = await open();
    using client = await WsClient.open(house.ws());
    client.send({ type: 'join_room', room: 'orders', ref: 1 });
    expect(await client.control('joined')).toEqual({ type: 'joined', room: 'orders', ref: 1 });
    await join(client, 'orders', 'chat');
    expect(house.connector.status().rooms).toBe(2);
    client.send({ type: 'leave_room', room: 'chat', ref: 2 });
    expect(await client.control('left')).toEqual({ type: 'left', room: 'chat', ref: 2 });
    client.send({ type: 'leave_room', room: 'never' });
    expect(await client.control('left')).toEqual({ type: 'left', room: 'never' });
    expect(await house.send('send_to_room', { n: 1 }, 'chat')).toEqual({ delivered: 0 });
    expect(await house.send('send_to_room', { n: 2 }, 'orders')).toEqual({ delivered: 1 });
    expect(await client.control('message')).toEqual({ type: 'message', data: { n: 2 }, room: 'orders' });
    expect(messages(client)).toHaveLength(1);
  });

  test('messages reach all, or exactly the members of a room', async () => {
    await using house = await open();
    const clients = await Promise.all([1, 2, 3].map(() => WsClient.open(house.ws())));
    onTestFinished(() => void clients.map((client) => client.terminate()));
    for (const client of clients.slice(0, 2)) await join(client, '7');
    expect(await house.send('send_to_room', { n: 1 }, 7)).toEqual({ delivered: 2 });
    expect(await house.send('broadcast', { n: 2 })).toEqual({ delivered: 3 });
    for (const [index, count] of [2, 2, 1].entries()) {
      await until(
        async () => messages(clients[index] as WsClient).length,
        (length) => length >= count,
      );
    }
    await turns(5);
    expect(clients.map((client) => messages(client).length)).toEqual([2, 2, 1]);
  });

  test('an empty room is no failure, and no room at all is one', async () => {
    await using house = await open();
    expect(await house.send('send_to_room', {}, 'empty')).toEqual({ delivered: 0 });
    for (const target of [undefined, '', null, {}, 'x'.repeat(129)]) {
      const failure = await house.send('send_to_room', {}, target).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'BAD_REQUEST' });
    }
    await expect(house.send('send_to_user', {}, undefined)).rejects.toThrow('The user to send to is missing');
  });

  test('a user is reached at all of their connections, and without auth is who the client says', async () => {
    await using house = await open();
    const [one, two, bob, nobody] = await Promise.all(
      ['?user_id=ann', '?user_id=ann', '?user_id=bob', '?user_id='].map((query) =>
        WsClient.open(house.ws(`/ws${query}`)),
      ),
    );
    onTestFinished(() => void [one, two, bob, nobody].map((client) => client?.terminate()));
    expect(await house.send('send_to_user', { n: 1 }, 'ann')).toEqual({ delivered: 2 });
    await house.send('broadcast', { n: 2 });
    for (const client of [one, two, bob, nobody]) await client?.controls.next(({ data }) => data?.n === 2);
    for (const client of [one, two])
      await until(
        async () => messages(client as WsClient).length,
        (count) => count === 2,
      );
    expect([bob, nobody].map((client) => messages(client as WsClient).length)).toEqual([1, 1]);
    expect((await refusedUpgrade(house.ws('/ws?user_id=a&user_id=b'))).status).toBe(400);
    expect((await refusedUpgrade(house.ws(`/ws?user_id=${'x'.repeat(257)}`))).status).toBe(400);
  });

  test('who disconnects leaves all of them', async () => {
    await using house = await open();
    using client = await WsClient.open(house.ws());
    await join(client, 'a', 'b');
    expect(house.connector.status()).toEqual({ connections: 1, rooms: 2 });
    client.terminate();
    await until(
      async () => house.connector.status(),
      ({ connections }) => connections === 0,
    );
    expect(house.connector.status()).toEqual({ connections: 0, rooms: 0 });
  });

  test('presence: members learn who is there, comes and goes', async () => {
    await using house = await open(', presence: true');
    using ann = await WsClient.open(house.ws('/ws?user_id=ann'));
    await join(ann, 'a');
    expect(await ann.control('presence')).toEqual({ type: 'presence', room: 'a', count: 1, members: ['ann'] });
    using bob = await WsClient.open(house.ws('/ws?user_id=bob'));
    await join(bob, 'a');
    expect(await bob.control('presence')).toMatchObject({ members: ['ann', 'bob'] });
    expect(await ann.control('member_joined')).toEqual({ type: 'member_joined', room: 'a', user_id: 'bob' });
    bob.terminate();
    expect(await ann.control('member_left')).toEqual({ type: 'member_left', room: 'a', user_id: 'bob' });
    expect(house.connector.rooms?.members('a')).toEqual(['ann']);
  });

  test('a member that does not read is closed, the others are told everything', async () => {
    await using house = await open('', 'channels: {client_buffer: 64KiB, slow_client_timeout: 300ms}\n');
    using stuck = await RawWs.open(house.port, '/ws');
    stuck.send({ payload: JSON.stringify({ type: 'join_room', room: 'a' }) });
    await stuck.json();
    using fine = await WsClient.open(house.ws());
    await join(fine, 'a');
    stuck.pause();
    const text = 'x'.repeat(200_000);
    for (let n = 0; n < 100; n++) {
      await house.send('send_to_room', { n, text }, 'a');
      await fine.controls.next(({ data }) => data?.n === n);
    }
    await until(
      async () => (await house.send('send_to_room', {}, 'a')) as { delivered: number },
      ({ delivered }) => delivered === 1,
    );
    expect(fine.isOpen).toBe(true);
  });
});

test('routes in code tell connections something', async () => {
  const routes = `export const routes = {
    tell: { method: 'POST', handler: async ({ rooms, body: { room, user, data } }) => ({
      names: Object.keys(rooms),
      told: room !== undefined ? await rooms.ws.sendToRoom(room, data) : user !== undefined ? await rooms.ws.sendToUser(user, data) : await rooms.ws.broadcast(data),
      members: await rooms.ws.members('a'),
      others: [rooms.other, rooms.toString, rooms.ws.connect],
    }) },
  };`;
  await using house = await RoomHostHarness.open({ connector: 'ws: {type: websocket}', routes });
  using ann = await WsClient.open(house.ws('/ws?user_id=ann'));
  using bob = await WsClient.open(house.ws('/ws?user_id=bob'));
  await join(ann, 'a');
  const tell = (json: object) => ask('POST', `${house.origin}/api/tell`, { json });
  const answer = await tell({ room: 'a', data: [1] });
  expect(answer.record).toEqual({ names: ['ws'], told: 1, members: ['ann'], others: [null, null, null] });
  expect((await tell({ user: 'bob', data: 'two' })).record).toMatchObject({ told: 1 });
  expect((await tell({ data: 3 })).record).toMatchObject({ told: 2 });
  expect((await tell({ room: '', data: 3 })).status).toBe(400);
  await until(
    async () => messages(ann).length + messages(bob).length,
    (count) => count === 4,
  );
  expect(messages(ann).map(({ data }) => data)).toEqual([[1], 3]);
  expect(messages(bob).map(({ data }) => data)).toEqual(['two', 3]);
});

test('what a flow has sent on is no message to its sender, who with a ref gets the number of receivers', async () => {
  let house: RoomHostHarness | undefined;
  await using opened = await open('', '', {
    message: ({ input: { text } }) => house?.send('broadcast', { text }),
    connect: () => house?.send('broadcast', { joined: true }),
  });
  house = opened;
  using client = await WsClient.open(opened.ws());
  await client.control('message');
  client.send({ type: 'message', data: { text: 'hi' }, ref: 1 });
  client.send({ type: 'message', data: { text: 'again' } });
  expect(await client.control('ack', 1)).toEqual({ type: 'ack', ref: 1, delivered: 1 });
  await until(
    async () => messages(client).length,
    (count) => count === 3,
  );
  expect(messages(client).map(({ data }) => data)).toEqual([{ joined: true }, { text: 'hi' }, { text: 'again' }]);
});

test('a client that takes nothing of what waits is ended, though that is not too much', async () => {
  const config = 'channels: {client_buffer: 100MiB, slow_client_timeout: 200ms}\n';
  await using house = await open(', ping_interval: 50ms, pong_timeout: 50ms', config);
  using stuck = await RawWs.open(house.port, '/ws');
  stuck.pause();
  for (let n = 0; n < 20; n++) await house.send('broadcast', { text: 'x'.repeat(1024 * 1024) });
  await until(
    async () => house.connector.status().connections,
    (count) => count === 0,
  );
});

test('an address where something else is ends the start', async () => {
  const schema = 'type Note @table @export { id: ID! @primaryKey }\n';
  for (const type of ['websocket', 'sse']) {
    const config = `port: 0\nlogging: {level: silent}\nconnectors:\n  live: {type: ${type}, path: /Note}\n`;
    const dir = makeFolder({ 'schema.graphql': schema, 'config.yaml': config });
    const start = startServer({ dir, env: {}, allowDestructive: false });
    await expect(start).rejects.toThrow('connectors.live /my-app/Note is used by something else');
  }
});

describe('coming and going', () => {
  test('is told once, however a connection ended', async () => {
    const heard: string[] = [];
    const note: Listener = ({ input }) => void heard.push(`${input.event} ${input.user_id} ${input.connection_id}`);
    await using house = await open(', ping_interval: 100ms, pong_timeout: 50ms', '', {
      connect: note,
      disconnect: note,
    });
    const closed = await WsClient.open(house.ws('/ws?user_id=closed'));
    await closed.close();
    const reset = await RawWs.open(house.port, '/ws?user_id=reset');
    reset.socket.resetAndDestroy();
    using _silent = await RawWs.open(house.port, '/ws?user_id=silent', { answerPings: false });
    await until(
      async () => heard.length,
      (count) => count >= 6,
    );
    await house.stop();
    for (const user of ['closed', 'reset', 'silent']) {
      const events = heard.filter((line) => line.includes(` ${user} `));
      const id = events[0]?.split(' ')[2];
      expect(events).toEqual([`connect ${user} ${id}`, `disconnect ${user} ${id}`]);
    }
  });

  test('a flow of its connecting that fails is told to the client, and does not close it', async () => {
    await using house = await open('', '', {
      connect: ({ input }) => {
        if (input.bad === '1') throw new PermanentError('not today');
        return { welcome: input.user_id };
      },
      disconnect: ({ input }) => {
        if (input.bad === '1') throw new AppError('STOPPING', 'The flow was not finished.');
        throw new Error('nobody hears it');
      },
    });
    using client = await WsClient.open(house.ws('/ws?user_id=ann'));
    using other = await WsClient.open(house.ws('/ws?bad=1'));
    expect(await other.control('error')).toMatchObject({ message: 'not today' });
    await join(other, 'a');
    await join(client, 'a');
    expect(messages(client)).toEqual([]);
    await Promise.all([client.close(), other.close()]);
    await until(
      async () => house.faults.length,
      (count) => count === 2,
    );
  });
});

describe('where callers show who they are', () => {
  const ANN = { sub: 'ann', name: 'Ann', roles: [], claims: {} };

  async function openAuth(keys = '', on: Record<string, Listener> = {}) {
    const house = await open(keys, AUTH, on);
    house.accounts.users.set('ann', ANN);
    house.accounts.users.set('bob', { ...ANN, sub: 'bob', name: 'Bob' });
    return house;
  }

  test('the user is the subject of the token, whatever the URL says', async () => {
    const heard: unknown[] = [];
    await using house = await openAuth('', {
      message: ({ input, identity }) => void heard.push([input.user_id, identity]),
    });
    expect((await refusedUpgrade(house.ws())).status).toBe(401);
    using ann = await WsClient.open(house.ws('/ws?user_id=bob'), { protocols: [`bearer.${tokenOf('ann')}`] });
    using bob = await WsClient.open(house.ws(), { headers: { authorization: `Bearer ${tokenOf('bob')}` } });
    expect(await house.send('send_to_user', { for: 'bob' }, 'bob')).toEqual({ delivered: 1 });
    await bob.control('message');
    ann.send({ type: 'message', data: { user_id: 'bob' }, ref: 1 });
    await ann.control('ack', 1);
    expect(heard).toMatchObject([['ann', { type: 'principal', sub: 'ann' }]]);
    expect(messages(ann)).toEqual([]);
  });

  test('others may be let in, and not into rooms', async () => {
    await using house = await openAuth(', access: anyone, join: authenticated');
    using client = await WsClient.open(house.ws('/ws?user_id=ann'));
    client.send({ type: 'join_room', room: 'a', ref: 1 });
    expect(await client.control('error', 1)).toMatchObject({ code: 'UNAUTHORIZED' });
    expect(await house.send('send_to_user', {}, 'ann')).toEqual({ delivered: 0 });
    using ann = await WsClient.open(house.ws(), { protocols: [tokenOf('ann')] });
    await join(ann, 'a');
  });

  test('a connection ends with its token, unless it shows a newer one of the same subject', async () => {
    await using house = await openAuth();
    const soon = () => tokenOf('ann', { exp: Date.now() / 1000 + 1.5 });
    using ends = await WsClient.open(house.ws(), { protocols: [soon()] });
    using renewed = await WsClient.open(house.ws(), { protocols: [soon()] });
    using other = await WsClient.open(house.ws(), { protocols: [soon()] });
    await ends.control('token_expiring');
    renewed.send({ type: 'auth', token: 'nonsense', ref: 1 });
    expect(await renewed.control('error', 1)).toMatchObject({ code: 'UNAUTHORIZED' });
    renewed.send({ type: 'auth', token: tokenOf('ann'), ref: 2 });
    expect(await renewed.control('auth', 2)).toMatchObject({ expires_at: expect.any(String) });
    other.send({ type: 'auth', token: tokenOf('bob') });
    expect((await other.closed).code).toBe(4401);
    expect(await ends.closed).toEqual({ code: 4401, reason: 'token expired' });
    expect(renewed.isOpen).toBe(true);
  });
});
