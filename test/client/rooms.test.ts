import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import {
  type ConnectOptions,
  connect,
  type Rooms,
  type RoomsOptions,
  type TablecastError,
} from '../../src/client/index.ts';
import type { TestServer } from '../support/app.ts';
import { ADMIN, startRoomRulesServer, userToken } from '../support/room-rules-app.ts';
import { startRoomsServer, tell, visitsOf } from '../support/rooms-app.ts';
import { inSeconds } from '../support/tokens.ts';

const OPTIONS = { ws: 'presence: true', config: 'sse: true\nlimits: {messages_per_second: 1000}\n' };

let server: TestServer;
beforeAll(async () => {
  server = await startRoomsServer(OPTIONS);
}, 120_000);
afterAll(() => server?.[Symbol.asyncDispose]());

/** Rooms of a new client, with all that they have reported. */
function open(
  at: Pick<TestServer, 'url'>,
  { connector = 'ws', ...options }: RoomsOptions & { readonly connector?: string } = {},
  environment: ConnectOptions = {},
) {
  const client = connect(at.url(''), environment);
  onTestFinished(() => client.close());
  const messages: (readonly [unknown, string | undefined])[] = [];
  const errors: (readonly [code: string, room: string | undefined])[] = [];
  const states: string[] = [];
  const rooms = client.rooms(connector, {
    onMessage: (data, room) => void messages.push([data, room]),
    onError: ({ code }, room) => void errors.push([code, room]),
    onStatus: (status) => void states.push(status),
    ...options,
  });
  return { client, rooms, messages, errors, states };
}

const codeOf = (error: TablecastError) => error.code;

/** A WebSocket class that keeps the addresses that it was opened with. */
function countSockets() {
  const urls: string[] = [];
  class Counted extends WebSocket {
    constructor(url: string, protocols?: string[]) {
      super(url, protocols);
      urls.push(url);
    }
  }
  return { urls, WebSocket: Counted };
}

describe.each([
  ['a WebSocket', {}],
  ['an event stream', { eventStream: true }],
] satisfies [string, ConnectOptions][])('rooms of the client over %s', (name, environment) => {
  const nameOf = (room: string) => `${name}: ${room}`;
  const pathOf = (room: string) => `rooms/${encodeURIComponent(nameOf(room))}`;

  test('are joined and left, and messages come with their room', async () => {
    const { rooms, messages, states } = open(server, {}, environment);
    const [a, b] = [nameOf('a'), nameOf('b')];
    await Promise.all([rooms.join(a), rooms.join(a), rooms.join(b)]);
    expect(rooms.joined).toEqual([a, b]);
    expect(await tell(server, pathOf('a'), 1)).toBe(1);
    await rooms.leave(a);
    expect(messages).toEqual([[{ n: 1 }, a]]);
    expect(await tell(server, pathOf('a'), 2)).toBe(0);
    await Promise.all([rooms.join(a), rooms.leave(a), rooms.join(a), rooms.leave(nameOf('never'))]);
    expect([await tell(server, pathOf('a'), 3), await tell(server, pathOf('b'), 4)]).toEqual([1, 1]);
    const told = [
      [{ n: 1 }, a],
      [{ n: 3 }, a],
      [{ n: 4 }, b],
    ];
    await expect.poll(() => messages).toEqual(told);
    expect(states).toEqual(['connecting', 'live']);
    rooms.close();
    await rooms.ended;
    await expect(rooms.join(a).catch(codeOf)).resolves.toBe('CLOSED');
    await expect.poll(() => tell(server, pathOf('b'), 5)).toBe(0);
  });

  test('send messages to flows, which answer with a result, a number of connections or an error', async () => {
    const { rooms, messages, errors } = open(server, {}, { ...environment, userId: 'ann' });
    const said = await rooms.send({ text: name });
    expect(said).toMatchObject({ data: { text: name, user: 'ann' } });
    expect(messages).toEqual([[said.data, undefined]]);
    await rooms.join(nameOf('c'));
    expect(await rooms.send({ big: 'xyz', room: nameOf('c') })).toEqual({ delivered: 1 });
    await expect.poll(() => messages.slice(1)).toEqual([[{ size: 3 }, nameOf('c')]]);
    expect(await rooms.send({ big: 1, room: nameOf('c') }).catch(codeOf)).toBe('FLOW_FAILED');
    expect(errors).toEqual([['FLOW_FAILED', undefined]]);
  });

  test('know who is in a room', async () => {
    const changes: string[] = [];
    const onPresence = (room: string, members: readonly string[]) => void changes.push(`${room} ${members}`);
    const room = nameOf('members');
    const ann = open(server, { onPresence }, { ...environment, userId: 'ann' }).rooms;
    await ann.join(room);
    const bob = open(server, {}, { ...environment, userId: 'bob' }).rooms;
    await bob.join(room);
    await expect
      .poll(() => [ann.members(room), bob.members(room)])
      .toEqual([
        ['ann', 'bob'],
        ['ann', 'bob'],
      ]);
    bob.close();
    await expect.poll(() => changes).toEqual([`${room} ann`, `${room} ann,bob`, `${room} ann`]);
    expect(ann.members('elsewhere')).toEqual([]);
  });

  test('hear what is sent to all and to the user, unless they want their rooms alone', async () => {
    const user = `listener of ${name}`;
    const all = open(server, {}, { ...environment, userId: user });
    const some = open(server, { broadcasts: false }, { ...environment, userId: user });
    await Promise.all([all.rooms.join(nameOf('d')), some.rooms.join(nameOf('d'))]);
    expect(await tell(server, `users/${encodeURIComponent(user)}`, 1)).toBe(1);
    await tell(server, '', 2);
    await tell(server, pathOf('d'), 3);
    await expect.poll(() => all.messages.map(([data]) => data)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    await expect.poll(() => some.messages).toEqual([[{ n: 3 }, nameOf('d')]]);
    expect(some.states).toEqual(['connecting', 'live']);
  });

  test('report what is refused with its code, and the rest goes on', async () => {
    const { rooms, errors } = open(server, {}, environment);
    const long = 'x'.repeat(129);
    const [good, refused, empty] = await Promise.all([
      rooms.join(nameOf('e')),
      ...[long, ''].map((room) => rooms.join(room).catch(codeOf)),
    ]);
    expect([good, refused, empty]).toEqual([undefined, 'BAD_REQUEST', 'BAD_REQUEST']);
    expect(errors).toEqual([
      ['BAD_REQUEST', long],
      ['BAD_REQUEST', ''],
    ]);
    expect(rooms.joined).toEqual([nameOf('e')]);
    const unknown = open(server, { connector: 'nowhere' }, environment).rooms;
    const joined = unknown.join('a').catch(codeOf);
    await expect(unknown.ended).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await joined).toBe('NOT_FOUND');
  });

  test('are joined again after kill -9, and a message is sent to flows once', { timeout: 120_000 }, async () => {
    await using own = await startRoomsServer(OPTIONS);
    const { rooms, messages, errors, states } = open(own, {}, { ...environment, userId: 'ann' });
    await rooms.join('a');
    await rooms.join('b');
    await own.restart();
    await expect.poll(() => tell(own, 'rooms/a', 1).catch(() => 0), { timeout: 20_000 }).toBe(1);
    await own.kill();
    await expect.poll(() => states.at(-1), { timeout: 20_000 }).toMatch(/waiting|connecting/);
    const left = rooms.leave('b');
    const joined = rooms.join('c');
    const sent = [rooms.send({ text: 'one' }), rooms.send({ text: 'two' })];
    await own.start();
    await Promise.all([left, joined, ...sent]);
    for (const room of ['a', 'c']) {
      await expect.poll(() => tell(own, `rooms/${room}`, 2).catch(() => 0), { timeout: 20_000 }).toBe(1);
    }
    expect(await tell(own, 'rooms/b', 3)).toBe(0);
    expect((await own.ask('GET', 'Said?sort=id')).records.map(({ text }) => text)).toEqual(['one', 'two']);
    await expect.poll(() => rooms.members('a')).toEqual(['ann']);
    expect(messages.filter(([, room]) => room === 'c')).toEqual([[{ n: 2 }, 'c']]);
    expect(errors).toEqual([]);
  });
});

test('lists and the rooms of all connectors share one connection, by the name or the path of a connector', async () => {
  const { urls, WebSocket: Counted } = countSockets();
  const { client, rooms } = open(server, {}, { WebSocket: Counted });
  const others = ['other', '/other', '/my-app/other', '/ws'].map((connector) => client.rooms(connector));
  const list = client.tables.Said?.live('');
  await Promise.all([list?.ready, rooms.join('one'), ...others.map((other) => other.join('one'))]);
  expect(urls).toHaveLength(1);
  expect(await tell(server, 'rooms/one', 1)).toBe(2);
  expect(client.status).toBe('live');
  for (const closable of [rooms, list, ...others]) closable?.close();
  await expect.poll(() => client.status).toBe('idle');
});

test('rooms beyond the subscriptions of a connection are joined over another one', async () => {
  await using small = await startRoomsServer({ ...OPTIONS, config: 'limits: {subscriptions: 3}\n' });
  const { urls, WebSocket: Counted } = countSockets();
  const { rooms } = open(small, {}, { WebSocket: Counted });
  for (const room of ['a', 'b', 'c', 'd']) await rooms.join(room);
  expect(urls).toHaveLength(2);
  for (const room of ['a', 'b', 'c', 'd']) expect(await tell(small, `rooms/${room}`, 1)).toBe(1);
});

test('an address with parameters is that of the connector itself, which gives them to flows', async () => {
  const { rooms, messages } = open(server, { connector: 'ws?user_id=eve&tag=own' });
  await rooms.join('own');
  expect(await rooms.send({ text: 'own' })).toMatchObject({ data: { user: 'eve' } });
  expect(await rooms.send({ big: 'xy', room: 'own' })).toEqual({ delivered: 1 });
  await expect.poll(() => messages.at(-1)).toEqual([{ size: 2 }, 'own']);
  expect(await rooms.send({ text: 5 }).catch(codeOf)).toBe('VALIDATION_ERROR');
  expect(await rooms.join('x'.repeat(129)).catch(codeOf)).toBe('BAD_REQUEST');
  await expect.poll(() => rooms.members('own')).toEqual(['eve']);
  rooms.close();
  await expect
    .poll(async () => (await visitsOf(server, 'own')).map(({ event }) => event))
    .toEqual(['connect', 'disconnect']);
});

test('a page loads the protocol of a connector with a port of its own from the server', async () => {
  const { status, text } = await server.ask('GET', '_/client-connector.js');
  expect(status).toBe(200);
  const module = (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as Record<string, unknown>;
  expect(module.connectorSockets).toBeTypeOf('function');
  expect((await server.ask('GET', '_/client.js')).text).toContain('_/client-connector.js');
});

describe('rights', () => {
  const join = (rooms: Rooms, room: string) => rooms.join(room).then(() => 'joined', codeOf);

  test('are those of the rules, and a member that loses them leaves the room alone', async () => {
    await using guarded = await startRoomRulesServer();
    const bob = open(guarded, {}, { token: userToken('bob') });
    expect(await join(bob.rooms, 'board:2')).toBe('FORBIDDEN');
    expect(await join(bob.rooms, 'board:1')).toBe('joined');
    expect(await join(bob.rooms, 'lobby')).toBe('joined');
    expect(await bob.rooms.send({ room: 'board:1', text: 'as a reader' }).catch(codeOf)).toBe('FORBIDDEN');
    await guarded.ask('DELETE', 'Member/m1', ADMIN);
    await expect.poll(() => bob.errors.at(-1)).toEqual(['FORBIDDEN', 'board:1']);
    expect(bob.rooms.joined).toEqual(['lobby']);
    await guarded.ask('POST', 'announce/lobby', { json: { text: 'hello' } });
    await expect.poll(() => bob.messages).toEqual([[{ text: 'hello' }, 'lobby']]);
    const nobody = open(guarded);
    expect(await join(nobody.rooms, 'board:1')).toBe('UNAUTHORIZED');
    expect(await join(nobody.rooms, 'lobby')).toBe('joined');
  });

  test('are judged again with a newer token, over the open connection', { timeout: 60_000 }, async () => {
    await using guarded = await startRoomRulesServer();
    const { urls, WebSocket: Counted } = countSockets();
    const renewing = (newer: string) => {
      const first = userToken('bob', { exp: inSeconds(5) });
      return open(guarded, {}, { token: ({ renew }) => (renew ? newer : first), WebSocket: Counted });
    };
    const bob = renewing(userToken('bob'));
    const moved = renewing(userToken('bob', { org: 'evil' }));
    for (const { rooms } of [bob, moved]) await rooms.join('lobby');
    expect(await join(bob.rooms, 'board:1')).toBe('joined');
    // The right goes with the newer token, which is asked for at once.
    await moved.rooms.join('board:1').catch(() => {});
    await expect.poll(() => moved.errors, { timeout: 10_000 }).toEqual([['FORBIDDEN', 'board:1']]);
    await pause(6_000);
    // Beyond the end of the first tokens.
    await guarded.ask('POST', 'announce/board:1', { json: { text: 'hello' } });
    await expect.poll(() => bob.messages).toEqual([[{ text: 'hello' }, 'board:1']]);
    expect([urls.length, bob.errors, moved.rooms.joined, moved.messages]).toEqual([2, [], ['lobby'], []]);
  });
});
