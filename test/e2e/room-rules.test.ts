import { expect, onTestFinished, test } from 'vitest';
import { bearer } from '../support/auth-app.ts';
import { runCommand } from '../support/cli.ts';
import type { ControlFrame } from '../support/frames.ts';
import { ADMIN, askToJoin, openRoomSocket, put, startRoomRulesServer, userToken } from '../support/room-rules-app.ts';
import { SseClient } from '../support/sse-client.ts';
import { inSeconds } from '../support/tokens.ts';

const left = (frame: ControlFrame) => frame.type === 'left';

test('a rule over the record in the name of the room decides who may join it', async () => {
  await using server = await startRoomRulesServer();
  const cases = [
    ['ann', {}, 'board:1', 'joined'],
    ['bob', {}, 'board:1', 'joined'],
    ['carl', {}, 'board:1', 'FORBIDDEN'],
    ['ann', {}, 'board:2', 'FORBIDDEN'],
    // Of another account, though its token says that it is the owner.
    ['ann', { org: 'evil' }, 'board:1', 'FORBIDDEN'],
    ['ann', { org: undefined }, 'board:1', 'FORBIDDEN'],
    ['root', { roles: ['admin'] }, 'board:1', 'joined'],
    ['root', { roles: ['admin'] }, 'board:2', 'FORBIDDEN'],
    ['root', { roles: ['admin'], org: undefined }, 'board:2', 'joined'],
    ['ann', {}, 'board:01', 'FORBIDDEN'],
    ['ann', {}, 'board:3', 'FORBIDDEN'],
    ['ann', {}, 'board:1:x', 'FORBIDDEN'],
    ['ann', {}, 'xboard:1', 'FORBIDDEN'],
    ['ann', {}, 'user:ann', 'joined'],
    ['ann', {}, 'user:bob', 'FORBIDDEN'],
    ['ann', {}, 'lobby', 'joined'],
    ['ann', {}, 'elsewhere', 'FORBIDDEN'],
    ['root', { roles: ['admin'] }, 'elsewhere', 'joined'],
    [undefined, {}, 'lobby', 'joined'],
    [undefined, {}, 'board:1', 'UNAUTHORIZED'],
  ] as const;
  for (const [sub, claims, room, expected] of cases) {
    const client = await openRoomSocket(server, sub && userToken(sub, claims));
    const answer = await askToJoin(client, room);
    expect([sub, claims, room, answer.code ?? answer.type]).toEqual([sub, claims, room, expected]);
    client.terminate();
  }
});

test('a member that is removed leaves the room with the reason, and one that is added may join', async () => {
  await using server = await startRoomRulesServer();
  const [ann, bob] = [await openRoomSocket(server, userToken('ann')), await openRoomSocket(server, userToken('bob'))];
  for (const client of [ann, bob]) expect(await askToJoin(client, 'board:1')).toMatchObject({ type: 'joined' });
  await server.ask('DELETE', 'Member/m1', ADMIN);
  expect(await bob.controls.next(left)).toMatchObject({ room: 'board:1', reason: 'rights_changed' });
  await server.ask('POST', 'announce/board:1', { json: { text: 'to members' } });
  expect(await ann.controls.next((frame) => frame.type === 'message')).toMatchObject({ data: { text: 'to members' } });
  expect(await askToJoin(bob, 'board:1')).toMatchObject({ code: 'FORBIDDEN' });
  await put(server, 'Member/m2', { boardId: 1, userId: 'bob', role: 'reader' });
  expect(await askToJoin(bob, 'board:1')).toMatchObject({ type: 'joined' });
  expect(bob.controls.items.filter((frame) => frame.type === 'message')).toEqual([]);
});

test('members leave when their record moves, is deleted, or belongs to another account', async () => {
  await using server = await startRoomRulesServer();
  for (const change of ['Member', 'moved', 'deleted'] as const) {
    await put(server, 'Board/1', { org: 'acme', ownerId: 'ann' });
    await put(server, 'Member/m1', { boardId: 1, userId: 'bob', role: 'reader' });
    const bob = await openRoomSocket(server, userToken('bob'));
    expect(await askToJoin(bob, 'board:1')).toMatchObject({ type: 'joined' });
    if (change === 'Member') await put(server, 'Member/m1', { boardId: 2, userId: 'bob', role: 'reader' });
    else if (change === 'moved') await put(server, 'Board/1', { org: 'evil', ownerId: 'ann' });
    else await server.ask('DELETE', 'Board/1', ADMIN);
    expect(await bob.controls.next(left)).toMatchObject({ room: 'board:1' });
    bob.terminate();
  }
});

test('a newer token with other claims is judged at once', async () => {
  await using server = await startRoomRulesServer();
  const bob = await openRoomSocket(server, userToken('bob'));
  await askToJoin(bob, 'board:1');
  await askToJoin(bob, 'lobby');
  bob.send({ type: 'auth', token: userToken('bob', { org: 'evil', exp: inSeconds(7200) }) });
  expect(await bob.controls.next(left)).toMatchObject({ room: 'board:1', reason: 'rights_changed' });
  expect(await askToJoin(bob, 'lobby')).toMatchObject({ type: 'joined' });
});

test('only those who may send do so through a flow that acts as its caller', async () => {
  await using server = await startRoomRulesServer();
  const [ann, bob] = [await openRoomSocket(server, userToken('ann')), await openRoomSocket(server, userToken('bob'))];
  for (const client of [ann, bob]) await askToJoin(client, 'board:1');
  const say = async (client: typeof ann, text: string) => {
    client.send({ type: 'message', ref: text, data: { room: 'board:1', text } });
    return client.controls.next((frame) => frame.ref === text);
  };
  expect(await say(bob, 'as a reader')).toMatchObject({ type: 'error', code: 'FORBIDDEN' });
  expect(await say(ann, 'as the owner')).toMatchObject({ type: 'ack', delivered: 2 });
  await put(server, 'Member/m1', { boardId: 1, userId: 'bob', role: 'writer' });
  expect(await say(bob, 'as a writer')).toMatchObject({ type: 'ack', delivered: 2 });
});

test('only members with the right see who is in the room, also when it comes later', async () => {
  await using server = await startRoomRulesServer();
  const [ann, bob] = [await openRoomSocket(server, userToken('ann')), await openRoomSocket(server, userToken('bob'))];
  await askToJoin(ann, 'board:1');
  expect(await ann.controls.next(({ type }) => type === 'presence')).toMatchObject({ members: ['ann'] });
  await askToJoin(bob, 'board:1');
  expect(await ann.controls.next(({ type }) => type === 'member_joined')).toMatchObject({ user_id: 'bob' });
  await put(server, 'Member/m2', { boardId: 1, userId: 'ann', role: 'reader' });
  await put(server, 'Board/1', { org: 'acme', ownerId: 'bob' });
  expect(await bob.controls.next(({ type }) => type === 'presence')).toMatchObject({ members: ['ann', 'bob'] });
  expect(bob.controls.items.filter(({ type }) => type === 'member_joined')).toEqual([]);
  await server.ask('DELETE', 'Member/m2', ADMIN);
  expect(await ann.controls.next(left)).toMatchObject({ room: 'board:1' });
  expect(await bob.controls.next(({ type }) => type === 'member_left')).toMatchObject({ user_id: 'ann' });
});

test('an event stream is refused before it begins, and leaves rooms as a socket does', async () => {
  await using server = await startRoomRulesServer();
  const ask = (token?: string) =>
    server.ask('GET', 'events?room=lobby&room=board:1', token === undefined ? {} : bearer(token));
  expect(await ask(userToken('carl'))).toMatchObject({ status: 403 });
  expect(await ask()).toMatchObject({ status: 401 });
  const bob = await SseClient.open(server.url('events?rooms=lobby,board:1'), bearer(userToken('bob')));
  onTestFinished(() => bob.close());
  const next = (type: string) => bob.events.next(({ data }) => (JSON.parse(data) as ControlFrame).type === type);
  await next('joined');
  await next('joined');
  await server.ask('DELETE', 'Member/m1', ADMIN);
  expect(JSON.parse((await next('left')).data)).toMatchObject({ room: 'board:1', reason: 'rights_changed' });
});

test('API documents say what each room needs, and tablecast check which rooms callers of all accounts share', async () => {
  await using server = await startRoomRulesServer();
  const needs = [
    '- `board:{id}` (a record of Board): join `ownerId==$auth.sub` or `members.userId==$auth.sub`; send ',
    '- `user:{sub}`: join `$room.sub==$auth.sub`; send admins; presence `authenticated`',
    '- `lobby`: join `anyone`; send `speaker`; presence `authenticated`',
  ];
  const openapi = (await server.ask('GET', 'openapi.json', ADMIN)).record as unknown as Described;
  const asyncapi = (await server.ask('GET', 'asyncapi.json', ADMIN)).record as unknown as Described;
  const places = [openapi.paths?.['/ws']?.get, openapi.paths?.['/events']?.get, asyncapi.channels?._live];
  for (const place of places) for (const line of needs) expect(place?.description).toContain(line);
  const { stdout } = await runCommand(['check', server.dir]);
  const shared = stdout.split('\n').filter((line) => line.includes('callers of all accounts meet here'));
  expect(shared.map((line) => line.trim())).toEqual(['lobby: callers of all accounts meet here']);
});

type Documented = Readonly<
  Record<string, { readonly description?: string; readonly get?: { readonly description: string } }>
>;
interface Described {
  readonly paths?: Documented;
  readonly channels?: Documented;
}
