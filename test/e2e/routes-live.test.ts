import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { startServer, startToExit, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { Mailbox } from '../support/mailbox.ts';
import { routesApp } from '../support/routes-app.ts';
import { SseClient } from '../support/sse-client.ts';
import { inSeconds, SECRET, tokenOf } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const FEEDS = `
const changes = async function* (table, { query, signal }) {
  for await (const message of table.subscribe(query.q ?? '', { signal, since: query.since })) yield message;
};
export const routes = {
  feed: defineRoute({ kind: 'sse', handler: (route) => changes(route.tables.Log, route) }),
  secrets: defineRoute({ kind: 'sse', handler: (route) => changes(route.as(route.identity).Secret, route) }),
  forgetful: defineRoute({ kind: 'sse', handler: async function* ({ tables }) { yield* tables.Log.subscribe(); } }),
  next: defineRoute({ handler: async ({ tables, signal }) => {
    for await (const message of tables.Log.subscribe('', { signal })) if (message.message_type === 'Update') return message.data;
  } }),
};`;

const subscriptions = (server: TestServer) => server.metric(/^tablecast_subscriptions/);
const untilSubscriptions = (server: TestServer, count: number) =>
  until(
    () => subscriptions(server),
    (open) => open === count,
    { what: `${count} subscriptions` },
  );

describe('changes of a table in a route', () => {
  test('are the events of its stream, resumable, and the subscription ends with the client', async () => {
    await using server = await startServer(routesApp(FEEDS));
    const stream = await SseClient.open(server.url('api/feed?q=text==a*'));
    const ready = (await stream.next('message')).json;
    expect(ready).toEqual({ type: 'ready', seq: expect.any(Number) });
    expect(await subscriptions(server)).toBe(1);
    await server.put('Log/1', { text: 'b' });
    await server.put('Log/2', { text: 'ab' });
    expect((await stream.next('message')).json).toMatchObject({
      ...{ message_type: 'Update', op: 'create', id: '2', seq: expect.any(Number) },
      data: { id: '2', text: 'ab' },
    });
    await server.put('Log/2', { text: 'b' });
    expect((await stream.next('message')).json).toMatchObject({ message_type: 'Delete', id: '2', reason: 'filter' });
    stream[Symbol.dispose]();
    await untilSubscriptions(server, 0);
    using again = await SseClient.open(server.url(`api/feed?since=${ready.seq}`));
    const ids = [await again.next(), await again.next(), await again.next()].map(({ json }) => json.id);
    expect(ids).toEqual(['1', '2', '2']);
  });

  test('one without signal ends at the next change', async () => {
    await using server = await startServer(routesApp(FEEDS));
    const stream = await SseClient.open(server.url('api/forgetful'));
    expect((await stream.next('message')).json.type).toBe('ready');
    stream[Symbol.dispose]();
    await untilConnections(server, 0);
    await server.put('Log/1', { text: 'x' });
    await untilSubscriptions(server, 0);
  });

  test('what is wrong with a query ends the stream as any other throw does', async () => {
    await using server = await startServer(routesApp(FEEDS));
    expect(await (await fetch(server.url('api/feed?q=txet==1'))).text()).toMatch(/^event: error\ndata: .*txet/);
    expect(await subscriptions(server)).toBe(0);
  });

  test('with the rights of the caller it is refused as on any other door', async () => {
    await using server = await startServer(routesApp(FEEDS));
    expect(await (await fetch(server.url('api/secrets'))).text()).toMatch(/^event: error/);
    expect(await subscriptions(server)).toBe(0);
  });

  test('end when the server stops, even without a signal of their own', async () => {
    const server = await startServer(routesApp(FEEDS));
    try {
      using stream = await SseClient.open(server.url('api/forgetful'));
      await stream.next('message');
      const waiting = server.ask('GET', 'api/next').catch(() => undefined);
      await untilSubscriptions(server, 2);
      const begun = performance.now();
      await server.stop();
      await waiting;
      expect(performance.now() - begun).toBeLessThan(9000);
    } finally {
      await server.discard();
    }
  });

  test('are there in hooks, too', async () => {
    const hooks = `
export const onRealtimeConnect = async ({ tables, connectionId }) => {
  const changes = tables.Log.subscribe('', { retained: true });
  const { value } = await changes.next();
  await changes.return();
  await tables.Log.create({ id: connectionId, text: 'heard ' + (value.type ?? value.data.text) });
};`;
    const app = routesApp(FEEDS, { config: 'hooks: hooks.ts\n', files: { 'hooks.ts': hooks } });
    await using server = await startServer(app);
    await server.put('Log/1', { text: 'one' });
    using stream = await SseClient.open(server.url('Log?stream=sse&retained=true&text==heard*'));
    expect((await stream.next('retained')).json).toMatchObject({ text: 'heard one' });
    expect(await subscriptions(server)).toBe(1);
  });
});

const untilConnections = (server: TestServer, count: number) =>
  until(
    () => server.metric(/connections\{transport="routes"\}/),
    (open) => open === count,
    { what: `${count} connections` },
  );

const CHAT = `
const handler = {
  onMessage: async (message, { send, identity }) => {
    if (message.type === 'slow') await sleep(300);
    send({ sub: identity.sub ?? null, roles: identity.roles ?? null, message });
  },
};
export const routes = {
  chat: defineRoute({ kind: 'ws', handler }),
  own: defineRoute({ kind: 'ws', renew: false, handler }),
  editors: defineRoute({ kind: 'ws', access: ['editor'], handler }),
};`;

/** A socket of a route whose messages are JSON. Use it with `using`. */
class Chat implements Disposable {
  readonly socket: WebSocket;
  readonly messages: Mailbox<Json>;
  readonly closed: Promise<{ code: number; reason: string }>;

  static async open(server: TestServer, path: string, token?: string): Promise<Chat> {
    const chat = new Chat(server.wsUrl(`api/${path}`), token === undefined ? [] : [`bearer.${token}`, 'mine']);
    await new Promise((resolve, reject) => chat.socket.once('open', resolve).once('error', reject));
    return chat;
  }

  private constructor(url: string, protocols: string[]) {
    this.messages = new Mailbox(`messages of ${url}`);
    this.socket = new WebSocket(url, protocols);
    this.socket.on('message', (data: Buffer) => this.messages.push(JSON.parse(String(data)) as Json));
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }));
    });
  }

  /** Sends it and gives what comes next. */
  async ask(message: object): Promise<Json> {
    this.socket.send(JSON.stringify(message));
    return this.messages.next();
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }
}

const AUTH = `auth:\n  jwt:\n    secret: ${SECRET}\n`;

describe('a newer token on the socket of a route', () => {
  test('is taken, answered, and that of the connection from then on', async () => {
    await using server = await startServer(routesApp(CHAT, { config: AUTH }));
    const first = inSeconds(3);
    using chat = await Chat.open(server, 'chat', tokenOf('ada', { exp: first }));
    // It comes at once, and not when there is room for it.
    expect(await chat.messages.next()).toEqual({
      type: 'token_expiring',
      expires_at: new Date(first * 1000).toISOString(),
    });
    expect(await chat.ask({ type: 'hello' })).toMatchObject({ sub: 'ada', roles: [] });
    const exp = inSeconds(600);
    chat.socket.send('{"type":"slow"}');
    // A handler that is at work does not hold it up.
    expect(await chat.ask({ type: 'auth', token: tokenOf('ada', { exp, roles: ['editor'] }), ref: 'r1' })).toEqual({
      ...{ type: 'auth', expires_at: new Date(exp * 1000).toISOString(), ref: 'r1' },
    });
    expect(await chat.messages.next()).toMatchObject({ message: { type: 'slow' } });
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, first * 1000 - Date.now()) + 800));
    expect(await chat.ask({ type: 'hello' })).toMatchObject({ sub: 'ada', roles: ['editor'] });
    expect(await chat.ask({ type: 'auth', token: tokenOf('ada', { exp: inSeconds(-5) }), ref: 2 })).toMatchObject({
      ...{ type: 'error', code: 'UNAUTHORIZED', ref: 2 },
    });
    expect(await chat.ask({ type: 'auth', token: 5 })).toMatchObject({ type: 'error', code: 'INVALID_MESSAGE' });
    expect(await chat.ask({ type: 'auth', token: 'x', more: 1 })).toMatchObject({ code: 'INVALID_MESSAGE' });
    expect(await chat.ask({ type: 'auth', token: 'x', ref: {} })).toMatchObject({ code: 'INVALID_MESSAGE' });
    // These are the handler's: there is no token, or it is an envelope.
    expect(await chat.ask({ type: 'auth' })).toMatchObject({ message: { type: 'auth' } });
    expect(await chat.ask({ type: 'auth', token: 'x', message_type: 'y' })).toMatchObject({ sub: 'ada' });
    expect(await chat.ask(['"auth"'])).toMatchObject({ message: ['"auth"'] });
    chat.socket.send(JSON.stringify({ type: 'auth', token: tokenOf('eve') }));
    expect(await chat.closed).toEqual({ code: 4401, reason: 'the token is that of another user' });
  });

  test('is warned about and then closed with 4401 when none comes', async () => {
    await using server = await startServer(routesApp(CHAT, { config: AUTH }));
    const token = tokenOf('ada', { exp: inSeconds(3) });
    using chat = await Chat.open(server, 'chat', token);
    using own = await Chat.open(server, 'own', token);
    expect(await chat.messages.next()).toMatchObject({ type: 'token_expiring' });
    expect(await chat.closed).toEqual({ code: 4401, reason: 'token expired' });
    expect((await own.closed).code).toBe(4401);
    expect(own.messages.items).toEqual([]);
  });

  test('judges access anew, and is the own matter of a route that says so', async () => {
    await using server = await startServer(routesApp(CHAT, { config: AUTH }));
    using editor = await Chat.open(server, 'editors', tokenOf('ada', { roles: ['editor'] }));
    editor.socket.send(JSON.stringify({ type: 'auth', token: tokenOf('ada') }));
    expect((await editor.closed).code).toBe(4403);
    using own = await Chat.open(server, 'own', tokenOf('ada'));
    const message = { type: 'auth', token: 'mine' };
    expect(await own.ask(message)).toMatchObject({ sub: 'ada', message });
    using nobody = await Chat.open(server, 'chat');
    expect(await nobody.ask({ type: 'auth', token: tokenOf('ada') })).toMatchObject({ code: 'FORBIDDEN' });
  });

  test("is the handler's where the application has no auth", async () => {
    await using server = await startServer(routesApp(CHAT.replace(/.*editors:.*/, '')));
    using chat = await Chat.open(server, 'chat');
    const message = { type: 'auth', token: 'x' };
    expect(await chat.ask(message)).toEqual({ sub: null, roles: null, message });
  });
});

test('renew is true or false', async () => {
  const routes = "export const routes = { a: defineRoute({ kind: 'ws', renew: 'no', handler: { onMessage() {} } }) };";
  expect((await startToExit(routesApp(routes))).stderr).toMatch(/route "a" has an invalid renew/);
});
