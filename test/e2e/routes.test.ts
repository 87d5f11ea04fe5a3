import { rm } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { IN_PROCESS, makeApp, runToExit, startServer, startToExit, type TestServer } from '../support/app.ts';
import { ask } from '../support/http.ts';
import { Mailbox } from '../support/mailbox.ts';
import { routesApp } from '../support/routes-app.ts';
import { SseClient } from '../support/sse-client.ts';
import { inSeconds, SECRET, tokenOf } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { refusedUpgrade } from '../support/ws-client.ts';

type Frame = Buffer | string;

/** A client that keeps every frame as it came. Use it with `using`. */
class RawClient implements Disposable {
  readonly socket: WebSocket;
  readonly frames: Mailbox<Frame>;
  readonly closed: Promise<{ code: number; reason: string }>;

  static async open(url: string, atOnce: readonly string[] = []): Promise<RawClient> {
    const client = new RawClient(url);
    await new Promise<void>((resolve, reject) => {
      client.socket.once('open', () => {
        for (const text of atOnce) client.socket.send(text);
        resolve();
      });
      client.socket.once('error', reject);
    });
    return client;
  }

  private constructor(url: string) {
    this.frames = new Mailbox(`frames of ${url}`);
    this.socket = new WebSocket(url, { perMessageDeflate: false });
    this.socket.on('error', () => undefined);
    this.socket.on('message', (data: Buffer, isBinary) => this.frames.push(isBinary ? data : data.toString()));
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  send(message: unknown): void {
    const isRaw = typeof message === 'string' || message instanceof Uint8Array;
    this.socket.send(isRaw ? message : JSON.stringify(message));
  }

  async json(): Promise<Record<string, unknown>> {
    return JSON.parse((await this.frames.next()) as string) as Record<string, unknown>;
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }
}

/** The texts that handlers have put into the table Log, in their order. */
async function logged(server: TestServer): Promise<string[]> {
  const { records } = await server.ask('GET', 'Log?sort=id&limit=1000');
  return records.map(({ text }) => String(text));
}

async function untilLogged(server: TestServer, text: string): Promise<string[]> {
  return until(
    () => logged(server),
    (texts) => texts.includes(text),
    { what: `"${text}" in the log` },
  );
}

const BASICS = `
const log = (tables, text) => tables.Log.create({ text });
export const routes = {
  hello: defineRoute({ handler: ({ query }) => ({ hello: query.name ?? 'world' }) }),
  ticks: defineRoute({ kind: 'sse', handler: async function* () { for (let n = 1; n <= 5; n++) yield { n, text: 'a\\nb' }; } }),
  chat: defineRoute({ kind: 'ws', handler: { onMessage: (message, connection) => void connection.send({ type: 'echo', data: message }) } }),
  bytes: defineRoute({ method: 'POST', handler: ({ body }) => body }),
  teapot: defineRoute({ handler: () => Response.json({ short: true }, { status: 418, headers: { 'x-tea': 'yes' } }) }),
  nothing: defineRoute({ method: ['PUT', 'DELETE'], handler: () => undefined }),
  'rooms/:room/notes': defineRoute({ handler: ({ params, path, method, ip }) => ({ params, path, method, ip }) }),
  sum: defineRoute({ input: objectOf({ a: 'number', b: 'number' }), query: objectOf({ times: 'number' }), handler: ({ body, query }) => ({ sum: (body.a + body.b) * query.times }) }),
  taken: defineRoute({ handler: () => { throw new AppError('CONFLICT', 'It is taken.'); } }),
  broken: defineRoute({ handler: () => { throw new Error('secret of the handler'); } }),
  odd: defineRoute({ handler: () => () => 1 }),
  rights: defineRoute({ handler: async ({ tables, system }) => {
    await system.tables.Secret.put('s', { id: 's' });
    const mine = await tables.Secret.get('s').then(() => 'seen', (error) => error.code);
    return { all: (await system.tables.Secret.find()).length, mine, none: tables.toString === undefined };
  } }),
  gone: defineRoute({ handler: async ({ signal, tables }) => {
    await log(tables, 'waiting');
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    await log(tables, 'gone');
  } }),
};
`;

describe('routes in code', () => {
  test('http, sse and ws routes live side by side, at both prefixes', async () => {
    await using server = await startServer(routesApp(BASICS));
    for (const base of [server.url('api'), `${server.origin}/api`]) {
      const answer = await ask('GET', `${base}/hello?name=Ada`);
      expect([answer.status, answer.record]).toEqual([200, { hello: 'Ada' }]);
      using events = await SseClient.open(`${base}/ticks`);
      expect((await events.next('message')).json).toEqual({ n: 1, text: 'a\nb' });
      using client = await RawClient.open(`${base.replace(/^http/, 'ws')}/chat`);
      client.send({ message: 'Hello!' });
      expect(await client.json()).toEqual({ type: 'echo', data: { message: 'Hello!' } });
    }
    expect((await ask('GET', server.url('api/nope'))).status).toBe(404);
    expect((await refusedUpgrade(server.wsUrl('api/hello'))).status).toBe(404);
    expect((await ask('GET', server.url('api/chat'))).status).toBe(404);
  });

  test('the prefix is configurable, and the server tells of a wrong one', async () => {
    await using server = await startServer(routesApp(BASICS, { config: 'routes_prefix: /code/v1\n' }));
    expect((await server.ask('GET', 'code/v1/hello')).record).toEqual({ hello: 'world' });
    expect((await ask('GET', `${server.origin}/code/v1/hello`)).record).toEqual({ hello: 'world' });
    expect((await server.ask('GET', 'api/hello')).status).toBe(404);
    const wrong = await startToExit(routesApp(BASICS, { config: 'routes_prefix: code\n' }));
    expect([wrong.code, wrong.stderr]).toEqual([
      1,
      expect.stringMatching(/config\.yaml:8:16 routes_prefix: expected a path/),
    ]);
  });

  test('an http route takes and gives JSON, text and a megabyte of bytes, and checks them', async () => {
    await using server = await startServer(routesApp(BASICS));
    const bytes = Buffer.alloc(1_000_000, 'é\0');
    const sent = await fetch(server.url('api/bytes'), { method: 'POST', body: bytes });
    expect(sent.headers.get('content-type')).toBe('application/octet-stream');
    expect(Buffer.from(await sent.arrayBuffer()).equals(bytes)).toBe(true);
    const text = await fetch(server.url('api/bytes'), {
      method: 'POST',
      body: 'é',
      headers: { 'content-type': 'text/plain' },
    });
    expect(await text.json()).toBe('é');
    expect((await server.ask('POST', 'api/bytes', { json: { a: [1] } })).record).toEqual({ a: [1] });
    // A Content-Type and no body: there is nothing to give back.
    const json = { 'content-type': 'application/json' };
    expect((await server.ask('POST', 'api/bytes', { headers: json, body: '' })).status).toBe(204);
    const large = await fetch(server.url('api/bytes'), { method: 'POST', body: Buffer.alloc(1_100_000) });
    expect([large.status, await large.json()]).toMatchObject([413, { code: 'BODY_TOO_LARGE' }]);
    expect((await server.ask('POST', 'api/sum?times=2', { json: { a: 1, b: 2 } })).record).toEqual({ sum: 6 });
    const badBody = await server.ask('POST', 'api/sum?times=2', { json: { a: 1, b: 'x' } });
    expect([badBody.status, badBody.record]).toMatchObject([
      400,
      { code: 'VALIDATION_ERROR', errors: [{ field: 'b', message: 'must be a number' }] },
    ]);
    const badQuery = await server.ask('POST', 'api/sum?times=x', { json: { a: 1, b: 2 } });
    expect(badQuery.record).toMatchObject({ status: 400, code: 'VALIDATION_ERROR', errors: [{ field: 'times' }] });
    const deep = await server.ask('POST', 'api/bytes', { json: JSON.parse('['.repeat(70) + ']'.repeat(70)) });
    expect(deep.record).toMatchObject({ status: 400, code: 'TOO_DEEP' });
  });

  // Its errors are those of the built package, which the sources do not know.
  test.skipIf(IN_PROCESS)(
    'an http route has methods, parameters, a status of its own, and all rights on tables by name only',
    async () => {
      await using server = await startServer(routesApp(BASICS));
      expect((await server.ask('PUT', 'api/nothing')).status).toBe(204);
      const refused = await server.ask('GET', 'api/nothing');
      expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'PUT, DELETE, OPTIONS']);
      const teapot = await server.ask('GET', 'api/teapot');
      expect([teapot.status, teapot.headers.get('x-tea'), teapot.record]).toEqual([418, 'yes', { short: true }]);
      expect((await server.ask('GET', 'api/rooms/a%2Fb/notes?x=1')).record).toEqual({
        params: { room: 'a/b' },
        path: '/my-app/api/rooms/a%2Fb/notes',
        method: 'GET',
        ip: '127.0.0.1',
      });
      expect((await server.ask('GET', 'api/rights')).record).toEqual({ all: 1, mine: 'FORBIDDEN', none: true });
      expect((await server.ask('GET', 'api/taken')).record).toMatchObject({
        status: 409,
        code: 'CONFLICT',
        detail: 'It is taken.',
      });
      expect((await server.ask('GET', 'api/odd')).record).toMatchObject({ status: 500, code: 'HANDLER_ERROR' });
      const asked = get(server.url('api/gone')).on('error', () => undefined);
      await untilLogged(server, 'waiting');
      asked.destroy();
      await untilLogged(server, 'gone');
    },
  );

  // They read the log of a process of its own.
  test.skipIf(IN_PROCESS).each([
    ['production', 'Internal error; it has been logged.'],
    ['', 'Internal error; it has been logged.'],
    ['development', 'secret of the handler'],
  ])('what a handler throws is told with NODE_ENV=%s as %s, and always logged', async (NODE_ENV, detail) => {
    const ws = `
export const routes = {
  http: defineRoute({ handler: () => { throw new Error('secret of the handler'); } }),
  sse: defineRoute({ kind: 'sse', handler: async function* () { yield 1; throw new Error('secret of the handler'); } }),
  ws: defineRoute({ kind: 'ws', handler: {
    onMessage: (message, connection) => { if (message === 'throw') throw new Error('secret of the handler'); connection.send(message); },
    onError: (connection, error) => void connection.send('onError ' + error.message),
  } }),
};`;
    await using server = await startServer({ ...routesApp(ws), env: { NODE_ENV } });
    const answer = await server.ask('GET', 'api/http');
    expect(answer.record).toMatchObject({ status: 500, code: 'HANDLER_ERROR', detail });
    using events = await SseClient.open(server.url('api/sse'));
    expect((await events.next('message')).data).toBe('1');
    expect((await events.next('error')).json).toEqual({ message: detail });
    await events.ended;
    using client = await RawClient.open(server.wsUrl('api/ws'));
    client.send('throw');
    expect(await client.json()).toEqual({ type: 'error', code: 'HANDLER_ERROR', message: detail });
    expect(await client.frames.next()).toBe('onError secret of the handler');
    client.send('still there');
    expect(await client.frames.next()).toBe('still there');
    await server.logs.next((line) => JSON.stringify(line).includes('secret of the handler'));
  });
});

describe('a ws route', () => {
  const SOCKETS = `
const log = (tables, text) => tables.Log.create({ text });
export const routes = {
  life: defineRoute({ kind: 'ws', handler: {
    onOpen: async ({ tables, send, id }) => { send({ type: 'welcome', id }); await log(tables, 'open'); },
    onMessage: async (message, { tables }) => { await log(tables, 'message ' + message); },
    onClose: async ({ tables }, code, reason) => { await log(tables, 'close ' + code + ' ' + reason); },
  } }),
  late: defineRoute({ kind: 'ws', hooks: { before: () => sleep(100) }, handler: {
    onOpen: async (connection) => { await sleep(200); connection.send('opened'); },
    onMessage: async (message, connection) => { connection.send(message); },
  } }),
  order: defineRoute({ kind: 'ws', handler: {
    onMessage: async (message, connection) => { await sleep((message * 7) % 10); connection.send(message); },
  } }),
  kinds: defineRoute({ kind: 'ws', handler: {
    onMessage: (message, connection) => {
      if (typeof message === 'string') connection.send('text ' + message);
      else connection.send(Buffer.isBuffer(message) ? message : { json: message });
    },
  } }),
  closing: defineRoute({ kind: 'ws', handler: {
    onMessage: (message, connection) => connection.close(...message),
    onClose: ({ tables }, code, reason) => log(tables, 'closed ' + code + ' ' + reason),
  } }),
  about: defineRoute({ kind: 'ws', hooks: { before: (ctx) => { ctx.context.user = 'ada'; } }, handler: {
    onMessage: (_, connection) => void connection.send({
      id: connection.id, ip: connection.ip, agent: connection.headers['x-agent'], context: connection.context,
      query: connection.query, identity: connection.identity, buffered: connection.buffered,
    }),
  } }),
  fails: defineRoute({ kind: 'ws', handler: {
    onOpen: () => { throw new Error('no'); }, onMessage: () => {}, onClose: ({ tables }, code) => log(tables, 'fails ' + code),
  } }),
  checked: defineRoute({ kind: 'ws', query: objectOf({ room: 'number' }), message: objectOf({ text: 'string' }), handler: {
    onMessage: ({ text }, { query, send }) => void send({ room: query.room + 1, text: text.toUpperCase() }),
  } }),
  short: defineRoute({ kind: 'ws', input: objectOf({ text: 'string' }), handler: {
    onMessage: ({ text }, { query, send }) => void send({ text, query }),
  } }),
  slow: defineRoute({ kind: 'ws', handler: {
    onMessage: async (message, { send }) => { await sleep(5); send(message); },
  } }),
  flood: defineRoute({ kind: 'ws', handler: {
    onMessage: async (count, connection) => {
      for (let n = 0; n < count; n++) if (!connection.send('x'.repeat(100_000))) await connection.drained();
      connection.send('done');
    },
    onClose: ({ tables }, code) => log(tables, 'flood ' + code),
  } }),
  spill: defineRoute({ kind: 'ws', handler: {
    onMessage: (count, connection) => { for (let n = 0; n < count; n++) connection.send('x'.repeat(100_000)); },
    onClose: ({ tables }, code) => log(tables, 'spill ' + code),
  } }),
};`;
  const CONFIG =
    'limits:\n  message: 2MiB\n  waiting_messages: 4\n  messages_per_second: 10000\n  messages_burst: 10000\n';
  const start = () => startServer(routesApp(SOCKETS, { config: CONFIG }));

  test('opens, hears messages and closes once, in this order, also when it is cut off', async () => {
    await using server = await start();
    using client = await RawClient.open(server.wsUrl('api/life'));
    expect(await client.json()).toEqual({ type: 'welcome', id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    for (const text of ['a', 'b', 'c']) client.send(text);
    client.socket.close(1000, 'bye');
    await untilLogged(server, 'close 1000 bye');
    expect(await logged(server)).toEqual(['open', 'message a', 'message b', 'message c', 'close 1000 bye']);
    using second = await RawClient.open(server.wsUrl('api/life'), ['d']);
    await untilLogged(server, 'message d');
    second.socket.terminate();
    await untilLogged(server, 'close 1006 ');
    expect((await logged(server)).slice(5)).toEqual(['open', 'message d', 'close 1006 ']);
  });

  test('keeps what comes while hooks and onOpen are at work', async () => {
    await using server = await start();
    using client = await RawClient.open(server.wsUrl('api/late'), ['early', 'bird']);
    expect([await client.frames.next(), await client.frames.next(), await client.frames.next()]).toEqual([
      'opened',
      'early',
      'bird',
    ]);
  });

  test('handles one message at a time, in order', async () => {
    await using server = await start();
    using client = await RawClient.open(server.wsUrl('api/order'));
    for (let n = 0; n < 30; n++) client.send(String(n));
    for (let n = 0; n < 30; n++) expect(await client.frames.next()).toBe(String(n));
  });

  test('takes JSON, text and bytes, and sends them', async () => {
    await using server = await start();
    using client = await RawClient.open(server.wsUrl('api/kinds'));
    client.send({ message: 'Hello!' });
    expect(await client.json()).toEqual({ json: { message: 'Hello!' } });
    client.send('{not json');
    expect(await client.frames.next()).toBe('text {not json');
    const bytes = Buffer.alloc(1024 * 1024, 'ab\0');
    client.send(bytes);
    expect(bytes.equals((await client.frames.next()) as Buffer)).toBe(true);
    client.send(`${'['.repeat(70)}${']'.repeat(70)}`);
    expect(await client.json()).toMatchObject({ type: 'error', code: 'TOO_DEEP' });
  });

  test('closes from either side, and a bad code is an error of the handler', async () => {
    await using server = await start();
    using client = await RawClient.open(server.wsUrl('api/closing'));
    client.send([999, 'x']);
    expect(await client.json()).toMatchObject({ code: 'HANDLER_ERROR' });
    client.send([1000, 'x']);
    expect(await client.closed).toEqual({ code: 1000, reason: 'x' });
    await untilLogged(server, 'closed 1000 x');
    using fails = await RawClient.open(server.wsUrl('api/fails'));
    expect((await fails.closed).code).toBe(1011);
    await untilLogged(server, 'fails 1011');
  });

  test('knows its connection', async () => {
    await using server = await start();
    using client = await RawClient.open(`${server.wsUrl('api/about')}?a=1&a=2&b=`);
    client.send('x');
    expect(await client.json()).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4/),
      ip: '127.0.0.1',
      context: { user: 'ada' },
      query: { a: ['1', '2'], b: '' },
      identity: { type: 'anonymous' },
      buffered: 0,
    });
  });

  test('checks the handshake before it opens, and each message after it', async () => {
    await using server = await start();
    const refused = await refusedUpgrade(`${server.wsUrl('api/checked')}?room=x`);
    expect([refused.status, JSON.parse(refused.body)]).toMatchObject([
      400,
      { code: 'VALIDATION_ERROR', errors: [{ field: 'room', message: 'must be a number' }] },
    ]);
    using client = await RawClient.open(`${server.wsUrl('api/checked')}?room=4`);
    client.send({ text: 5 });
    expect(await client.json()).toEqual({
      type: 'error',
      code: 'VALIDATION_ERROR',
      message: 'The message does not fit: text: must be a string',
      details: [{ field: 'text', message: 'must be a string' }],
    });
    client.send({ text: 'ok' });
    expect(await client.json()).toEqual({ room: 5, text: 'OK' });
    using short = await RawClient.open(`${server.wsUrl('api/short')}?free=1`);
    short.send({ text: 'ok' });
    expect(await short.json()).toEqual({ text: 'ok', query: { free: '1' } });
    for (let n = 0; n < 21; n++) client.send('{}');
    expect((await client.closed).code).toBe(1008);
  });

  test('makes a client wait whose messages are more than limits.waiting_messages, and loses none', async () => {
    await using server = await start();
    using client = await RawClient.open(server.wsUrl('api/slow'));
    const long = 'y'.repeat(20_000);
    for (let n = 0; n < 200; n++) client.send(`${n} ${long}`);
    for (let n = 0; n < 200; n++) expect(String(await client.frames.next()).split(' ', 1)).toEqual([String(n)]);
  });

  test('waits for a client that reads slowly, and disconnects one that stalls', async () => {
    await using server = await start();
    using client = await RawClient.open(server.wsUrl('api/flood'));
    client.socket.pause();
    client.send('300');
    expect((await server.ask('GET', 'Log')).status).toBe(200);
    client.socket.resume();
    for (let n = 0; n < 300; n++) expect(String(await client.frames.next())).toHaveLength(100_000);
    expect(await client.frames.next()).toBe('done');
    using other = await RawClient.open(server.wsUrl('api/spill'));
    other.socket.pause();
    other.send('1000');
    await untilLogged(server, 'spill 1006');
  });

  test('has the limits and the end of every socket: rate, size, dead peers, a stopping server', async () => {
    const config =
      'limits:\n  messages_per_second: 1\n  messages_burst: 3\n  message: 1KiB\nchannels:\n  ping_interval: 100ms\n  pong_timeout: 300ms\n';
    await using server = await startServer(routesApp(SOCKETS, { config }));
    using fast = await RawClient.open(server.wsUrl('api/life'), ['1', '2', '3', '4']);
    expect((await fast.closed).code).toBe(1008);
    using large = await RawClient.open(server.wsUrl('api/life'), ['x'.repeat(2000)]);
    expect((await large.closed).code).toBe(1009);
    using dead = await RawClient.open(server.wsUrl('api/life'));
    expect(await server.metric(/connections\{transport="routes"\}/)).toBe(1);
    dead.socket.pause();
    await untilLogged(server, 'close 1006 ');
    await until(
      () => server.metric(/connections\{transport="routes"\}/),
      (open) => open === 0,
    );
    using open = await RawClient.open(server.wsUrl('api/life'));
    await until(
      () => logged(server),
      (texts) => texts.filter((text) => text === 'open').length === 4,
    );
    await server.restart();
    expect(await open.closed).toEqual({ code: 1001, reason: 'the server stops' });
    expect(await logged(server)).toContain('close 1001 the server stops');
  });
});

describe('an sse route', () => {
  const STREAMS = `
const log = (tables, text) => tables.Log.create({ text });
export const hooks = { before: (ctx) => { ctx.context.trail = ['module']; }, cleanup: async ({ tables, context }) => { await log(tables, 'cleanup ' + context.trail.join(' ')); } };
export const routes = {
  forever: defineRoute({ kind: 'sse', handler: async function* ({ signal, tables }) {
    try { for (let n = 0; ; n++) { yield n; await sleep(20); } } finally { await log(tables, 'returned, aborted ' + signal.aborted); }
  } }),
  waiting: defineRoute({ kind: 'sse', handler: async function* ({ signal, tables }) {
    yield 'begun';
    try { await sleep(60_000, undefined, { signal }); } finally { await log(tables, 'woken, aborted ' + signal.aborted); }
  } }),
  fast: defineRoute({ kind: 'sse', handler: async function* ({ tables }) {
    let n = 0;
    try { for (; n < 200; n++) yield { n, text: 'x'.repeat(100_000) }; } finally { await log(tables, 'yielded ' + n); }
  } }),
  checked: defineRoute({ kind: 'sse', query: objectOf({ count: 'number' }), handler: async function* ({ query }) {
    for (let n = 0; n < query.count; n++) yield n;
  } }),
  refused: defineRoute({ kind: 'sse', hooks: { before: (ctx) => { ctx.context.trail.push('route'); return { status: 403, error: 'Not today.' }; } }, handler: async function* () { yield 1; } }),
  bytes: defineRoute({ kind: 'sse', handler: async function* () { yield Buffer.from('x'); } }),
  early: defineRoute({ kind: 'sse', handler: async function* () { throw new AppError('CONFLICT', 'It is taken.'); } }),
};`;

  test('sends each value as an event and ends with the generator; an EventSource comes again', async () => {
    await using server = await startServer(routesApp(STREAMS));
    using events = await SseClient.open(server.url('api/checked?count=5'), { reconnect: 20 });
    await until(
      async () => events.events.items.length,
      (count) => count >= 10,
    );
    expect(events.headers['content-type']).toMatch(/^text\/event-stream/);
    const numbers = events.events.items.slice(0, 10).map(({ event, data, id }) => [event, data, id]);
    expect(numbers).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4].map((n) => ['message', String(n), undefined]));
    const plain = await fetch(server.url('api/checked?count=2&stream=sse'));
    expect(await plain.text()).toMatch(/^data: 0\n\ndata: 1\n\n/);
  });

  test('a failure before the start is an HTTP answer, one after it an event', async () => {
    await using server = await startServer(routesApp(STREAMS));
    const bad = await server.ask('GET', 'api/checked?count=x');
    expect(bad.record).toMatchObject({ status: 400, code: 'VALIDATION_ERROR', errors: [{ field: 'count' }] });
    const refused = await server.ask('GET', 'api/refused');
    expect(refused.record).toMatchObject({ status: 403, code: 'FORBIDDEN', detail: 'Not today.' });
    await untilLogged(server, 'cleanup module route');
    expect((await server.ask('POST', 'api/refused')).headers.get('allow')).toBe('GET, HEAD, OPTIONS');
    expect(await (await fetch(server.url('api/early'))).text()).toBe(
      'event: error\ndata: {"message":"It is taken."}\n\n',
    );
    expect(await (await fetch(server.url('api/bytes'))).text()).toMatch(/^event: error\n.*bytes cannot be yielded/);
  });

  test.each([
    ['forever', 'returned, aborted true'],
    ['waiting', 'woken, aborted true'],
  ])('the generator of %s ends within a second when its client has gone', async (name, text) => {
    await using server = await startServer(routesApp(STREAMS));
    const asked = get(server.url(`api/${name}`)).on('error', () => undefined);
    await new Promise((resolve) => asked.once('response', (response) => response.once('data', resolve)));
    expect(await server.metric(/connections\{transport="routes"\}/)).toBe(1);
    asked.destroy();
    await until(
      () => logged(server),
      (texts) => texts.includes(text),
      { timeout: 30_000 },
    );
    await untilLogged(server, 'cleanup module');
    expect(await server.metric(/connections\{transport="routes"\}/)).toBe(0);
  });

  test('it ends when the server stops, and what it then writes is stored', async () => {
    await using server = await startServer(routesApp(STREAMS));
    using events = await SseClient.open(server.url('api/waiting'));
    await events.next('message');
    await server.restart();
    expect(events.retry).toBeGreaterThanOrEqual(1000);
    expect(await logged(server)).toEqual(['woken, aborted true', 'cleanup module']);
  });

  test('is asked for no more than its client reads, and let go when it reads nothing', async () => {
    const config = 'channels:\n  slow_client_timeout: 400ms\n  sse_ping_interval: 50ms\n';
    await using server = await startServer(routesApp(STREAMS, { config }));
    const asked = get(server.url('api/fast')).on('error', () => undefined);
    await new Promise((resolve) =>
      asked.once('response', (response) => resolve(response.on('error', () => undefined))),
    );
    await until(
      () => logged(server),
      (texts) => texts.some((text) => text.startsWith('yielded')),
    );
    const [yielded] = await logged(server);
    expect(Number(yielded?.split(' ')[1])).toBeLessThan(199);
    const whole = await fetch(server.url('api/fast'));
    expect((await whole.text()).match(/^data: /gm)).toHaveLength(200);
    const idle = await fetch(server.url('api/waiting'));
    let text = '';
    for await (const chunk of idle.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes(': ping')) break;
    }
    expect(text).toMatch(/^data: "begun"\n\n: ping\n\n/);
  });
});

describe('around a route', () => {
  const HOOKED = `
const log = (tables, text) => tables.Log.create({ text });
export const hooks = {
  before: [({ context }) => { context.trail = ['module']; }, ({ context }) => { context.trail.push('second'); }],
  cleanup: ({ tables, context, method }) => log(tables, 'cleanup ' + method + ' ' + context.trail),
};
const around = {
  before: ({ query, context }) => {
    context.trail.push('route');
    if (query.status) return { status: Number(query.status), error: 'Because.' };
    if (query.fault) return false;
  },
  after: ({ tables }, result) => log(tables, 'after ' + JSON.stringify(result)),
};
export const routes = {
  http: defineRoute({ hooks: around, handler: ({ context }) => context.trail }),
  sse: defineRoute({ kind: 'sse', hooks: around, handler: async function* ({ context }) { yield context.trail; } }),
  ws: defineRoute({ kind: 'ws', hooks: around, handler: { onMessage: () => {}, onOpen: ({ send, context }) => void send(context.trail), onClose: ({ tables }) => log(tables, 'close') } }),
};`;

  test('hooks run before, after and at the end, once, and may refuse', async () => {
    await using server = await startServer(routesApp(HOOKED));
    const trail = ['module', 'second', 'route'];
    expect((await server.ask('GET', 'api/http')).text).toBe(JSON.stringify(trail));
    expect(await untilLogged(server, `cleanup GET ${trail}`)).toEqual([
      `after ${JSON.stringify(trail)}`,
      `cleanup GET ${trail}`,
    ]);
    using events = await SseClient.open(server.url('api/sse'));
    expect((await events.next('message')).json).toEqual(trail);
    await events.ended;
    using client = await RawClient.open(server.wsUrl('api/ws'));
    expect(await client.json()).toEqual(trail);
    client.socket.close();
    const texts = await until(
      () => logged(server),
      (all) => all.length >= 5,
    );
    expect(texts.slice(2)).toEqual([`cleanup GET ${trail}`, 'close', `cleanup GET ${trail}`]);
    for (const status of [400, 401, 403, 404, 429]) {
      for (const kind of ['http', 'sse']) {
        expect((await server.ask('GET', `api/${kind}?status=${status}`)).record).toMatchObject({
          status,
          detail: 'Because.',
        });
      }
      const refused = await refusedUpgrade(`${server.wsUrl('api/ws')}?status=${status}`);
      expect([refused.status, JSON.parse(refused.body)]).toMatchObject([status, { detail: 'Because.' }]);
    }
    expect((await refusedUpgrade(`${server.wsUrl('api/ws')}?fault=1`)).status).toBe(500);
    const all = await until(
      () => logged(server),
      (found) => found.length >= 5 + 16,
    );
    expect(all.slice(5)).toEqual(Array.from({ length: 16 }, () => `cleanup GET ${trail}`));
  });

  test('who asks is found out as on tables, access holds, and connections end with their tokens', async () => {
    const routes = `
export const routes = {
  who: defineRoute({ handler: ({ identity }) => identity.sub ?? identity.type }),
  members: defineRoute({ access: 'authenticated', handler: ({ identity }) => identity.sub }),
  editors: defineRoute({ kind: 'ws', access: ['editor'], handler: { onOpen: ({ send, identity }) => void send(identity.sub), onMessage: () => {} } }),
  feed: defineRoute({ kind: 'sse', access: ['editor'], handler: async function* ({ identity, signal }) { yield identity.sub; await sleep(60_000, undefined, { signal }); } }),
};`;
    const config = `auth:\n  jwt:\n    secret: ${SECRET}\n`;
    await using server = await startServer(routesApp(routes, { config }));
    const as = (sub: string, claims = {}) => ({ headers: { authorization: `Bearer ${tokenOf(sub, claims)}` } });
    expect((await server.ask('GET', 'api/who')).text).toBe('"anonymous"');
    expect((await server.ask('GET', 'api/who', as('ada'))).text).toBe('"ada"');
    const asked = await server.ask('GET', 'api/members');
    expect([asked.status, asked.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect((await server.ask('GET', 'api/members', as('ada'))).text).toBe('"ada"');
    const wrong = await server.ask('GET', 'api/who', { headers: { authorization: 'Bearer x.y.z' } });
    expect([wrong.status, wrong.record.code]).toEqual([401, 'UNAUTHORIZED']);
    const url = server.wsUrl('api/editors');
    expect((await refusedUpgrade(url)).status).toBe(401);
    expect((await refusedUpgrade(url, as('ada'))).status).toBe(403);
    expect((await refusedUpgrade(url, { headers: { origin: 'http://evil.example' } })).status).toBe(403);
    const token = tokenOf('ada', { roles: ['editor'], exp: inSeconds(3) });
    const socket = new WebSocket(url, [`bearer.${token}`, 'mine']);
    const closed = new Promise((resolve) => socket.once('close', (code) => resolve(code)));
    expect(String(await new Promise((resolve) => socket.once('message', resolve)))).toBe('ada');
    expect(socket.protocol).toBe('mine');
    using events = await SseClient.open(server.url('api/feed'), { headers: { authorization: `Bearer ${token}` } });
    expect((await events.next('message')).data).toBe('"ada"');
    expect((await events.next('error')).json).toMatchObject({ code: 'UNAUTHORIZED' });
    expect(await closed).toBe(4401);
  });

  test('limits.connections holds for streams and sockets together', async () => {
    await using server = await startServer(routesApp(HOOKED, { config: 'limits:\n  connections: 1\n' }));
    using client = await RawClient.open(server.wsUrl('api/ws'));
    expect(await client.json()).toHaveLength(3);
    expect((await refusedUpgrade(server.wsUrl('api/ws'))).status).toBe(503);
    expect((await server.ask('GET', 'api/sse')).record).toMatchObject({ status: 503, code: 'OVERLOADED' });
  });
});

describe('a handler that throws', () => {
  test('a thrown value that is not an error does not harm the server', async () => {
    const routes = `
const odd = () => { throw Object.create(null); };
export const routes = {
  http: defineRoute({ handler: odd }),
  sse: defineRoute({ kind: 'sse', handler: async function* () { yield 1; odd(); } }),
  ws: defineRoute({ kind: 'ws', hooks: { cleanup: odd }, handler: { onMessage: odd, onError: odd, onClose: odd } }),
};`;
    await using server = await startServer(routesApp(routes));
    expect((await server.ask('GET', 'api/http')).record).toMatchObject({ status: 500, code: 'HANDLER_ERROR' });
    expect(await (await fetch(server.url('api/sse'))).text()).toMatch(/^data: 1\n\nevent: error\n/);
    using client = await RawClient.open(server.wsUrl('api/ws'), ['x']);
    expect(await client.json()).toMatchObject({ type: 'error', code: 'HANDLER_ERROR' });
    client.socket.close();
    await until(
      () => server.metric(/connections\{transport="routes"\}/),
      (open) => open === 0,
    );
    expect((await server.ask('GET', 'Log')).status).toBe(200);
  });
});

describe('two applications', () => {
  test('have their routes below their names, and the first has the short addresses', async () => {
    const one = routesApp("export const routes = { who: defineRoute({ handler: () => 'one' }) };");
    const two = routesApp("export const routes = { who: defineRoute({ handler: () => 'two' }) };");
    const files = [one, two].flatMap(({ schema, files: own }, index) =>
      Object.entries({ ...own, 'schema.graphql': schema, 'config.yaml': 'routes: routes.ts\n' }).map(
        ([path, text]) => [`app-${index + 1}/${path}`, text] as const,
      ),
    );
    const app = await makeApp({ config: 'port: 0\n', files: Object.fromEntries(files) });
    await rm(join(app.dir, 'schema.graphql'));
    await using server = await startServer({ dir: app.dir });
    for (const [name, text] of [
      ['app-1', '"one"'],
      ['app-2', '"two"'],
    ] as const) {
      expect((await ask('GET', `${server.origin}/${name}/api/who`)).text).toBe(text);
    }
    expect((await ask('GET', `${server.origin}/api/who`)).text).toBe('"one"');
    if (app.root !== undefined) await rm(app.root, { recursive: true });
  });
});

describe('at the start', () => {
  test.each([
    ["a: defineRoute({ kind: 'ws', handler: {} })", /routes\.ts:4:\d+ route "a" has no onMessage/],
    [
      "a: defineRoute({ kind: 'ws', handler: { onMesage() {} } })",
      /has "onMesage" in its handler[\s\S]*did you mean "onMessage"\?/,
    ],
    ["a: defineRoute({ kind: 'wss', handler() {} })", /route "a" has an invalid kind/],
    ["a: defineRoute({ kind: 'sse' })", /route "a" has no handler[\s\S]*async generator/],
    ['a: 5', /route "a" is not a route/],
    ["'a b': defineRoute({ handler() {} })", /route "a b" is not a path/],
    [
      'a: defineRoute({ qury: 1, handler() {} })',
      /has "qury", which http routes do not have[\s\S]*did you mean "query"\?/,
    ],
    ['a: defineRoute({ query: {}, handler() {} })', /has a query that is not a schema/],
    ["a: defineRoute({ method: 'GTE', handler() {} })", /has an invalid method/],
    ['a: defineRoute({ hooks: { befor() {} }, handler() {} })', /unknown hook "befor"[\s\S]*"before"\?/],
    ["a: defineRoute({ access: ['x'], handler() {} })", /has access rules, but authentication is off/],
    [
      "'x/:a': defineRoute({ handler() {} }), 'x/:b': defineRoute({ handler() {} })",
      /route "x\/:b" is also in routes\.ts \("x\/:a"\)/,
    ],
  ])('%s is refused with its place', async (text, message) => {
    const exit = await startToExit(routesApp(`export const routes = { ${text} };`));
    expect([exit.code, exit.stderr]).toEqual([1, expect.stringMatching(message)]);
  });

  test('modules without routes, modules that do not exist, and taken prefixes are refused', async () => {
    const none = await startToExit(routesApp('export const rutes = {};'));
    expect(none.stderr).toMatch(/routes\.ts exports no routes/);
    const table = await startToExit(routesApp(BASICS, { config: 'routes_prefix: /Log\n' }));
    expect(table.stderr).toMatch(/schema\.graphql routes are at \/Log, where the table Log is/);
    const own = await startToExit(routesApp(BASICS, { config: 'routes_prefix: /docs\n' }));
    expect(own.stderr).toMatch(/routes_prefix "\/docs" is used by the server itself/);
    const app = routesApp(BASICS);
    const missing = await startToExit({ ...app, config: app.config.replace('routes.ts', '[nope.ts]') });
    expect(missing.stderr).toMatch(/config\.yaml:7:10 file "nope\.ts" does not exist/);
  });

  test('tablecast check lists the routes', async () => {
    const app = await makeApp(routesApp(BASICS));
    const { code, stdout } = await runToExit(['check', app.dir]);
    if (app.root !== undefined) await rm(app.root, { recursive: true });
    expect(code).toBe(0);
    expect(stdout).toContain('  http     POST http://127.0.0.1:0/my-app/api/sum (routes.ts)');
    expect(stdout).toContain('  ws       ws://127.0.0.1:0/my-app/api/chat (routes.ts)');
  });
});
