import { expect, test } from 'vitest';
import type { Json } from '../support/frames.ts';
import { ADMIN, askToJoin, openRoomSocket, put, startRoomRulesServer, userToken } from '../support/room-rules-app.ts';
import { inSeconds } from '../support/tokens.ts';
import type { V1Client } from '../support/v1-client.ts';
import { askToJoinV1, openV1, outcomeOf, sendV1 } from '../support/v1-rooms.ts';

/** The end of a membership. */
const lost = async (client: V1Client, id: string) => {
  const { problem } = await client.messages.next((message) => message.type === 'error' && message.id === id);
  return (problem as Json).code;
};

test('the rules of a room hold over protocol v1 as on the WebSocket of its connector', async () => {
  await using server = await startRoomRulesServer();
  const callers = [
    undefined,
    userToken('ann'),
    userToken('bob'),
    userToken('carl'),
    userToken('ann', { org: 'evil' }),
    userToken('ann', { org: undefined }),
    userToken('root', { roles: ['admin'] }),
    userToken('root', { roles: ['admin'], org: undefined }),
  ];
  const rooms = ['board:1', 'board:2', 'board:01', 'board:3', 'board:1:x', 'user:ann', 'lobby', 'elsewhere'];
  for (const token of callers) {
    const socket = await openRoomSocket(server, token);
    const client = await openV1(server, token === undefined ? {} : { token });
    for (const room of rooms) {
      const { code = 'subscribed' } = await askToJoin(socket, room);
      expect([room, token, outcomeOf(await askToJoinV1(client, room))]).toEqual([room, token, code]);
    }
    socket.terminate();
    client[Symbol.dispose]();
  }
});

test('a member that is removed leaves the room, and the connection with its other rooms stays', async () => {
  await using server = await startRoomRulesServer();
  const [ann, bob] = [
    await openV1(server, { token: userToken('ann') }),
    await openV1(server, { token: userToken('bob') }),
  ];
  for (const client of [ann, bob]) expect(await askToJoinV1(client, 'board:1')).toMatchObject({ type: 'subscribed' });
  await askToJoinV1(bob, 'lobby');
  await server.ask('DELETE', 'Member/m1', ADMIN);
  expect(await lost(bob, 'board:1')).toBe('FORBIDDEN');
  for (const room of ['board:1', 'lobby']) await server.ask('POST', `announce/${room}`, { json: { text: 'hello' } });
  expect(await ann.next({ type: 'message' })).toMatchObject({ s: ['board:1'], data: { text: 'hello' } });
  expect(await bob.next({ type: 'message' })).toMatchObject({ s: ['lobby'], data: { text: 'hello' } });
  expect(outcomeOf(await askToJoinV1(bob, 'board:1'))).toBe('FORBIDDEN');
  await put(server, 'Member/m2', { boardId: 1, userId: 'bob', role: 'reader' });
  expect(outcomeOf(await askToJoinV1(bob, 'board:1'))).toBe('subscribed');
});

test('a newer token is judged at once, and an anonymous connection becomes that of a member', async () => {
  await using server = await startRoomRulesServer();
  const bob = await openV1(server);
  await askToJoinV1(bob, 'lobby');
  expect(outcomeOf(await askToJoinV1(bob, 'board:1'))).toBe('UNAUTHORIZED');
  const ann = await openV1(server, { token: userToken('ann') });
  await askToJoinV1(ann, 'lobby');
  bob.send({ type: 'auth', ref: 1, token: userToken('bob') });
  await bob.next({ type: 'auth' });
  expect(await ann.next({ type: 'member_joined' })).toMatchObject({ s: ['lobby'], user_id: 'bob' });
  expect(outcomeOf(await askToJoinV1(bob, 'board:1'))).toBe('subscribed');
  bob.send({ type: 'auth', ref: 2, token: userToken('bob', { org: 'evil', exp: inSeconds(7200) }) });
  expect(await lost(bob, 'board:1')).toBe('FORBIDDEN');
  bob[Symbol.dispose]();
  expect(await ann.next({ type: 'member_left' })).toMatchObject({ s: ['lobby'], user_id: 'bob' });
});

test('only callers with the right send through a flow, and see who is in a room', async () => {
  await using server = await startRoomRulesServer();
  const [ann, bob] = [
    await openV1(server, { token: userToken('ann') }),
    await openV1(server, { token: userToken('bob') }),
  ];
  for (const client of [ann, bob]) await askToJoinV1(client, 'board:1');
  expect(await ann.next({ type: 'presence' })).toMatchObject({ s: ['board:1'], members: ['ann'] });
  expect(await ann.next({ type: 'member_joined' })).toMatchObject({ user_id: 'bob' });
  const say = (client: V1Client, text: string) => sendV1(client, text, { room: 'board:1', text });
  expect(outcomeOf(await say(bob, 'as a reader'))).toBe('FORBIDDEN');
  expect(await say(ann, 'as the owner')).toEqual({ type: 'ack', ref: 'as the owner', delivered: 2 });
  await put(server, 'Member/m1', { boardId: 1, userId: 'bob', role: 'writer' });
  expect(await say(bob, 'as a writer')).toMatchObject({ type: 'ack', delivered: 2 });
  expect(bob.messages.items.filter(({ type }) => type === 'presence')).toEqual([]);
  await put(server, 'Board/1', { org: 'acme', ownerId: 'bob' });
  expect(await bob.next({ type: 'presence' })).toMatchObject({ s: ['board:1'] });
});

test('hooks may refuse a join and a message; the connector decides who connects, and who may join', async () => {
  const hooks = `
export const onRoomJoin = ({ room, connector, userId }) => {
  if (room === 'lobby') throw new Error([connector, userId].join(' ') + ' stays outside.');
};
export const onRoomSend = ({ room, data, user_id }) => {
  if (data.text === 'rude') throw new Error(user_id + ' is rude in ' + room);
};`;
  const connectors = {
    known: '{type: websocket, path: /known}',
    members: '{type: websocket, path: /members, access: anyone, join: authenticated}',
    inner: '{type: websocket, port: 0, host: 127.0.0.1, access: anyone}',
  };
  const lines = Object.entries(connectors).map(([name, text]) => `  ${name}: ${text}\n`);
  await using server = await startRoomRulesServer({
    config: 'hooks: hooks.mjs\n',
    connectors: lines.join(''),
    files: { 'hooks.mjs': hooks },
  });
  const ann = await openV1(server, { token: userToken('ann') });
  // A connector with a port of its own is for clients that reach the port.
  expect(ann.hello.rooms).toEqual(['ws', 'events', 'known', 'members']);
  expect(await askToJoinV1(ann, 'lobby')).toMatchObject({
    problem: { code: 'HOOK_REFUSED', detail: 'ws ann stays outside.' },
  });
  await askToJoinV1(ann, 'board:1');
  expect(await sendV1(ann, 1, { room: 'board:1', text: 'rude' })).toMatchObject({
    problem: { code: 'HOOK_REFUSED', detail: 'ann is rude in board:1' },
  });
  const anonymous = await openV1(server);
  const cases = [
    ['known', 'user:x', 'UNAUTHORIZED'],
    ['members', 'user:x', 'UNAUTHORIZED'],
    ['inner', 'lobby', 'NOT_FOUND'],
  ] as const;
  for (const [connector, room, code] of cases) {
    expect([connector, outcomeOf(await askToJoinV1(anonymous, room, { connector }))]).toEqual([connector, code]);
  }
  expect(outcomeOf(await sendV1(anonymous, 2, {}, { connector: 'known' }))).toBe('UNAUTHORIZED');
});

test('an administrator who views as another caller is in no room, and the rooms of a connection are listed', async () => {
  await using server = await startRoomRulesServer();
  const view = await server.ask('POST', '_/admin/view-as', { json: { sub: 'ann', claims: { org: 'acme' } }, ...ADMIN });
  const viewer = await openV1(server, { token: String(view.record.token) });
  expect(outcomeOf(await askToJoinV1(viewer, 'board:1'))).toBe('FORBIDDEN');
  const ann = await openV1(server, { token: userToken('ann') });
  await askToJoinV1(ann, 'board:1');
  await ann.subscribe('boards', 'Board');
  const { connections } = (await server.ask('GET', '_/admin/connections', ADMIN)).record as { connections: Json[] };
  const listed = connections.find(
    ({ caller }) => (caller as Json).sub === 'ann' && (caller as Json).view === undefined,
  );
  expect(listed).toMatchObject({
    transport: 'live',
    subscriptions: 1,
    rooms: 1,
    channels: [{ table: 'Board' }, { room: 'board:1' }],
  });
});
