import { once } from 'node:events';
import { type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { ask } from '../support/http.ts';
import { Mailbox } from '../support/mailbox.ts';
import { SseClient, type SseEvent, SseParser } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';

const record = (title: string) => ({ title, content: 'c' });
const PUBLISHABLE = `type Message @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  title: String!
  content: String!
}`;

describe('server-sent events', { timeout: 120_000 }, () => {
  test('an EventSource goes on where it was after the server was killed', async () => {
    await using server = await startServer();
    using stream = await SseClient.open(server.url('Message'), { reconnect: 200 });
    await stream.next('ready');
    await server.put('Message/a', record('before'));
    await stream.next('update');
    await server.kill();
    await server.restart();
    await server.put('Message/b', record('maybe while away'));
    expect((await stream.next('update', 10_000)).json).toEqual({ id: 'b', ...record('maybe while away') });
    await server.put('Message/c', record('after'));
    await stream.next('update');
    expect(stream.all('update').map((found) => found.id)).toEqual(['a', 'b', 'c']);
    expect(stream.connections).toBe(2);
  });

  test('an EventSource that saw nothing before the server was killed misses nothing either', async () => {
    await using server = await startServer();
    using stream = await SseClient.open(server.url('Message'), { reconnect: 1_000 });
    await stream.next('ready');
    await server.kill();
    await server.restart();
    await server.put('Message/a', record('while away'));
    expect((await stream.next('update', 10_000)).json.id).toBe('a');
  });

  test('the stream is the same over HTTP/2', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}tls: auto\n` });
    const session = connect(`https://localhost:${server.port}`, { rejectUnauthorized: false });
    try {
      const stream = session.request({ ':path': '/my-app/Message', accept: 'text/event-stream' });
      const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
      expect(headers[':status']).toBe(200);
      expect(headers['content-type']).toContain('text/event-stream');
      // Connection is a header that HTTP/2 forbids.
      expect(headers.connection).toBeUndefined();
      const events = new Mailbox<SseEvent>('events over HTTP/2');
      const parser = new SseParser((event) => events.push(event));
      stream.setEncoding('utf8').on('data', (chunk: string) => parser.push(chunk));
      expect((await events.next()).event).toBe('message');
      await events.next((event) => event.event === 'ready');
      const put = session.request({
        ':method': 'PUT',
        ':path': '/my-app/Message/m',
        'content-type': 'application/json',
      });
      put.end(JSON.stringify(record('over HTTP/2')));
      expect(await statusOf(put)).toBe(201);
      const update = await events.next((event) => event.event === 'update');
      expect(JSON.parse(update.data)).toEqual({ id: 'm', ...record('over HTTP/2') });
      stream.close();
    } finally {
      session.destroy();
    }
  });

  test.each([
    ['?stream=sse', 'Message?stream=sse', { accept: '*/*' }],
    ['the Accept header', 'Message', { accept: 'text/event-stream' }],
    ['the Accept header among others', 'Message/m', { accept: 'text/html;q=0.5, text/event-stream' }],
  ])('%s opens a stream with the documented headers', async (_name, path, headers) => {
    await using server = await startServer();
    using stream = await SseClient.open(server.url(path), { headers });
    expect(stream.status).toBe(200);
    expect(stream.headers['content-type']).toMatch(/^text\/event-stream\b/);
    expect(stream.headers['cache-control']).toContain('no-cache');
    expect(stream.headers.connection).toBe('keep-alive');
    expect(stream.headers['keep-alive']).toBe('timeout=0');
    expect(stream.headers['x-accel-buffering']).toBe('no');
    await stream.next('ready');
  });

  test('a stream that is named as not acceptable is not opened', async () => {
    await using server = await startServer();
    const list = await server.ask('GET', 'Message', { headers: { accept: 'text/event-stream;q=0, application/json' } });
    expect([list.status, list.text]).toEqual([200, '[]']);
    const nothing = await server.ask('GET', 'Message', { headers: { accept: 'text/event-stream;q=0' } });
    expect([nothing.status, nothing.record.code]).toEqual([406, 'NOT_ACCEPTABLE']);
  });

  test('the events of a full run, beginning with connected', async () => {
    const config = `${BASE_CONFIG}channels:\n  sse_ping_interval: 300ms\n`;
    await using server = await startServer({ schema: PUBLISHABLE, config });
    using stream = await SseClient.open(server.url('Message'));
    const first = await stream.next();
    expect(first.event).toBe('message');
    expect(first.json).toEqual({ type: 'connected', status: 'ok' });
    expect((await stream.next()).event).toBe('ready');
    await server.put('Message/m', record('line one\nline two\r\nline three'));
    const update = await stream.next('update');
    expect(update.json).toEqual({ id: 'm', ...record('line one\nline two\r\nline three') });
    expect(update.id).toMatch(/^\d+$/);
    await server.ask('POST', 'Message/m?publish=true', { json: record('sent') });
    const publish = await stream.next('publish');
    expect(publish.json).toMatchObject(record('sent'));
    await server.ask('DELETE', 'Message/m');
    const gone = await stream.next('delete');
    expect(gone.json).toEqual({ id: 'm' });
    expect([update, publish, gone].map(({ id }) => Number(id))).toEqual(
      [update, publish, gone].map(({ id }) => Number(id)).sort((a, b) => a - b),
    );
    expect((await stream.next('ping')).json).toEqual({ type: 'ping' });
  });

  test('Last-Event-ID brings the missed events alone', async () => {
    await using server = await startServer();
    let lastEventId = '';
    {
      using stream = await SseClient.subscribe(server.url('Message'));
      await server.put('Message/a', record('seen'));
      lastEventId = String((await stream.next('update')).id);
    }
    await server.put('Message/b', record('missed'));
    await server.ask('DELETE', 'Message/a');
    using again = await SseClient.subscribe(server.url('Message'), { lastEventId });
    expect(again.untimed.map(({ event }) => event)).toEqual(['message', 'update', 'delete', 'ready']);
    expect(again.all('update')).toEqual([{ id: 'b', ...record('missed') }]);
    // The header wins over the parameter, which an EventSource repeats on every reconnect.
    using both = await SseClient.subscribe(server.url('Message?since=1'), { lastEventId });
    expect(both.untimed.map(({ event }) => event)).toEqual(['message', 'update', 'delete', 'ready']);
    using since = await SseClient.subscribe(server.url(`Message?since=${lastEventId}`));
    expect(since.untimed.map(({ event }) => event)).toEqual(['message', 'update', 'delete', 'ready']);
  });

  test('stored records come as retained, then ready with the position', async () => {
    await using server = await startServer();
    await server.put('Message/b', record('two'));
    await server.put('Message/a', record('one'));
    using one = await SseClient.subscribe(server.url('Message/a'));
    expect(one.untimed.map(({ event }) => event)).toEqual(['message', 'retained', 'ready']);
    expect(one.all('retained')).toEqual([{ id: 'a', ...record('one') }]);
    using table = await SseClient.subscribe(server.url('Message'));
    expect(table.untimed.map(({ event }) => event)).toEqual(['message', 'ready']);
    using all = await SseClient.subscribe(server.url('Message?retained=true'));
    expect(all.all('retained').map((found) => found.id)).toEqual(['a', 'b']);
    const ready = all.events.items.at(-1);
    expect(ready?.id).toBe(String((JSON.parse(ready?.data ?? '{}') as { seq: number }).seq));
    expect(all.lastEventId).toBe(ready?.id);
    expect(all.events.items.filter(({ event }) => event === 'retained').map(({ id }) => id)).toEqual([
      undefined,
      undefined,
    ]);
  });

  test('a position that cannot be resumed is answered with reset, the records, and ready', async () => {
    await using server = await startServer();
    await server.put('Message/a', record('one'));
    using stream = await SseClient.subscribe(server.url('Message'), { lastEventId: '9007199254740000' });
    expect(stream.untimed.map(({ event }) => event)).toEqual(['message', 'reset', 'retained', 'ready']);
    expect(stream.all('reset')[0]).toMatchObject({ type: 'reset', reason: 'position_unknown' });
  });

  test('a position that the log has given up is answered with reset, one it still has is not', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}events:\n  max_count: 10\n` });
    const first = JSON.parse((await server.put('Message/m0', record('old'))).headers.get('etag') ?? '0') as number;
    let last = first;
    for (let index = 1; index < 40; index += 1) {
      const answer = await server.put(`Message/m${index % 3}`, record(`write ${index}`));
      last = JSON.parse(answer.headers.get('etag') ?? '0') as number;
    }
    const resumed = async (since: number): Promise<readonly SseEvent[]> => {
      using stream = await SseClient.subscribe(server.url(`Message?since=${since}`));
      return stream.events.items;
    };
    const names = (events: readonly SseEvent[]) => events.map(({ event }) => event).join(' ');
    const trimmed = await until(
      () => resumed(first),
      (events) => names(events).includes('reset'),
      { timeout: 30_000, what: 'a reset' },
    );
    expect(names(trimmed)).toBe('message reset retained retained retained ready');
    expect(JSON.parse(trimmed[1]?.data ?? '{}')).toMatchObject({ type: 'reset', reason: 'position_trimmed' });
    expect(JSON.parse(trimmed[4]?.data ?? '{}')).toEqual({ id: 'm2', ...record('write 38') });
    expect(trimmed.at(-1)?.id).toBe(String(last));
    expect(names(await resumed(last))).toBe('message ready');
  });

  test.each(['abc', '-1', '1.5', '1e3', '99999999999999999999', ''])('the position %j is a 400', async (since) => {
    await using server = await startServer();
    const answer = await ask('GET', server.url(`Message?stream=sse&since=${since}`));
    expect(answer.status).toBe(400);
    expect(answer.record.code).toBe('INVALID_POSITION');
  });
});

async function statusOf(stream: ClientHttp2Stream): Promise<number> {
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  stream.resume();
  return Number(headers[':status']);
}
