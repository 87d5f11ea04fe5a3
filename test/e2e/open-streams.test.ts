import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestServer } from '../support/app.ts';
import { accessToken, bearer, startAuthServer } from '../support/auth-app.ts';
import { SseClient } from '../support/sse-client.ts';
import { inSeconds } from '../support/tokens.ts';
import { meanwhile } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startAuthServer();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Writes every few milliseconds until it is told to stop, so that there is always something to send. */
function keepWriting(path: string): () => Promise<void> {
  let writing = true;
  const done = meanwhile(async () => {
    for (let index = 0; writing && index < 2000; index++) {
      await server.put(path, { text: String(index) });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  return async () => {
    writing = false;
    await done;
  };
}

/** Milliseconds since 1970 of a change. */
const timeOf = (seq: number) => seq / 1000;

// The seconds of their tokens pass at the same time.
describe.concurrent('a stream whose token expires', () => {
  test('over WebSocket is told before, closed with 4401, and sent nothing after that moment', async () => {
    const exp = inSeconds(3);
    using socket = await WsClient.subscribe(server.wsUrl('Note'), bearer(accessToken('ann', { exp })));
    const stop = keepWriting('Note/ws-expiry');
    const warned = await socket.control('token_expiring');
    expect(warned).toEqual({ type: 'token_expiring', expires_at: new Date(exp * 1000).toISOString() });
    expect(await socket.closed).toEqual({ code: 4401, reason: 'token expired' });
    expect(Date.now() - exp * 1000).toBeGreaterThan(-100);
    expect(Date.now() - exp * 1000).toBeLessThan(15_000);
    await stop();
    const times = socket.changes.items.map(({ seq }) => timeOf(seq));
    expect(times.length).toBeGreaterThan(10);
    expect(times.filter((time) => time >= exp * 1000)).toEqual([]);
    expect(socket.controls.items.filter(({ type }) => type === 'token_expiring').length).toBe(1);
  });

  test('over Server-Sent Events ends with an error, and is sent nothing after that moment', async () => {
    const exp = inSeconds(3);
    using stream = await SseClient.subscribe(server.url('Note'), bearer(accessToken('ann', { exp })));
    const stop = keepWriting('Note/sse-expiry');
    expect((await stream.next('error')).json).toEqual({ code: 'UNAUTHORIZED', message: 'The token has expired.' });
    await stream.ended;
    await stop();
    const events = stream.events.items;
    expect(events.at(-1)?.event).toBe('error');
    const times = events.flatMap(({ event, id }) => (event === 'update' ? [timeOf(Number(id))] : []));
    expect(times.length).toBeGreaterThan(10);
    expect(times.filter((time) => time >= exp * 1000)).toEqual([]);
  });

  test('takes no message any more', async () => {
    const exp = inSeconds(2);
    using socket = await WsClient.subscribe(server.wsUrl('Note'), bearer(accessToken('ann', { exp })));
    const timer = setInterval(() => {
      const id = `late-${Date.now()}`;
      if (socket.isOpen) socket.send({ message_type: 'Update', id, data: { text: 'x' } });
    }, 25);
    expect((await socket.closed).code).toBe(4401);
    clearInterval(timer);
    const { records } = await server.ask('GET', 'Note?id==late-*&limit=1000');
    const times = records.map(({ id }) => Number(String(id).slice(5)));
    expect(times.length).toBeGreaterThan(10);
    expect(times.filter((time) => time >= exp * 1000)).toEqual([]);
  });

  test('is not ended by a token that is valid for months, nor is an anonymous one', async () => {
    const far = bearer(accessToken('ann', { exp: inSeconds(100 * 86_400) }));
    using socket = await WsClient.subscribe(server.wsUrl('Note/far'), far);
    using stream = await SseClient.subscribe(server.url('Note/far'), far);
    using nobody = await WsClient.subscribe(server.wsUrl('Note/far'));
    await new Promise((resolve) => setTimeout(resolve, 1200));
    await server.put('Note/far', { text: 'still' });
    expect((await socket.next()).data.text).toBe('still');
    expect((await nobody.next()).data.text).toBe('still');
    expect((await stream.next('update')).json.text).toBe('still');
    expect(socket.controls.items.map(({ type }) => type)).toEqual(['ready']);
  });
});

describe.concurrent('a newer token on an open WebSocket', () => {
  test('keeps it open beyond the end of the first one', async () => {
    const exp = inSeconds(2);
    using socket = await WsClient.subscribe(server.wsUrl('Note/renewed'), bearer(accessToken('ann', { exp })));
    const next = inSeconds(3600);
    socket.send({ type: 'auth', token: accessToken('ann', { exp: next }), ref: 'r1' });
    expect(await socket.control('auth')).toEqual({
      type: 'auth',
      expires_at: new Date(next * 1000).toISOString(),
      ref: 'r1',
    });
    await new Promise((resolve) => setTimeout(resolve, exp * 1000 - Date.now() + 1200));
    await server.put('Note/renewed', { text: 'on' });
    expect((await socket.next()).data.text).toBe('on');
    expect(socket.isOpen).toBe(true);
  });

  test('ends it earlier when it is valid for less', async () => {
    using socket = await WsClient.subscribe(server.wsUrl('Note'), bearer(accessToken('ann')));
    const exp = inSeconds(2);
    socket.send({ type: 'auth', token: accessToken('ann', { exp }) });
    expect(await socket.control('auth')).toEqual({ type: 'auth', expires_at: new Date(exp * 1000).toISOString() });
    expect((await socket.closed).code).toBe(4401);
  });

  test('must be of the same subject', async () => {
    using socket = await WsClient.subscribe(server.wsUrl('Note'), bearer(accessToken('ann')));
    socket.send({ type: 'auth', token: accessToken('bob') });
    expect(await socket.closed).toEqual({ code: 4401, reason: 'the token is that of another user' });
    expect(socket.controls.items.map(({ type }) => type)).toEqual(['ready']);
  });

  test('that is not valid is refused, and the connection goes on as before', async () => {
    using socket = await WsClient.subscribe(server.wsUrl('Note'), bearer(accessToken('ann')));
    const bad = accessToken('ann', { aud: 'else' });
    for (const [message, code] of [
      [{ type: 'auth', token: bad, ref: 1 }, 'UNAUTHORIZED'],
      [{ type: 'auth', token: '', ref: 2 }, 'UNAUTHORIZED'],
      [{ type: 'auth', token: 7, ref: 3 }, 'INVALID_MESSAGE'],
      [{ type: 'auth', token: bad, id: 'x', ref: 4 }, 'INVALID_MESSAGE'],
    ] as const) {
      socket.send(message);
      expect(await socket.control('error', message.ref)).toMatchObject({ code });
    }
    expect(socket.texts.join('')).not.toContain(bad.slice(0, 30));
    socket.send({ message_type: 'Update', id: 'after', data: { text: 'x' }, ref: 5 });
    expect(await socket.control('ack', 5)).toMatchObject({ id: 'after' });
    expect(server.stdout).not.toContain(bad.slice(0, 30));
  });

  test('does not give an anonymous stream an identity', async () => {
    using socket = await WsClient.subscribe(server.wsUrl('Note'));
    socket.send({ type: 'auth', token: accessToken('ann'), ref: 1 });
    expect(await socket.control('error', 1)).toMatchObject({ code: 'FORBIDDEN' });
    expect(socket.isOpen).toBe(true);
  });
});
