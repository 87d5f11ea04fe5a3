import { get } from 'node:http';
import { describe, expect, test } from 'vitest';
import { PermanentError } from '../../src/connectors/connector.ts';
import { ask } from '../support/http.ts';
import { SseClient } from '../support/sse-client.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { type Listener, RoomHostHarness } from './room-host.ts';

const AUTH = `auth: {users: true, jwt: {secret: ${SECRET}}}\n`;

const open = (keys = '', config = '', on: Record<string, Listener> = {}) =>
  RoomHostHarness.open({ connector: `live: {type: sse${keys}}`, config, on });

/** Text received so far, as it is on the wire. */
async function read(url: string, enough: (text: string) => boolean): Promise<{ type: string; text: string }> {
  return new Promise((resolve, reject) => {
    const request = get(url, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (!enough(text)) return;
        resolve({ type: response.headers['content-type'] ?? '', text });
        request.destroy();
      });
      response.on('error', () => undefined);
    });
    request.on('error', reject);
  });
}

describe('a connector of event streams', () => {
  test('streams are in the rooms of their URL; all, a room or a user is told', async () => {
    await using house = await open();
    const url = `${house.origin}/events`;
    using both = await SseClient.open(`${url}?room=a&rooms=b,a&user_id=ann`);
    using one = await SseClient.open(`${house.origin}/my-app/events?room=a`);
    using none = await SseClient.open(url, { headers: { accept: '*/*' } });
    for (const room of ['a', 'b']) expect((await both.next('message')).json).toEqual({ type: 'joined', room });
    await one.next('message');
    expect(house.connector.status()).toEqual({ connections: 3, rooms: 2 });
    expect(await house.send('send_to_room', { n: 1 }, 'a')).toEqual({ delivered: 2 });
    for (const stream of [both, one]) {
      expect((await stream.next()).json).toEqual({ type: 'message', data: { n: 1 }, room: 'a' });
    }
    expect(await house.send('send_to_user', { n: 2 }, 'ann')).toEqual({ delivered: 1 });
    expect((await both.next()).json).toEqual({ type: 'message', data: { n: 2 } });
    expect(await house.send('broadcast', { n: 3 })).toEqual({ delivered: 3 });
    for (const stream of [both, one, none]) expect((await stream.next()).json.data).toEqual({ n: 3 });
    expect([none.status, none.events.items.length]).toEqual([200, 1]);
    both.close();
    one.close();
    await until(
      async () => house.connector.status().rooms,
      (rooms) => rooms === 0,
    );
    await house.stop();
    await none.ended;
    expect(none.retry).toBeGreaterThanOrEqual(1000);
  });

  test('the bytes of a stream contain comments that keep it alive', async () => {
    await using house = await open(', ping_interval: 50ms');
    const { type, text } = await read(`${house.origin}/events?room=a`, (it) => it.includes('keepalive'));
    expect(type).toMatch(/^text\/event-stream/);
    expect(text).toBe('data: {"type":"joined","room":"a"}\n\n: keepalive\n\n');
  });

  test('has a port of its own', async () => {
    await using house = await open(', port: 0, host: 127.0.0.1, path: /live');
    using stream = await SseClient.open(`${house.origin}/live`);
    await house.send('broadcast', {});
    await stream.next();
    expect((await ask('GET', `${house.origin}/socket.io/`)).status).toBe(404);
  });

  test('refuses rooms that are none, and too many of them, before the stream begins', async () => {
    await using house = await open(', rooms_per_connection: 2, room_name: 3');
    for (const query of ['room=', 'rooms=a,', 'room=abcd', 'rooms=a,b,c', 'user_id=a&user_id=b']) {
      expect((await ask('GET', `${house.origin}/events?${query}`)).status).toBe(400);
    }
    const posted = await ask('POST', `${house.origin}/events`, { json: {} });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, OPTIONS']);
  });

  test('flows hear of who comes and goes; one that fails is told to the client', async () => {
    const heard: unknown[] = [];
    const on: Record<string, Listener> = {
      connect: ({ input }) => {
        heard.push([input.event, input.user_id, input.room]);
        if (input.bad === '1') throw new PermanentError('not today');
        return { hello: input.user_id };
      },
      disconnect: ({ input }) => void heard.push([input.event, input.user_id]),
    };
    await using house = await open('', '', on);
    using stream = await SseClient.open(`${house.origin}/events?user_id=ann&room=a&stream=sse&token=t`);
    await stream.next();
    stream.close();
    await until(
      async () => heard.length,
      (count) => count === 2,
    );
    expect(heard).toEqual([
      ['connect', 'ann', 'a'],
      ['disconnect', 'ann'],
    ]);
    using other = await SseClient.open(`${house.origin}/events?bad=1`);
    expect((await other.next()).json).toMatchObject({ type: 'error', message: 'not today' });
  });

  test('presence: the first thing in a room is who is there', async () => {
    await using house = await open(', presence: true');
    using ann = await SseClient.open(`${house.origin}/events?room=a&user_id=ann`);
    await ann.next();
    expect((await ann.next()).json).toEqual({ type: 'presence', room: 'a', count: 1, members: ['ann'] });
    using _bob = await SseClient.open(`${house.origin}/events?room=a&user_id=bob`);
    expect((await ann.next()).json).toEqual({ type: 'member_joined', room: 'a', user_id: 'bob' });
  });

  test('where callers show who they are, the user is who they have shown', async () => {
    await using house = await open(', join: authenticated, access: anyone', AUTH);
    house.accounts.users.set('ann', { sub: 'ann', name: 'Ann', roles: [], claims: {} });
    const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
    using nobody = await SseClient.open(`${house.origin}/events?user_id=ann`);
    using ann = await SseClient.open(`${house.origin}/events?user_id=bob&room=a`, bearer(tokenOf('ann')));
    await ann.next();
    expect(await house.send('send_to_user', { n: 1 }, 'ann')).toEqual({ delivered: 1 });
    expect((await ann.next()).json.data).toEqual({ n: 1 });
    expect((await ask('GET', `${house.origin}/events?room=a`)).status).toBe(401);
    using ends = await SseClient.open(
      `${house.origin}/events`,
      bearer(tokenOf('ann', { exp: Date.now() / 1000 + 1.2 })),
    );
    expect((await ends.next('error')).json).toMatchObject({ code: 'UNAUTHORIZED' });
    house.accounts.users.set('ann', { sub: 'ann', name: 'Ann', roles: ['other'], claims: {} });
    house.accounts.changed();
    house.accounts.users.delete('ann');
    house.accounts.changed();
    expect((await ann.next('error')).json).toMatchObject({ code: 'FORBIDDEN' });
    await ann.ended;
    expect(nobody.events.items).toEqual([]);
    await using closed = await open('', AUTH);
    expect((await ask('GET', `${closed.origin}/events`)).status).toBe(401);
  });
});
