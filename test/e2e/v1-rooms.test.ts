import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { join, startRoomsServer, tell, visitsOf } from '../support/rooms-app.ts';
import { V1_KINDS, type V1Client } from '../support/v1-client.ts';
import { askToJoinV1, openV1, outcomeOf, sendV1 } from '../support/v1-rooms.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startRoomsServer({ ws: 'presence: true, rooms_per_connection: 3' });
}, 120_000);
afterAll(() => server?.[Symbol.asyncDispose]());

const dataOf = (client: V1Client, id: string) =>
  client.of(id).flatMap(({ type, data }) => (type === 'message' ? [data] : []));

describe.each(V1_KINDS)('rooms over protocol v1, %s', (kind) => {
  test('are joined under an id, and their messages come for it until it is left', async () => {
    const [ann, bob] = [await openV1(server, { kind }), await openV1(server, { kind })];
    expect(ann.hello.rooms).toEqual(['ws', 'other']);
    for (const client of [ann, bob]) {
      expect(await askToJoinV1(client, `${kind}-a`)).toEqual({ type: 'subscribed', id: `${kind}-a` });
    }
    expect(await tell(server, `rooms/${kind}-a`, 1)).toBe(2);
    expect(await tell(server, `rooms/${kind}-b`, 2)).toBe(0);
    ann.send({ type: 'unsubscribe', id: `${kind}-a` });
    await ann.next({ type: 'unsubscribed', id: `${kind}-a` });
    expect(await tell(server, `rooms/${kind}-a`, 3)).toBe(1);
    await until(
      async () => dataOf(bob, `${kind}-a`).length,
      (length) => length === 2,
      { what: 'both messages' },
    );
    await ann.settle();
    expect(dataOf(bob, `${kind}-a`)).toEqual([{ n: 1 }, { n: 3 }]);
    expect(ann.of(`${kind}-a`)).toEqual([
      { s: [`${kind}-a`], type: 'presence', room: `${kind}-a`, count: 0, members: [] },
      { s: [`${kind}-a`], type: 'message', data: { n: 1 }, room: `${kind}-a` },
    ]);
  });

  test('share members and messages with the WebSocket of the connector', async () => {
    const room = `${kind}-shared`;
    const old = await WsClient.open(server.wsUrl('ws?user_id=old'));
    await join(old, room);
    const client = await openV1(server, { kind, user: 'new' });
    await askToJoinV1(client, room);
    expect(await client.next({ type: 'presence' })).toEqual({
      ...{ s: [room], type: 'presence', room, count: 2 },
      members: ['old', 'new'],
    });
    expect(await old.controls.next(({ type }) => type === 'member_joined')).toMatchObject({ user_id: 'new' });
    expect(await tell(server, `rooms/${room}`, 1)).toBe(2);
    expect(await client.next({ type: 'message' })).toMatchObject({ s: [room], data: { n: 1 } });
    expect(await old.controls.next(({ type }) => type === 'message')).toMatchObject({ data: { n: 1 } });
    old.terminate();
    expect(await client.next({ type: 'member_left' })).toEqual({
      s: [room],
      type: 'member_left',
      room,
      user_id: 'old',
    });
    const third = await WsClient.open(server.wsUrl('ws?user_id=third'));
    await join(third, room);
    client[Symbol.dispose]();
    expect(await third.controls.next(({ type }) => type === 'member_left')).toMatchObject({ user_id: 'new' });
    third.terminate();
  });

  test('send to flows, and get their result, their failure, or the number of connections', async () => {
    const client = await openV1(server, { kind, user: `${kind}-sender` });
    const said = await sendV1(client, 1, { text: 'hello' });
    expect(said).toMatchObject({ type: 'ack', ref: 1, data: { text: 'hello', user: `${kind}-sender` } });
    const room = `${kind}-big`;
    await askToJoinV1(client, room);
    expect(await sendV1(client, 'b', { big: 'xyz', room })).toEqual({ type: 'ack', ref: 'b', delivered: 1 });
    expect(await client.messages.next(({ type }) => type === 'message')).toMatchObject({
      s: [room],
      data: { size: 3 },
    });
    expect(outcomeOf(await sendV1(client, 'e', { big: 1, room }))).toBe('FLOW_FAILED');
    expect(outcomeOf(await sendV1(client, 'n', 'text' as never))).toBe('INVALID_MESSAGE');
    expect(outcomeOf(await sendV1(client, 'o', {}, { connector: 'other' }))).toBe('INVALID_MESSAGE');
    expect(outcomeOf(await sendV1(client, 'u', {}, { connector: 'nowhere' }))).toBe('NOT_FOUND');
  });
});

test('a subscription to the connector receives what is sent to all and to its user, and no other does', async () => {
  const [ann, anns, bob] = [
    await openV1(server, { user: 'v1-ann' }),
    await openV1(server, { user: 'v1-ann' }),
    await openV1(server, { user: 'v1-bob' }),
  ];
  for (const client of [ann, bob]) {
    client.send({ type: 'subscribe', id: 'all', connector: 'ws' });
    await client.next({ type: 'subscribed', id: 'all' });
  }
  await askToJoinV1(anns, 'v1-elsewhere');
  expect(await tell(server, 'users/v1-ann', 1)).toBe(1);
  expect(await tell(server, '', 2)).toBe(2);
  expect(await ann.next({ type: 'message' })).toEqual({ s: ['all'], type: 'message', data: { n: 1 } });
  expect(await ann.next({ type: 'message' })).toMatchObject({ data: { n: 2 } });
  expect(await bob.next({ type: 'message' })).toMatchObject({ data: { n: 2 } });
  await anns.settle();
  expect(anns.messages.items.filter(({ type }) => type === 'message')).toEqual([]);
});

test('what is wrong with a subscription or a message is reported with its id or ref', async () => {
  const client = await openV1(server);
  const cases: readonly (readonly [Json, string])[] = [
    [{ room: '', connector: 'ws' }, 'BAD_REQUEST'],
    [{ room: 'x'.repeat(129), connector: 'ws' }, 'BAD_REQUEST'],
    [{ room: 5, connector: 'ws' }, 'INVALID_MESSAGE'],
    [{ connector: 5 }, 'INVALID_MESSAGE'],
    [{ room: 'a', connector: 'nowhere' }, 'NOT_FOUND'],
    // There are two connectors with rooms.
    [{ room: 'a' }, 'INVALID_MESSAGE'],
    [{ room: 'a', connector: 'ws', query: 'Said' }, 'INVALID_MESSAGE'],
    [{ room: 'a', connector: 'ws', since: '1' }, 'INVALID_MESSAGE'],
    [{ room: 'a', connector: 'ws', snapshot: true }, 'INVALID_MESSAGE'],
    [{ room: 'a', connector: 'ws', credit: 5 }, 'INVALID_MESSAGE'],
  ];
  for (const [members, code] of cases) {
    client.send({ type: 'subscribe', id: 1, ...members });
    const { id, problem } = await client.next({ type: 'error' });
    expect([members, id, (problem as Json).code]).toEqual([members, 1, code]);
  }
  for (const room of ['a', 'b', 'c']) expect((await askToJoinV1(client, room)).type).toBe('subscribed');
  expect(outcomeOf(await askToJoinV1(client, 'd'))).toBe('BAD_REQUEST');
  client.send({ type: 'unsubscribe', id: 'a' });
  expect((await askToJoinV1(client, 'd')).type).toBe('subscribed');
});

test('an id is one subscription: a room takes the place of a table, and a table that of a room', async () => {
  const client = await openV1(server);
  const room = 'v1-place';
  await client.subscribe(room, 'Said?text==never');
  await askToJoinV1(client, room);
  await client.write(1, { op: 'create', table: 'Said', data: { text: 'never' } });
  expect(await tell(server, `rooms/${room}`, 1)).toBe(1);
  await client.next({ type: 'message' });
  expect(client.of(room).map(({ type }) => type)).toEqual(['ready', 'presence', 'message']);
  await askToJoinV1(client, room);
  expect(await tell(server, `rooms/${room}`, 2)).toBe(1);
  await client.subscribe(room, 'Said?text==never');
  expect(await tell(server, `rooms/${room}`, 3)).toBe(0);
});

test('a flow hears of the first use of a connector, and of the end of the connection', async () => {
  const visits = async (event: string) =>
    (await server.ask('GET', `Visit?event=${event}&user=v1-visitor`)).records as readonly Json[];
  const client = await openV1(server, { user: 'v1-visitor' });
  await client.settle();
  expect(await visits('connect')).toEqual([]);
  await askToJoinV1(client, 'v1-a');
  await askToJoinV1(client, 'v1-b');
  const [came] = await until(
    () => visits('connect'),
    (all) => all.length > 0,
    { what: 'the visit' },
  );
  client[Symbol.dispose]();
  const gone = await until(
    () => visits('disconnect'),
    (all) => all.length > 0,
    { what: 'the end' },
  );
  expect(gone).toMatchObject([{ connection: came?.connection }]);
  expect(await visits('connect')).toHaveLength(1);
  expect(await visitsOf(server, 'none')).toEqual([]);
});

test('credit holds messages of a room back, and beyond what the room keeps the membership ends', async () => {
  const client = await openV1(server);
  const room = 'v1-credit';
  await askToJoinV1(client, room, { credit: { frames: 2 } });
  for (let n = 1; n <= 5; n++) await tell(server, `rooms/${room}`, n);
  await client.settle();
  await client.settle();
  expect(dataOf(client, room)).toEqual([{ n: 1 }, { n: 2 }]);
  client.send({ type: 'credit', id: room, frames: 2 });
  await client.messages.next(({ data }) => (data as Json | undefined)?.n === 4);
  client.send({ type: 'credit', id: room, frames: 100 });
  await client.messages.next(({ data }) => (data as Json | undefined)?.n === 5);
  const behind = 'v1-behind';
  await askToJoinV1(client, behind, { credit: { frames: 0 } });
  const told = await openV1(server);
  await askToJoinV1(told, behind);
  const text = 'x'.repeat(300_000);
  for (let sent = 0; sent < 20; sent++) await tell(server, `rooms/${behind}`, text);
  client.send({ type: 'credit', id: behind, frames: 1 });
  const { problem } = await client.messages.next(({ type, id }) => type === 'error' && id === behind);
  expect(problem).toMatchObject({ code: 'SLOW_CLIENT', status: 503 });
  expect(client.of(behind)).toMatchObject([{ type: 'presence' }]);
  // The other subscriptions go on, and the room can be joined again.
  await tell(server, `rooms/${room}`, 6);
  await client.messages.next(({ data }) => (data as Json | undefined)?.n === 6);
  expect((await askToJoinV1(client, behind)).type).toBe('subscribed');
  expect(await tell(server, `rooms/${behind}`, 7)).toBe(2);
  await client.messages.next(({ data }) => (data as Json | undefined)?.n === 7);
});
