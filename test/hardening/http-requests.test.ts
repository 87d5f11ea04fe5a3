import { once } from 'node:events';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { rawHttp } from '../support/http.ts';
import { expectProblem, JSON_TYPE, keepAlive, put, raw, request, server, serveThings } from './http-helpers.ts';

serveThings();

/** The limit of a body, what is discarded after the response (`limits.linger_size`), and the buffers of the kernel. */
const MAX_SENT_BYTES = (1 + 64 + 16) * 1024 * 1024;

describe('bodies that are too large', { timeout: 120_000 }, () => {
  test('a Content-Length beyond the limit is refused before the body comes, and the connection ends', async () => {
    const answer = await raw(
      keepAlive('PUT /my-app/Thing/x', ['Content-Type: application/json', 'Content-Length: 1000000000'], '{"s":'),
      2000,
    );
    expect(answer.status).toBe(413);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'BODY_TOO_LARGE' });
    expect(answer.headers.get('connection')).toBe('close');
  });

  test('chunks without end are cut off when they cross the limit', async () => {
    const socket = connect({ port: server.port, host: '127.0.0.1' });
    let received = '';
    let sent = 0;
    socket.on('data', (data) => {
      received += data.toString();
    });
    socket.on('error', () => undefined);
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.write(keepAlive('PUT /my-app/Thing/x', ['Content-Type: application/json', 'Transfer-Encoding: chunked']));
    const chunk = `10000\r\n${' '.repeat(65_536)}\r\n`;
    while (!socket.destroyed && sent < 4 * MAX_SENT_BYTES) {
      sent += 65_536;
      // What waits in this process was not sent: only the kernel says how far the server reads.
      if (!socket.write(chunk)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed]);
      socket.removeAllListeners('drain');
    }
    await closed;
    expect(received).toMatch(/^HTTP\/1\.1 413 /);
    expect(sent).toBeLessThan(MAX_SENT_BYTES);
  });

  test('a body longer than its Content-Length is not taken for part of it', async () => {
    const answer = await raw(
      keepAlive('PUT /my-app/Thing/b7', ['Content-Type: application/json', 'Content-Length: 9'], '{"s":"a"},"i":5}'),
    );
    // What is left over is no request; it may be told so before the answer to the request.
    expect(answer.all).toMatch(/HTTP\/1\.1 400 /);
    expect((await server.ask('GET', 'Thing/b7')).record).toMatchObject({ s: 'a', i: null });
  });

  test('a body shorter than its Content-Length stores nothing', async () => {
    const socket = connect({ port: server.port, host: '127.0.0.1' }).resume();
    socket.on('error', () => undefined);
    await new Promise<void>((resolve) => {
      const bytes = keepAlive(
        'PUT /my-app/Thing/short',
        [`Content-Type: application/json`, 'Content-Length: 10'],
        '{"s":"a"}',
      );
      socket.write(bytes, () => socket.end(resolve));
    });
    await new Promise((resolve) => socket.once('close', resolve));
    expect((await server.ask('GET', 'Thing/short')).status).toBe(404);
  });

  test.each([['-1'], ['abc'], ['1, 2'], ['0x10'], ['99999999999999999999999']])(
    'Content-Length: %s is a 4xx',
    async (length) => {
      const answer = await raw(
        keepAlive('PUT /my-app/Thing/x', ['Content-Type: application/json', `Content-Length: ${length}`], '{}'),
      );
      expect([400, 413]).toContain(answer.status);
    },
  );
});

test.each(['gzip', 'deflate', 'br', 'x-unknown'])('a body with Content-Encoding: %s is a 415', async (encoding) => {
  const bomb = gzipSync(Buffer.alloc(10_000_000, 0x20));
  const answer = await put(bomb, 'Thing/x', { ...JSON_TYPE, 'content-encoding': encoding });
  expectProblem(answer, 415, 'UNSUPPORTED_MEDIA_TYPE');
});

describe('content types', () => {
  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json\ta',
    'application/jsonx',
    'application/json, text/plain',
    'application/ json',
    'text/plain; application/json',
    'application/json/x',
    '',
  ])('%j is a 415 and stores nothing', async (type) => {
    const answer = await raw(
      request('PUT /my-app/Thing/b9', [`Content-Type: ${type}`, 'Content-Length: 9'], '{"s":"a"}'),
    );
    expect(answer.status).toBe(415);
    expect((await server.ask('GET', 'Thing/b9')).status).toBe(404);
  });

  test('no content type at all is a 415', async () => {
    const answer = await raw(request('PUT /my-app/Thing/b9', ['Content-Length: 9'], '{"s":"a"}'));
    expect(answer.status).toBe(415);
  });

  test.each(['application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON', ' application/json'])(
    '%j is taken, and checked',
    async (type) => {
      const answer = (body: string) =>
        raw(request('PUT /my-app/Thing/b9ok', [`Content-Type:${type}`, `Content-Length: ${body.length}`], body));
      expect([200, 201]).toContain((await answer('{"s":"a"}')).status);
      expect((await answer('{"s":5}')).status).toBe(400);
    },
  );
});

describe('requests that are not what they seem', { timeout: 120_000 }, () => {
  const body = '{"s":"smuggled"}';
  const inner = keepAlive(
    'PUT /my-app/Thing/smuggled',
    ['Content-Type: application/json', `Content-Length: ${body.length}`],
    body,
  );

  test.each<[what: string, bytes: () => string]>([
    [
      'Content-Length and Transfer-Encoding',
      () =>
        keepAlive(
          'POST /my-app/Thing',
          ['Content-Type: application/json', 'Content-Length: 4', 'Transfer-Encoding: chunked'],
          `0\r\n\r\n${inner}`,
        ),
    ],
    [
      'two Content-Lengths',
      () =>
        keepAlive(
          'POST /my-app/Thing',
          ['Content-Type: application/json', 'Content-Length: 2', 'Content-Length: 200'],
          `{}${inner}`,
        ),
    ],
    [
      'an unknown Transfer-Encoding',
      () => keepAlive('POST /my-app/Thing', ['Transfer-Encoding: xchunked'], `0\r\n\r\n${inner}`),
    ],
    [
      'chunked that is not last',
      () => keepAlive('POST /my-app/Thing', ['Transfer-Encoding: chunked, identity'], `0\r\n\r\n${inner}`),
    ],
    [
      'a space before the colon',
      () => keepAlive('POST /my-app/Thing', ['Transfer-Encoding : chunked', 'Content-Length: 0'], inner),
    ],
    ['a folded header', () => keepAlive('POST /my-app/Thing', ['X: a', ' Transfer-Encoding: chunked'], inner)],
    ['a header without a name', () => keepAlive('POST /my-app/Thing', [': x'], inner)],
    ['a NUL in a header', () => keepAlive('POST /my-app/Thing', ['X: a\u0000b'], inner)],
    ['bare line feeds', () => `POST /my-app/Thing HTTP/1.1\nHost: a\nContent-Length: 0\n\n${inner}`],
    [
      'a chunk size that overflows',
      () => keepAlive('POST /my-app/Thing', ['Transfer-Encoding: chunked'], `fffffffffffffffff\r\n${inner}`),
    ],
    ['no Host', () => 'GET /my-app/Thing HTTP/1.1\r\n\r\n'],
    ['two Hosts', () => keepAlive('GET /my-app/Thing', ['Host: other.example'])],
    [
      'a version that is framed in another way',
      () => `GET /my-app/Thing?stream=sse HTTP/2.0\r\nHost: localhost\r\n\r\n${inner}`,
    ],
    ['a version of the future', () => `GET /my-app/Thing HTTP/3.7\r\nHost: a\r\n\r\n${inner}`],
    ['no method', () => `/my-app/Thing HTTP/1.1\r\nHost: a\r\n\r\n${inner}`],
    ['an unknown method', () => `STEAL /my-app/Thing HTTP/1.1\r\nHost: a\r\n\r\n${inner}`],
    ['a preface of HTTP/2', () => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${inner}`],
  ])('%s is refused and closed, and what follows is not run', async (_what, bytes) => {
    await server.ask('DELETE', 'Thing/smuggled');
    const answer = await raw(Buffer.from(bytes(), 'latin1'), 1000);
    const statuses = [...answer.all.matchAll(/HTTP\/1\.1 (\d+)/g)].map((found) => Number(found[1]));
    expect(statuses.length).toBeGreaterThan(0);
    for (const status of statuses) expect(Math.trunc(status / 100)).toBe(4);
    expect((await server.ask('GET', 'Thing/smuggled')).status).toBe(404);
  });

  test('nothing is run that follows a TLS greeting, with and without TLS on the port', async () => {
    await using plain = await startServer({ config: `${BASE_CONFIG}tls: false\n` });
    const greeting = Buffer.from(`\u0016\u0003\u0001\u0000\u0001\u0001${inner}`, 'latin1');
    expect((await rawHttp(plain.port, greeting, 1000)).status).toBe(400);
    // An alert, and no text.
    expect((await raw(greeting, 1000)).all).not.toContain('HTTP');
    expect((await server.ask('GET', 'Thing/smuggled')).status).toBe(404);
  });

  test('a URL that is too long is a 414, and one at the limit is not', async () => {
    const path = (length: number) => `/my-app/Thing?s==${'x'.repeat(length - '/my-app/Thing?s=='.length)}`;
    expect((await raw(request(`GET ${path(8193)}`))).status).toBe(414);
    expect((await raw(request(`GET ${path(12_000)}`))).status).toBe(414);
    expect((await raw(request(`GET ${path(4000)}`))).status).toBe(200);
    expect([414, 431]).toContain((await raw(request(`GET ${path(100_000)}`), 1000)).status);
  });

  test('header fields that are too large are a 431', async () => {
    expect((await raw(request('GET /my-app/Thing', [`X: ${'y'.repeat(20_000)}`]))).status).toBe(431);
    expect(
      (
        await raw(
          request(
            'GET /my-app/Thing',
            Array.from({ length: 3000 }, (_, n) => `x${n}: yyyy`),
          ),
        )
      ).status,
    ).toBe(431);
  });

  test('more header fields than the limit are a 431: none is left out in silence', async () => {
    const filler = Array.from({ length: 120 }, (_, n) => `x${n}: y`);
    await server.put('Thing/guarded', { s: 'first' });
    const json = '{"s":"second"}';
    const answer = await raw(
      request(
        'PUT /my-app/Thing/guarded',
        ['Content-Type: application/json', `Content-Length: ${json.length}`, ...filler, 'If-Match: "1"'],
        json,
      ),
    );
    expect(answer.status).toBe(431);
    expect((await server.ask('GET', 'Thing/guarded')).record.s).toBe('first');
  });

  test('requests in a row on one connection are answered in order', async () => {
    const answer = await raw(['s1', 's2', 's3'].map((id) => keepAlive(`GET /my-app/Thing/${id}`)).join(''));
    const problems = [...answer.all.matchAll(/"detail":"There is no record with the id \\"(s\d)\\"/g)].map(
      (found) => found[1],
    );
    expect(problems).toEqual(['s1', 's2', 's3']);
  });

  test('requests in a row on one connection are handled one after the other', async () => {
    const put = (s: string) => {
      const json = JSON.stringify({ s });
      const headers = ['Content-Type: application/json', `Content-Length: ${json.length}`];
      return keepAlive('PUT /my-app/Thing/row', headers, json);
    };
    const [get, remove] = [keepAlive('GET /my-app/Thing/row'), keepAlive('DELETE /my-app/Thing/row')];
    const answer = await raw([put('one'), get, put('two'), put('three'), get, remove, get].join(''));
    expect([...answer.all.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))).toEqual([
      201, 200, 200, 200, 200, 204, 404,
    ]);
    const told = [...answer.all.matchAll(/"s":"(\w+)"/g)].map(([, s]) => s);
    expect(told).toEqual(['one', 'one', 'two', 'three', 'three']);
  });

  test('requests without end behind a stream end the connection, and a hundred do not', async () => {
    const [stream, get] = [keepAlive('GET /my-app/Thing?stream=sse'), keepAlive('GET /my-app/Thing/none')];
    const told = await raw(keepAlive('GET /my-app/Thing/first') + get.repeat(100));
    expect(told.all.match(/HTTP\/1\.1 404/g)).toHaveLength(101);
    const [few, many] = [100, 101].map((count) => {
      const socket = connect({ port: server.port, host: '127.0.0.1' }).on('error', () => {});
      socket.write(stream + get.repeat(count));
      return socket.resume();
    });
    if (few === undefined || many === undefined) throw new Error('there are two');
    // The test's time is its bound.
    await once(many, 'close');
    expect((await server.ask('GET', 'Thing/none')).status).toBe(404);
    expect([few.destroyed, few.readableEnded]).toEqual([false, false]);
    few.destroy();
  });

  test('a stream that is asked for behind another request does not come before its answer', async () => {
    const json = '{"s":"first"}';
    const first = keepAlive(
      'PUT /my-app/Thing/pipelined',
      ['Content-Type: application/json', `Content-Length: ${json.length}`],
      json,
    );
    const answer = await raw(first + keepAlive('GET /my-app/Thing?stream=sse'));
    expect(answer.all).toMatch(/^HTTP\/1\.1 20[01] /);
    const stream = answer.all.indexOf('text/event-stream');
    const written = answer.all.indexOf('"id":"pipelined"');
    expect(written).toBeGreaterThan(0);
    if (stream >= 0) expect(written).toBeLessThan(stream);
  });

  test('a 304 says nothing of a length, to a HEAD neither', async () => {
    await server.put('Thing/same', { s: 'a' });
    for (const path of ['/my-app/Thing/same', '/my-app/Thing']) {
      const head = await raw(request(`HEAD ${path}`));
      expect(Number(head.headers.get('content-length'))).toBeGreaterThan(2);
      for (const method of ['GET', 'HEAD']) {
        const answer = await raw(request(`${method} ${path}`, [`If-None-Match: ${head.headers.get('etag')}`]));
        expect([answer.status, answer.headers.get('content-length'), answer.body]).toEqual([304, undefined, '']);
      }
    }
  });

  test('a HEAD has no body, and an answer never has two lengths', async () => {
    const answer = await raw(request('HEAD /my-app/Thing/none'));
    expect([answer.status, answer.body]).toEqual([404, '']);
    expect(answer.all.match(/content-length/gi)).toHaveLength(1);
  });
});

describe('methods', () => {
  test.each(['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'])('%s is not obeyed', async (name) => {
    await server.put('Thing/kept', { s: 'kept' });
    await server.ask('POST', 'Thing/kept', { json: {}, headers: { [name]: 'DELETE' } });
    await server.ask('GET', 'Thing/kept', { headers: { [name]: 'DELETE' } });
    expect((await server.ask('GET', 'Thing/kept?_method=DELETE')).status).toBe(400);
    expect((await server.ask('GET', 'Thing/kept')).status).toBe(200);
  });

  test.each(['TRACE', 'OPTIONS', 'PROPFIND', 'LOCK', 'SEARCH'])(
    '%s is a 405, or says what there is, and reflects nothing',
    async (method) => {
      const answer = await raw(request(`${method} /my-app/Thing`, ['X-Secret: reflected']));
      expect(answer.status).toBe(method === 'OPTIONS' ? 204 : 405);
      expect(answer.all).not.toContain('reflected');
    },
  );

  test('CONNECT is not a proxy', async () => {
    const answer = await raw('CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n');
    expect(answer.all).not.toMatch(/ 200 |SSH/);
  });
});

test('static files: only what is in the folder, no dot files, no links out, no other file of the application', async () => {
  await using own = await startServer({
    files: { 'web/index.html': '<p>page</p>', 'web/.secret': 'hidden', 'web/sub/a.txt': 'sub' },
  });
  await writeFile(join(own.dir, 'outside.txt'), 'outside');
  await symlink(join(own.dir, 'outside.txt'), join(own.dir, 'web', 'link.txt'));
  await mkdir(join(own.dir, 'website'));
  await writeFile(join(own.dir, 'website', 'x.txt'), 'neighbour');
  const get = (path: string) => rawHttp(own.port, request(`GET ${path}`));
  expect((await get('/my-app/')).body).toContain('page');
  expect((await get('/my-app/sub/a.txt')).body).toBe('sub');
  const paths = [
    '/my-app/.secret',
    '/my-app/%2esecret',
    '/my-app/link.txt',
    '/my-app/sub',
    '/my-app/sub/',
    ...['schema.graphql', 'config.yaml', 'data/data.db', 'outside.txt', 'website/x.txt'].flatMap((file) => [
      `/my-app/${file}`,
      `/my-app/../${file}`,
      `/my-app/..%2f${file}`,
      `/my-app/%2e%2e/${file}`,
      `/my-app/%2e%2e%2f${file}`,
      `/my-app/..%5c${file}`,
      `/my-app/sub/../../${file}`,
      `/my-app/sub%2f..%2f..%2f${file}`,
      `/my-app/....//${file}`,
      `/my-app/web/../${file}`,
    ]),
    '/my-app/%00index.html',
    '/my-app/index.html%00.txt',
    '/my-app//etc/passwd',
    '/my-app/%2fetc%2fpasswd',
    '//etc/passwd',
  ];
  for (const path of paths) {
    const answer = await get(path);
    expect([400, 403, 404, 308], `${path}: ${answer.status}`).toContain(answer.status);
    expect(answer.body, path).not.toMatch(/hidden|outside|neighbour|type Message|schemas:|SQLite|root:/);
  }
  expect((await rawHttp(own.port, request('GET /my-app/Message'))).status).toBe(200);
}, 30_000);
