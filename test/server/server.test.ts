import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify, { type FastifyInstance } from 'fastify';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StartError } from '../../src/config/files/diagnostic.ts';
import { AppError, ERRORS } from '../../src/errors.ts';
import { registerBodyParsers } from '../../src/server/body.ts';
import { trackFiles, trackMethods } from '../../src/server/checks/known-methods.ts';
import { registerOptions } from '../../src/server/cors.ts';
import { registerNotFound } from '../../src/server/not-found.ts';
import { registerHealth } from '../../src/server/operations/health.ts';
import { createLog, describeRequest } from '../../src/server/operations/log.ts';
import { registerMetrics } from '../../src/server/operations/metrics.ts';
import { makeErrorHandler, toAppError } from '../../src/server/problems.ts';
import { transportConstraint, transportOf } from '../../src/server/request.ts';
import { checkTls, loadTls } from '../../src/server/tls.ts';
import { registerWeb } from '../../src/server/web/files.ts';
import { LIMITS } from '../query/tables.ts';

const log = createLog({ logging: { level: 'silent', format: 'json', requests: false } });

/** Makes an HTTP server without limits and tables. */
function makeApp(): FastifyInstance {
  const app = Fastify({ routerOptions: { constraints: { transport: transportConstraint } } });
  app.setErrorHandler(makeErrorHandler(log));
  onTestFinished(() => app.close());
  return app;
}

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-server-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function failure(code: string, statusCode?: number): Error {
  return Object.assign(new Error('inner words'), { code }, statusCode === undefined ? {} : { statusCode });
}

describe('a failure', () => {
  test.each([
    [failure('FST_ERR_CTP_BODY_TOO_LARGE', 413), 'BODY_TOO_LARGE'],
    [failure('FST_ERR_CTP_INVALID_MEDIA_TYPE', 415), 'UNSUPPORTED_MEDIA_TYPE'],
    [failure('FST_ERR_BAD_URL', 400), 'BAD_REQUEST'],
    [failure('FST_ERR_MAX_PARAM_LENGTH', 414), 'URL_TOO_LONG'],
    [failure('HPE_HEADER_OVERFLOW'), 'HEADERS_TOO_LARGE'],
    [failure('ERR_HTTP_REQUEST_TIMEOUT'), 'REQUEST_TIMEOUT'],
    [failure('HPE_INVALID_METHOD'), 'BAD_REQUEST'],
    [failure('SOMETHING', 422), 'BAD_REQUEST'],
    [failure('SOMETHING', 502), 'INTERNAL'],
    [failure('SOMETHING'), 'INTERNAL'],
    ['thrown text', 'INTERNAL'],
    [undefined, 'INTERNAL'],
  ])('%s is %s for the client, without internal details', (error, code) => {
    const found = toAppError(error);
    expect(found.code).toBe(code);
    expect(found.message).not.toContain('inner');
  });

  test('that is an AppError is not changed', () => {
    const error = new AppError('CONFLICT', 'x');
    expect(toAppError(error)).toBe(error);
  });

  test('is sent as problem details with its headers, whatever was thrown', async () => {
    const app = makeApp();
    app.get('/busy', () => {
      throw new AppError('STORAGE_BUSY', 'busy');
    });
    app.get('/bug', () => {
      throw new TypeError('secret');
    });
    const busy = await app.inject('/busy');
    expect([busy.statusCode, busy.headers['retry-after'], busy.headers['content-type']]).toEqual([
      503,
      '1',
      'application/problem+json; charset=utf-8',
    ]);
    const bug = await app.inject('/bug');
    expect(bug.json()).toMatchObject({ code: 'INTERNAL', status: 500, title: ERRORS.INTERNAL.title });
    expect(bug.body).not.toContain('secret');
  });
});

test('a body is JSON and not compressed', async () => {
  const app = makeApp();
  registerBodyParsers(app, LIMITS);
  app.post('/', ({ body }) => ({ body }));
  const send = async (payload: string, headers: Record<string, string>) => {
    const response = await app.inject({ method: 'POST', url: '/', payload, headers });
    return response.json<{ code?: string; body?: unknown }>();
  };
  const json = { 'content-type': 'application/json' };
  expect(await send('{"a":1}', json)).toEqual({ body: { a: 1 } });
  expect(await send('{"a":1}', { ...json, 'content-encoding': 'identity' })).toEqual({ body: { a: 1 } });
  expect(await send('{"a":1}', { ...json, 'content-encoding': 'gzip' })).toMatchObject({
    code: 'UNSUPPORTED_MEDIA_TYPE',
  });
  expect(await send('a=1', { 'content-type': 'text/plain' })).toMatchObject({ code: 'UNSUPPORTED_MEDIA_TYPE' });
  expect(await send('{', json)).toMatchObject({ code: 'INVALID_JSON' });
});

test('the server is ready while it accepts requests and alive until it ends', async () => {
  const app = makeApp();
  const lifecycle = { ready: false, stopping: false };
  let writable = true;
  let current = true;
  registerHealth(app, lifecycle, { isWritable: () => writable, isCurrent: () => current });
  const ask = async () => {
    const [live, ready] = [await app.inject('/health/live'), await app.inject('/health/ready')];
    return [live.statusCode, ready.statusCode, ready.json<{ status: string }>().status, ready.headers['retry-after']];
  };
  expect(await ask()).toEqual([200, 503, 'starting', '1']);
  lifecycle.ready = true;
  expect(await ask()).toEqual([200, 200, 'ok', undefined]);
  writable = false;
  expect(await ask()).toEqual([200, 503, 'unwritable', '1']);
  [writable, current] = [true, false];
  expect(await ask()).toEqual([200, 503, 'behind', '1']);
  lifecycle.stopping = true;
  expect(await ask()).toEqual([200, 503, 'stopping', '1']);
});

test('metrics are read at each scrape', async () => {
  const app = makeApp();
  let value = 1;
  registerMetrics(
    app,
    [
      { name: 'my_gauge', help: 'A gauge.', type: 'gauge', labels: ['a', 'b'], read: () => [[['x', 'y'], value]] },
      {
        name: 'my_total',
        help: 'A counter.',
        type: 'counter',
        labels: ['a'],
        read: () => [
          [['x'], value * 10],
          [[], 5],
        ],
      },
    ],
    true,
  );
  const first = await app.inject('/metrics');
  expect(first.headers['content-type']).toContain('text/plain');
  expect(first.body).toContain('# TYPE my_gauge gauge\nmy_gauge{a="x",b="y"} 1\n');
  expect(first.body).toContain('my_total{a="x"} 10\nmy_total{a=""} 5\n');
  expect(first.body).toContain('process_cpu_seconds_total');
  value = 2;
  const { body } = await app.inject('/metrics');
  expect(body).toContain('my_gauge{a="x",b="y"} 2\n');
  expect(body).toContain('my_total{a="x"} 20\n');
});

describe('TLS', () => {
  test('creates a certificate for localhost and keeps it over restarts', async () => {
    const dir = folder();
    const made = await loadTls('auto', dir);
    const certificate = new X509Certificate(made.cert);
    expect(certificate.subjectAltName).toContain('DNS:localhost');
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(Date.parse(certificate.validTo)).toBeGreaterThan(Date.now() + 300 * 86_400_000);
    expect(statSync(join(dir, 'localhost.json')).mode & 0o777).toBe(0o600);
    expect(await loadTls('auto', dir)).toEqual(made);
  });

  test('creates another one when that expires soon or cannot be read', async () => {
    const dir = folder();
    const file = join(dir, 'localhost.json');
    writeFileSync(file, JSON.stringify({ cert: 'old', key: 'old', expires: Date.now() + 3_600_000 }));
    const { cert } = await loadTls('auto', dir);
    expect(cert).toContain('BEGIN CERTIFICATE');
    writeFileSync(file, 'nothing');
    expect((await loadTls('auto', dir)).cert).not.toBe(cert);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toHaveProperty('expires');
  });

  test('reads the files that are configured', async () => {
    const dir = folder();
    const [certificate, privateKey] = [join(dir, 'c'), join(dir, 'k')];
    const [own, another] = await Promise.all([loadTls('auto', folder()), loadTls('auto', folder())]);
    writeFileSync(certificate, own.cert);
    writeFileSync(privateKey, own.key);
    expect(await loadTls({ certificate, privateKey }, dir)).toEqual(own);
    // A key of another certificate, and a file that is no key.
    for (const key of [another.key, 'none\n']) {
      writeFileSync(privateKey, key);
      expect(() => checkTls({ certificate, privateKey })).toThrow(`${certificate} cannot be used with ${privateKey}`);
      await expect(loadTls({ certificate, privateKey }, dir)).rejects.toThrow(StartError);
    }
  });
});

describe('the transport of a request', () => {
  test.each([
    ['GET', {}, '/a/T', 'rest'],
    ['GET', { accept: '*/*' }, '/a/T?stream=rest', 'rest'],
    ['GET', { accept: 'text/event-stream' }, '/a/T', 'sse'],
    ['GET', { accept: 'text/html, text/event-stream;q=0.5' }, '/a/T', 'sse'],
    ['GET', { accept: 'application/json, text/event-stream' }, '/a/T', 'rest'],
    ['GET', { accept: 'text/event-stream, application/json' }, '/a/T', 'sse'],
    ['GET', { accept: 'text/event-stream;q=0.9, application/json' }, '/a/T', 'rest'],
    ['GET', { accept: 'application/json;q=0.9, text/event-stream' }, '/a/T', 'sse'],
    ['GET', { accept: 'text/csv, application/json;q=0.1, text/event-stream;q=0.5' }, '/a/T', 'rest'],
    ['GET', { accept: 'text/event-stream, application/json, text/event-stream' }, '/a/T', 'sse'],
    ['GET', { accept: '*/*, text/event-stream' }, '/a/T', 'sse'],
    ['GET', { accept: '*/*, text/event-stream;q=0.9' }, '/a/T', 'rest'],
    ['GET', { accept: 'text/event-stream, */*;q=0.1' }, '/a/T', 'sse'],
    ['GET', { accept: 'image/*, text/event-stream;q=0.1' }, '/a/T', 'sse'],
    ['GET', { accept: 'application/json, text/event-stream' }, '/a/T?stream=sse', 'sse'],
    ['GET', { accept: 'application/json, Text/Event-Stream; charset=utf-8; q=0.001' }, '/a/T', 'rest'],
    ['GET', { accept: 'text/event-stream;q=0, text/event-stream;charset=utf-8' }, '/a/T', 'sse'],
    ['GET', { accept: 'text/event-stream;q=0' }, '/a/T', 'rest'],
    ['GET', { accept: 'text/event-stream;q=0, application/json' }, '/a/T', 'rest'],
    ['GET', { accept: 'application/json,text/event-stream; charset=utf-8 ; Q = 0.000' }, '/a/T', 'rest'],
    ['GET', { accept: 'text/event-stream-like, x-text/event-stream' }, '/a/T', 'rest'],
    ['GET', { accept: 'text/html;note="a, text/event-stream"' }, '/a/T', 'rest'],
    ['GET', { accept: 'text/event-stream;q=0' }, '/a/T?stream=sse', 'sse'],
    ['GET', {}, '/a/T?stream=sse', 'sse'],
    ['GET', {}, '/a/T?x=1&stream=sse&y=2', 'sse'],
    ['GET', {}, '/a/T?upstream=sse', 'rest'],
    ['GET', {}, '/a/T?stream=ssee', 'rest'],
    ['HEAD', { accept: 'text/event-stream' }, '/a/T', 'sse'],
    ['HEAD', {}, '/a/T?stream=sse', 'sse'],
    ['HEAD', {}, '/a/T', 'rest'],
    ['POST', {}, '/a/T?stream=sse', 'rest'],
    ['GET', { upgrade: 'websocket' }, '/a/T', 'ws'],
    ['GET', { upgrade: 'WebSocket', accept: 'text/event-stream' }, '/a/T', 'ws'],
    ['POST', { upgrade: 'websocket' }, '/a/T', 'ws'],
    ['GET', { upgrade: 'h2c' }, '/a/T', 'rest'],
  ])('%s %j %s is %s', (method, headers, url, expected) => {
    expect(transportOf({ method, headers, url })).toBe(expected);
  });

  test('decides which handler of an address runs', async () => {
    const app = makeApp();
    app.get('/a/T', { constraints: { transport: 'rest' } }, () => 'rest');
    app.get('/a/T', { constraints: { transport: 'sse' } }, () => 'sse');
    app.get('/b/T', { constraints: { transport: 'sse' } }, () => 'sse');
    registerNotFound(app, []);
    const ask = async (url: string, accept = '*/*') => (await app.inject({ url, headers: { accept } })).body;
    expect([await ask('/a/T'), await ask('/a/T', 'text/event-stream'), await ask('/b/T?stream=sse')]).toEqual([
      'rest',
      'sse',
      'sse',
    ]);
    expect(JSON.parse(await ask('/b/T'))).toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('an address that no route takes', () => {
  const known = [
    { path: '/a/T', rest: true },
    { path: '/a/Closed', rest: false },
  ];

  test.each([
    ['PUT', '/a/T', {}, 405, 'GET, HEAD, QUERY, POST, PATCH, DELETE, OPTIONS'],
    ['PUT', '/a/T/', {}, 405, 'GET, HEAD, QUERY, POST, PATCH, DELETE, OPTIONS'],
    ['PUT', '/a/T?x=1', {}, 405, 'GET, HEAD, QUERY, POST, PATCH, DELETE, OPTIONS'],
    ['QUERY', '/a/T/x', {}, 405, 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'],
    ['GET', '/a/T', { accept: 'text/event-stream' }, 404, undefined],
    ['POST', '/a/T', { upgrade: 'websocket' }, 405, 'GET'],
    ['DELETE', '/a/Closed', {}, 404, undefined],
    ['GET', '/a/T/x/y', {}, 404, undefined],
    ['GET', '/', {}, 404, undefined],
  ] as const)('%s %s %j is %d, Allow: %s', async (...[method, url, headers, ...expected]) => {
    const app = makeApp();
    app.addHttpMethod('QUERY');
    registerNotFound(app, known);
    const response = await app.inject({ method: method as 'GET', url, headers });
    expect([response.statusCode, response.headers.allow]).toEqual(expected);
  });

  test.each([
    ['POST', '/plain', {}, 405, 'GET, HEAD, OPTIONS'],
    ['OPTIONS', '/plain?x=1', {}, 204, 'GET, HEAD, OPTIONS'],
    ['PROPFIND', '/plain', {}, 405, 'GET, HEAD, OPTIONS'],
    ['TRACE', '/plain', {}, 405, 'GET, HEAD, OPTIONS'],
    ['TRACE', '/nothing', {}, 405, 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'],
    ['HEAD', '/only-get', {}, 405, 'GET, OPTIONS'],
    ['GET', '/only-rest', {}, 405, 'PUT, DELETE, OPTIONS'],
    ['POST', '/streams', {}, 404, undefined],
    ['OPTIONS', '/streams', {}, 204, 'GET, OPTIONS'],
    ['OPTIONS', '/streams', { upgrade: 'websocket' }, 405, 'GET'],
    ['OPTIONS', '/nothing', {}, 404, undefined],
    ['OPTIONS', '/nothing', { 'access-control-request-method': 'GET' }, 404, undefined],
    ['OPTIONS', '/posted', {}, 204, 'POST, OPTIONS'],
    ['HEAD', '/posted', {}, 405, 'POST, OPTIONS'],
    ['POST', '/with/x', {}, 405, 'GET, HEAD, OPTIONS'],
    ['OPTIONS', '/with/x', {}, 204, 'GET, HEAD, OPTIONS'],
    ['OPTIONS', '/with/x/y', {}, 404, undefined],
    ['OPTIONS', '/coded/a/b', {}, 204, 'PATCH, OPTIONS'],
    ['POST', '/files/x', {}, 405, 'GET, HEAD, OPTIONS'],
    ['OPTIONS', '/files/y', {}, 404, undefined],
    ['GET', '/only-rest', { accept: 'text/event-stream' }, 404, undefined],
  ] as const)('but has another method: %s %s %j is %d, Allow: %s', async (...[method, url, headers, ...expected]) => {
    const app = makeApp();
    trackMethods(app);
    const handler = () => 'x';
    app.addHttpMethod('PROPFIND');
    await app.register(async (scope) => {
      scope.get('/plain', handler);
      scope.get('/only-get', { exposeHeadRoute: false }, handler);
    });
    app.route({ method: ['PUT', 'DELETE'], url: '/only-rest', constraints: { transport: 'rest' }, handler });
    app.get('/streams', { constraints: { transport: 'sse' } }, handler);
    app.post('/posted', handler);
    const refused = ['GET', 'PUT', 'PATCH', 'DELETE'];
    app.route({ method: refused, url: '/posted', config: { refuses: true }, exposeHeadRoute: false, handler });
    app.get('/with/:id', handler);
    app.patch('/coded/*', { constraints: { transport: 'rest' } }, handler);
    app.get('/files/*', handler);
    trackFiles(app, (path) => path === '/files/x');
    registerOptions(app);
    registerNotFound(app, known);
    const response = await app.inject({ method: method as 'GET', url, headers });
    expect([response.statusCode, response.headers.allow]).toEqual(expected);
  });

  test('of Socket.IO is explained', async () => {
    const app = makeApp();
    registerNotFound(app, known);
    expect((await app.inject('/socket.io/?EIO=4')).json()).toMatchObject({
      code: 'NOT_FOUND',
      detail: expect.stringContaining('does not speak Socket.IO'),
    });
    expect((await app.inject({ url: '/x', headers: { accept: 'text/event-stream' } })).json()).toMatchObject({
      detail: 'There is no sse channel at this address.',
    });
  });
});

test('a request is logged without its query', () => {
  expect(describeRequest({ method: 'GET', url: '/a/T?token=secret' })).toEqual({ method: 'GET', path: '/a/T' });
  expect(describeRequest({ method: undefined, url: undefined })).toEqual({ method: '', path: '' });
});

test('static files are served with their content type, dot files are not served', async () => {
  const dir = folder();
  writeFileSync(join(dir, 'index.html'), '<p>hello</p>');
  writeFileSync(join(dir, '.secret'), 'x');
  const app = makeApp();
  const web = { path: '/my-app', dir, policy: "default-src 'self'" };
  await registerWeb(app, web, { enabled: true, threshold: 1024 });
  const index = await app.inject('/my-app/');
  expect([
    index.statusCode,
    index.body,
    index.headers['x-content-type-options'],
    index.headers['content-security-policy'],
    index.headers['strict-transport-security'],
  ]).toEqual([200, '<p>hello</p>', 'nosniff', "default-src 'self'", undefined]);
  const bare = await app.inject('/my-app');
  expect([bare.statusCode, bare.headers.location]).toEqual([308, 'my-app/']);
  expect((await app.inject('/my-app/.secret')).statusCode).toBeGreaterThanOrEqual(400);
  const part = (headers: Record<string, string>) => app.inject({ url: '/my-app/index.html', headers });
  const first = await part({ range: 'bytes=0-2' });
  expect([first.statusCode, first.body, first.headers['content-range']]).toEqual([206, '<p>', 'bytes 0-2/12']);
  const beyond = await part({ range: 'bytes=12-20' });
  expect([beyond.headers['content-range'], beyond.json()]).toMatchObject([
    'bytes */12',
    { status: 416, code: 'RANGE_NOT_SATISFIABLE' },
  ]);
  const changed = await part({ 'if-match': '"other"' });
  expect([changed.headers['content-range'], changed.json()]).toMatchObject([
    undefined,
    { status: 412, code: 'PRECONDITION_FAILED' },
  ]);
});
