import { describe, expect, test } from 'vitest';
import { connect, type TablecastError } from '../../src/client/index.ts';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { routesApp } from '../support/routes-app.ts';
import { SilentSocket } from '../support/silent-socket.ts';

const ROUTES = `
let streams = 0;
export const routes = {
  hello: defineRoute({ handler: ({ query }) => ({ hello: query.name ?? 'world' }) }),
  orders: defineRoute({ method: ['POST', 'PUT'], body: objectOf({ n: 'number' }), handler: ({ body, method }) => ({ method, n: body.n }) }),
  'rooms/:room/notes': defineRoute({ handler: ({ params, query }) => [params.room, query.q ?? null] }),
  text: defineRoute({ handler: () => new Response('plain', { headers: { 'content-type': 'text/plain' } }) }),
  bytes: defineRoute({ handler: () => new Uint8Array([1, 2]) }),
  gone: defineRoute({ method: 'DELETE', handler: () => undefined }),
  ticks: defineRoute({ kind: 'sse', handler: async function* ({ query }) {
    streams++;
    for (let n = 0; n < 3; n++) yield { n, stream: streams, from: query.from };
    if (query.fail === 'yes') throw new AppError('CONFLICT', 'it broke');
  } }),
  closed: defineRoute({ kind: 'sse', hooks: { before: () => ({ status: 403, error: 'no' }) }, handler: async function* () {} }),
  chat: defineRoute({ kind: 'ws', message: objectOf({ text: 'string' }), handler: {
    onOpen: (connection) => void connection.send({ welcome: connection.query.room }),
    onMessage: ({ text }, connection) => {
      if (text === 'bye') connection.close(1000, 'as you wish');
      else void connection.send({ text: text.toUpperCase() });
    },
  } }),
  echo: defineRoute({ kind: 'ws', handler: { onMessage: (message, connection) => void connection.send(message) } }),
};
`;

type Routes = {
  hello: { kind: 'http'; query: { name?: string }; result: { hello: string } };
  orders: { kind: 'http'; body: { n: number }; result: { method: string; n: number } };
  ticks: { kind: 'sse'; event: { n: number; stream: number } };
  chat: { kind: 'ws'; query: { room: string }; message: { text: string }; answer: { text?: string; welcome?: string } };
};

describe('helpers for routes in code', () => {
  test('$api calls them', async () => {
    await using server = await startServer(routesApp(ROUTES));
    const client = connect(server.url(''));
    const { $api } = client;
    expect(await $api.hello?.()).toEqual({ hello: 'world' });
    expect(await $api.hello?.get({ name: 'you & me' })).toEqual({ hello: 'you & me' });
    expect(await $api.orders?.post({ n: 1 })).toEqual({ method: 'POST', n: 1 });
    expect(await $api.orders?.put({ n: 2 }, { q: 1 })).toEqual({ method: 'PUT', n: 2 });
    await expect($api.orders?.post({ n: 'x' })).rejects.toMatchObject({ code: 'VALIDATION_ERROR', status: 400 });
    expect(await $api['rooms/:room/notes']?.get({ room: 'a/b', q: 'x' })).toEqual(['a/b', 'x']);
    expect(await $api.rooms?.lobby?.notes?.()).toEqual(['lobby', null]);
    expect(await $api.text?.()).toBe('plain');
    expect(new Uint8Array((await $api.bytes?.()) as ArrayBuffer)).toEqual(new Uint8Array([1, 2]));
    expect(await $api.gone?.delete()).toBeUndefined();
    expect(await Promise.resolve($api)).toBe($api);
    const typed = connect<Record<string, never>, Routes>(server.url(''));
    const { hello } = await typed.$api.hello({ name: 'typed' });
    expect(hello).toBe('typed');
    // @ts-expect-error: a number is wanted
    await expect(typed.$api.orders.post({ n: 'x' })).rejects.toThrow();
    // @ts-expect-error: it is no event stream
    expect(typed.$sse.hello).toBeTypeOf('function');
  });

  test('$ws talks, with the scheme changed by itself', async () => {
    await using server = await startServer(routesApp(ROUTES));
    const client = connect<Record<string, never>, Routes>(server.url(''));
    const told: unknown[] = [];
    const chat = client.$ws.chat(
      { room: 'lobby' },
      {
        onOpen: () => void told.push('open'),
        onMessage: (message) => void told.push(message),
        onClose: (code, reason) => void told.push([code, reason]),
        onError: (error) => void told.push(error),
      },
    );
    chat.send({ text: 'early' });
    await expect.poll(() => told).toEqual(['open', { welcome: 'lobby' }, { text: 'EARLY' }]);
    chat.send({ text: 'bye' });
    await expect.poll(() => told.at(-1)).toEqual([1000, 'as you wish']);
    expect(() => chat.send({ text: 'late' })).toThrow('closed');
    const loose = connect(server.url(''));
    const echoed: unknown[] = [];
    const echo = loose.$ws.echo?.({}, { onMessage: (message) => void echoed.push(message) });
    for (const message of ['text', { a: 1 }, new Uint8Array([7])]) echo?.send(message);
    await expect.poll(() => echoed).toEqual(['text', { a: 1 }, new Uint8Array([7]).buffer]);
    const ends: unknown[] = [];
    const failing = {
      onError: (error: TablecastError) => void ends.push(error.code),
      onClose: (code: number) => void ends.push(code),
    };
    loose.$ws.nothing?.({}, failing);
    await expect.poll(() => ends).toEqual(['NETWORK', 1006]);
    const unopened = loose.$ws.echo?.({}, failing);
    unopened?.close(4000);
    unopened?.close();
    expect(ends.at(-1)).toBe(4000);
    echo?.close();
    loose.close();
  });

  test('$ws tells once that it could not be opened, also where that is an error without a close', async () => {
    await using server = await startServer(routesApp(ROUTES));
    const client = connect(server.url(''), { WebSocket: SilentSocket });
    const told: unknown[] = [];
    const handlers = {
      onError: (error: TablecastError) => void told.push(error.code),
      onClose: (code: number) => void told.push(code),
    };
    client.$ws.nothing?.({}, handlers);
    await expect.poll(() => told).toEqual(['NETWORK', 1006]);
    client.$ws.echo?.({}, handlers).close(4000);
    expect(told.at(-1)).toBe(4000);
    client.close();
  });

  test('$sse reads, comes back when the stream has ended, and stops when it is told', async () => {
    await using server = await startServer(routesApp(ROUTES));
    const client = connect<Record<string, never>, Routes>(server.url(''));
    const events: string[] = [];
    const ticks = client.$sse.ticks(
      { from: 'here' },
      { onMessage: ({ n, stream }) => void events.push(`${stream}.${n}`) },
    );
    await expect
      .poll(() => events.slice(0, 6), { timeout: 30_000 })
      .toEqual(['1.0', '1.1', '1.2', '2.0', '2.1', '2.2']);
    ticks.close();
    await ticks.ended;
    const errors: string[] = [];
    const once = client.$sse.ticks(
      { fail: 'yes' },
      {
        reconnect: false,
        onMessage: () => {},
        onOpen: () => void errors.push('open'),
        onError: ({ message }) => void errors.push(message),
      },
    );
    await once.ended;
    expect(errors).toEqual(['open', 'it broke']);
    const loose = connect(server.url(''));
    await expect(loose.$sse.closed?.({}, { onMessage: () => {} }).ended).rejects.toMatchObject({
      status: 403,
      message: 'no',
    });
    await expect(loose.$sse.nothing?.({}, { onMessage: () => {} }).ended).rejects.toMatchObject({ status: 404 });
    const failing = loose.$sse.ticks?.(
      {},
      {
        onMessage: () => {
          throw new Error('mine');
        },
      },
    );
    await expect(failing?.ended).rejects.toMatchObject({ code: 'CALLBACK_FAILED' });
  });

  test('$sse waits for a server that is away', async () => {
    await using server = await startServer(routesApp(ROUTES));
    const events: unknown[] = [];
    await server.kill();
    const client = connect(server.url(''));
    const ticks = client.$sse.ticks?.({}, { onMessage: (event) => void events.push(event) });
    await server.restart();
    await expect.poll(() => events.length, { timeout: 30_000 }).toBeGreaterThan(0);
    client.close();
    await ticks?.ended;
  });
});

describe('the client as it is served and shipped', () => {
  test('is one module at /{app_id}/client.js, with an ETag', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}docs: false\n` });
    const { status, headers, text } = await server.ask('GET', 'client.js');
    expect([status, headers.get('content-type'), headers.get('cache-control')]).toEqual([
      200,
      'text/javascript; charset=utf-8',
      'no-cache',
    ]);
    // It loads nothing but a part of its own, for connectors with a port of their own.
    const imports = [...text.matchAll(/\bfrom\s*["'`]|import\(([^)]*)\)/g)].map(([, what]) => what);
    expect(imports).toEqual([expect.stringMatching(/^new URL\(`_\/client-connector\.js`,\w+\.base$/)]);
    const etag = headers.get('etag') as string;
    const again = await server.ask('GET', 'client.js', { headers: { 'if-none-match': `"x", ${etag}` } });
    expect([again.status, again.text]).toEqual([304, '']);
  });

  test('a file of that name in web/ goes before it', async () => {
    await using server = await startServer({ files: { 'web/client.js': '// mine' } });
    expect((await server.ask('GET', 'client.js')).text).toBe('// mine');
  });

  test('is what the package exports as ./client, and works in this Node', async () => {
    await using server = await startServer();
    const built = new URL('../../dist/client.js', import.meta.url).href;
    const client = ((await import(built)) as { connect: typeof connect }).connect(server.url(''));
    await client.tables.Message?.put('a', { title: 'built', content: 'x' });
    const list = client.tables.Message?.live();
    await list?.ready;
    expect(list?.records).toEqual([{ id: 'a', title: 'built', content: 'x' }]);
    client.close();
  });
});
