import { connect } from 'node:http2';
import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { GatewayClient, POSTS_SCHEMA, REALTIME } from '../support/gateway-client.ts';
import { ask, rawHttp } from '../support/http.ts';
import { Mailbox } from '../support/mailbox.ts';
import { SseClient, type SseEvent, SseParser } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';

const SCHEMA = `${POSTS_SCHEMA}
type Secret @table @export(name: "secrets", public: [create]) { id: ID! @primaryKey }
type Quiet @table @export(name: "quiet", sse: false) { id: ID! @primaryKey }`;

function start(config = ''): Promise<TestServer> {
  return startServer({ schema: SCHEMA, config: BASE_CONFIG + config });
}

/** The event stream's address. */
function at(server: TestServer, query: string): string {
  return `${server.origin}${REALTIME}/subscribe?${query}`;
}

describe('the event stream', { timeout: 120_000 }, () => {
  test('has the events of several collections, as message events with the same JSON as the socket', async () => {
    await using server = await start();
    using stream = await SseClient.open(at(server, 'token=abc&collection=posts&collection=comments'));
    using socket = await GatewayClient.open(`${server.origin.replace('http', 'ws')}${REALTIME}/ws`);
    for (const collection of ['posts', 'comments']) await socket.subscribe(collection);
    expect([stream.status, stream.headers['content-type']]).toEqual([200, 'text/event-stream; charset=utf-8']);
    await server.put('posts/a', { title: 'one' });
    await server.put('comments/b', { text: 'line\nbreak' });
    await server.put('posts/a', { title: 'two' });
    await server.ask('DELETE', 'comments/b');
    await socket.event('comments.delete');
    const told: Json[] = [];
    while (told.length < 4) told.push((await stream.next('message')).json);
    const bySeq = (events: readonly Json[]) => events.toSorted((a, b) => Number(a.seq) - Number(b.seq));
    expect(bySeq(told)).toEqual(bySeq(socket.events));
    expect(told.map(({ type }) => type).toSorted()).toEqual([
      'comments.create',
      'comments.delete',
      'posts.create',
      'posts.update',
    ]);
  });

  test('one collection is streamed with the operations, filter and fields that were asked for', async () => {
    await using server = await start();
    const filter = encodeURIComponent('price=gt=10');
    using stream = await SseClient.open(
      at(server, `collection=posts&operations=create,delete&filter=${filter}&select=price`),
    );
    await server.put('posts/a', { title: 'cheap', price: 1 });
    await server.put('posts/b', { title: 'dear', price: 20 });
    await server.put('posts/b', { title: 'dearer', price: 30 });
    await server.put('comments/c', { text: 'other' });
    await server.put('posts/b', { title: 'cheap', price: 2 });
    expect((await stream.next('message')).json).toMatchObject({ type: 'posts.create', data: { id: 'b', price: 20 } });
    expect((await stream.next('message')).json).toMatchObject({
      type: 'posts.delete',
      data: { id: 'b' },
      reason: 'filter',
    });
    expect(stream.all('message')).toHaveLength(2);
  });

  test('collections=name:operations names collections each with its operations', async () => {
    await using server = await start();
    using stream = await SseClient.open(
      at(server, 'token=abc&collections=posts%3Acreate%2Cdelete&collections=comments&operations=update'),
    );
    await server.put('posts/a', { title: 'one' });
    await server.put('comments/b', { text: 'one' });
    await server.put('posts/a', { title: 'two' });
    await server.put('comments/b', { text: 'two' });
    await server.ask('DELETE', 'posts/a');
    const types: unknown[] = [];
    while (types.length < 3) types.push((await stream.next('message')).json.type);
    expect(types.toSorted()).toEqual(['comments.update', 'posts.create', 'posts.delete']);
  });

  test('a heartbeat is a message event of its own kind', async () => {
    await using server = await start('channels:\n  heartbeat_interval: 400ms\n');
    using stream = await SseClient.open(at(server, 'collection=posts'));
    for (let beat = 0; beat < 3; beat++) {
      const { json, event } = await stream.next('message');
      expect(event).toBe('message');
      expect(json).toEqual({ event: 'heartbeat', type: 'heartbeat', timestamp: expect.stringMatching(/^\d{4}-.*Z$/) });
    }
  });

  test('without a collection it is about every table that the caller may read', async () => {
    await using server = await start();
    using stream = await SseClient.open(at(server, 'token=abc'));
    expect(stream.status).toBe(200);
    await server.ask('POST', 'secrets', { json: { id: 's' } });
    await server.put('quiet/q', {});
    await server.put('posts/a', { title: 'one' });
    await server.put('comments/b', { text: 'two' });
    const types = [(await stream.next('message')).json.type, (await stream.next('message')).json.type];
    expect(types.toSorted()).toEqual(['comments.create', 'posts.create']);
  });

  test.each([
    ['collection=nope', 404, 'NOT_FOUND'],
    ['collection=quiet', 404, 'NOT_FOUND'],
    ['collection=posts&collection=secrets', 403, 'FORBIDDEN'],
    ['colection=posts', 400, 'INVALID_QUERY'],
    ['collection=posts&since=1&since=2', 400, 'INVALID_QUERY'],
    ['collection=posts&operations=read', 400, 'INVALID_QUERY'],
    ['collections=posts:read', 400, 'INVALID_QUERY'],
    ['collections=nope:create', 404, 'NOT_FOUND'],
    ['collection=posts&filter=nope%3D%3D1', 400, 'INVALID_QUERY'],
    ['collection=posts&since=x', 400, 'INVALID_POSITION'],
    [Array.from({ length: 101 }, (_, n) => `collection=c${n}`).join('&'), 400, 'INVALID_QUERY'],
  ])('%s is refused before a stream begins', async (query, status, code) => {
    await using server = await start();
    const answer = await ask('GET', at(server, query));
    expect([answer.status, answer.record.code]).toEqual([status, code]);
  });

  test('a reconnect resumes from Last-Event-ID without a gap, with one collection and with several', async () => {
    await using server = await start();
    for (const query of ['collection=posts', 'collection=posts&collection=comments']) {
      using first = await SseClient.open(at(server, query));
      await server.put('posts/before', { title: query });
      const seen = await first.next('message');
      // With several tables the position comes in a block of its own.
      await until(
        async () => first.lastEventId,
        (id) => id === String(seen.json.seq),
        { what: 'the position' },
      );
      first.close();
      await server.put('posts/between', { title: query });
      await server.put('comments/between', { text: query });
      using second = await SseClient.open(at(server, query), { lastEventId: first.lastEventId });
      const types: unknown[] = [];
      const count = query.includes('comments') ? 4 : 2;
      while (types.length < count) types.push((await second.next('message')).json.type);
      const ops = types.filter((type) => type !== 'ready').map((type) => String(type).split('.')[0]);
      expect(ops.toSorted()).toEqual(count === 4 ? ['comments', 'posts'] : ['posts']);
      expect(types.filter((type) => type === 'ready')).toHaveLength(count / 2);
    }
  });

  test('a position is told before anything happens, and is none until a snapshot is whole', async () => {
    await using server = await start();
    await server.put('posts/a', { title: 'one' });
    const position = String((await server.ask('GET', 'posts')).headers.get('x-position'));
    using plain = await SseClient.open(at(server, 'collection=posts'));
    await until(
      async () => plain.lastEventId,
      (id) => id === position,
    );
    using whole = await SseClient.open(at(server, 'collection=posts&collection=comments&retained=true'));
    expect((await whole.next('message')).json).toMatchObject({ type: 'posts.retained' });
    await until(
      async () => whole.all('message').filter(({ type }) => type === 'ready').length,
      (count) => count === 2,
    );
    await until(
      async () => whole.lastEventId,
      (id) => id === position,
    );
    const first = whole.events.items.find(({ data }) => data.includes('retained'));
    expect(first?.id).toBeUndefined();
  });

  test('is the same over TLS and HTTP/2', async () => {
    await using server = await start('tls: auto\n');
    const options = { rejectUnauthorized: false };
    using socket = await GatewayClient.open(`wss://localhost:${server.port}${REALTIME}/ws`, options);
    const session = connect(`https://localhost:${server.port}`, options);
    try {
      const stream = session.request({ ':path': `${REALTIME}/subscribe?collection=posts&collection=comments` });
      const events = new Mailbox<SseEvent>('events over HTTP/2');
      const parser = new SseParser((event) => events.push(event));
      stream.setEncoding('utf8').on('data', (chunk: string) => parser.push(chunk));
      await until(
        async () => parser.lastEventId,
        (id) => id !== '',
        { what: 'the first position' },
      );
      await socket.subscribe('posts');
      const put = session.request({ ':method': 'PUT', ':path': '/my-app/posts/a', 'content-type': 'application/json' });
      put.end('{"title":"over HTTP/2"}');
      const event = await socket.event('posts.create');
      expect(JSON.parse((await events.next()).data)).toEqual(event);
      stream.close();
    } finally {
      session.destroy();
    }
  });

  test('is counted, speaks HTTP/1.0 too, and is told when to come back at the end', async () => {
    const server = await start();
    try {
      using stream = await SseClient.open(at(server, 'collection=posts'));
      expect(await server.metric(/^tablecast_connections\{transport="gateway"\}/)).toBe(1);
      const old = await rawHttp(
        server.port,
        `GET ${REALTIME}/subscribe?collection=posts HTTP/1.0\r\nHost: localhost\r\n\r\n`,
      );
      expect([old.status, old.headers.get('transfer-encoding'), old.body]).toEqual([
        200,
        undefined,
        expect.stringMatching(/^id: \d+\n\n$/),
      ]);
      await server.stop();
      await stream.ended;
      expect(stream.retry).toBeGreaterThanOrEqual(1000);
    } finally {
      await server.discard();
    }
  });
});
