import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { metricsAccess } from '../../src/server/operations/metrics.ts';
import { BASE_CONFIG, MESSAGE_SCHEMA, makeApp, runToExit, startServer, type TestServer } from '../support/app.ts';
import { ask, rawHttp } from '../support/http.ts';

const TOKEN = 'a-token-of-some-length';

describe('what tells of the server', () => {
  test('health says no more than that it is there, a thousand times as fast as asked', async () => {
    await using server = await startServer();
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, turn) => ask('GET', `${server.origin}/health/${turn % 2 ? 'live' : 'ready'}`)),
    );
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`))).toEqual(new Set(['200 {"status":"ok"}']));
    for (const path of ['/health', '/health/', '/health/details', '/health/live/x']) {
      expect((await ask('GET', server.origin + path)).status).toBe(404);
    }
  });

  test.each([
    ['host: 127.0.0.1', { host: '127.0.0.1', trustProxy: false, metrics: undefined }, true],
    ['host: localhost', { host: 'localhost', trustProxy: false, metrics: undefined }, true],
    ['another address', { host: '192.0.2.1', trustProxy: false, metrics: undefined }, false],
    ['a proxy in front', { host: '127.0.0.1', trustProxy: true, metrics: undefined }, false],
    ['false', { host: '127.0.0.1', trustProxy: false, metrics: false }, false],
    ['true', { host: '192.0.2.1', trustProxy: true, metrics: true }, true],
    ['a token', { host: '127.0.0.1', trustProxy: false, metrics: TOKEN }, TOKEN],
  ])('metrics with %s', (_what, config, access) => expect(metricsAccess(config)).toBe(access));

  test('metrics that are off are not there', async () => {
    await using server = await startServer({ config: `${BASE_CONFIG}metrics: false\n` });
    expect((await ask('GET', `${server.origin}/metrics`)).status).toBe(404);
    await using proxied = await startServer({ config: `${BASE_CONFIG}trust_proxy: true\n` });
    expect((await ask('GET', `${proxied.origin}/metrics`)).status).toBe(404);
  });

  test('metrics with a token want it, and no log has it', async () => {
    const config = `${BASE_CONFIG}metrics: "\${METRICS_TOKEN}"\nlogging: { level: debug, requests: true }\n`;
    await using server = await startServer({ config, env: { METRICS_TOKEN: TOKEN } });
    const url = `${server.origin}/metrics`;
    const right = await ask('GET', url, { headers: { authorization: `Bearer ${TOKEN}` } });
    expect([right.status, right.text.includes('tablecast_connections')]).toEqual([200, true]);
    expect((await ask('HEAD', url, { headers: { authorization: `bearer  ${TOKEN}` } })).status).toBe(200);
    const wrong = [
      '',
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(1)}`,
      `Basic ${TOKEN}`,
      TOKEN,
      'Bearer',
      `Bearer ${TOKEN} x`,
    ];
    for (const authorization of wrong) {
      const answer = await ask('GET', url, { headers: { authorization } });
      expect([answer.status, answer.record.code, answer.headers.get('www-authenticate')]).toEqual([
        401,
        'UNAUTHORIZED',
        'Bearer',
      ]);
    }
    expect((await ask('GET', `${url}?token=${TOKEN}`)).status).toBe(401);
    await server.stop();
    expect(server.stdout + server.stderr).not.toContain(TOKEN);
  });
});

describe('methods', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ files: { 'web/index.html': '<p>hello</p>' } });
    await server.put('Message/kept', { title: 'A', content: 'B' });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test.each(['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X-Original-Method'])(
    '%s does not make another one of it',
    async (name) => {
      const headers = { [name]: 'DELETE' };
      expect((await server.ask('GET', 'Message/kept', { headers })).status).toBe(200);
      expect((await server.ask('POST', 'Message/kept', { headers, json: { title: 'x', content: 'y' } })).status).toBe(
        405,
      );
      const posted = await server.ask('POST', 'Message', { headers, json: { id: name, title: 'x', content: 'y' } });
      expect(posted.status).toBe(201);
      expect((await server.ask('GET', 'Message/kept')).status).toBe(200);
      expect((await server.ask('POST', 'Message?_method=DELETE', { json: {} })).status).toBe(400);
    },
  );

  test.each(['X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Uri'])(
    '%s does not make another address of it',
    async (name) => {
      const { status } = await server.ask('GET', 'Message/kept', { headers: { [name]: '/my-app/Message/none' } });
      expect(status).toBe(200);
    },
  );

  test('TRACE is refused everywhere, and gives nothing back', async () => {
    const all = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';
    for (const [path, allow] of [
      ['/', all],
      ['/my-app/Message', 'GET, HEAD, QUERY, POST, PATCH, DELETE, OPTIONS'],
      ['/my-app/Message/', 'GET, HEAD, QUERY, POST, PATCH, DELETE, OPTIONS'],
      ['/my-app/Message/kept', all],
      ['/my-app/', 'GET, HEAD, OPTIONS'],
      ['/metrics', 'GET, HEAD, OPTIONS'],
      ['/nothing', all],
      ['/health/live', 'GET, HEAD, OPTIONS'],
    ]) {
      const text = `TRACE ${path} HTTP/1.1\r\nHost: localhost\r\nCookie: secret=1\r\n\r\n`;
      const { status, all: bytes, headers } = await rawHttp(server.port, text, 100);
      expect([path, status, headers.get('allow')]).toEqual([path, 405, allow]);
      expect(bytes).not.toContain('secret');
    }
  });

  test('CONNECT and what is no method are refused', async () => {
    const tunnel = await rawHttp(server.port, 'CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n', 100);
    expect(tunnel.status).not.toBe(200);
    expect((await rawHttp(server.port, 'STEAL / HTTP/1.1\r\nHost: localhost\r\n\r\n', 100)).status).toBe(400);
    expect((await server.ask('GET', 'Message/kept')).status).toBe(200);
  });

  test('a page of elsewhere cannot write without asking first', async () => {
    // All that a page may send to another site without a preflight (Fetch §4.10): no JSON among them.
    const body = '{"id":"forged","title":"x","content":"y"}';
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      undefined,
    ]) {
      const line = type === undefined ? '' : `Content-Type: ${type}\r\n`;
      for (const path of ['/my-app/Message', '/my-app/Message?publish=true', '/my-app/Message/forged?publish=true']) {
        const text = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n${line}Content-Length: ${body.length}\r\n\r\n${body}`;
        expect((await rawHttp(server.port, text, 100)).status).toBe(415);
      }
    }
    expect((await server.ask('GET', 'Message/forged')).status).toBe(404);
  });
});

describe('pages', () => {
  const PAGE_HEADERS = {
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'SAMEORIGIN',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
  };

  test('have the headers that browsers ask for, records do not', async () => {
    const config = `${BASE_CONFIG}web_policy: "default-src 'self' https://cdn.example"\n`;
    await using server = await startServer({
      config,
      files: { 'web/index.html': '<p>hello</p>', 'web/a.svg': '<svg/>' },
    });
    await server.put('Message/a', { title: 'A', content: 'B' });
    for (const path of ['', 'a.svg', 'docs', 'openapi.json', 'asyncapi.json', 'docs/page.js', 'client.js']) {
      const { status, headers } = await server.ask('GET', path);
      expect([path, status]).toEqual([path, 200]);
      expect(Object.fromEntries(headers)).toMatchObject(PAGE_HEADERS);
      expect(headers.has('strict-transport-security')).toBe(false);
    }
    for (const path of ['', 'a.svg']) {
      const { headers } = await server.ask('GET', path);
      expect(headers.get('content-security-policy')).toBe("default-src 'self' https://cdn.example");
    }
    expect((await server.ask('GET', 'docs')).headers.get('content-security-policy')).toContain("default-src 'none'");
    const record = await server.ask('GET', 'Message/a');
    expect([...record.headers.keys()].toSorted()).toEqual(
      [
        'cache-control',
        'connection',
        'content-length',
        'content-type',
        'date',
        'etag',
        'keep-alive',
        'vary',
        'x-position',
      ].toSorted(),
    );
  });

  test('have a policy of their own by default, or none when that is said', async () => {
    const files = { 'web/index.html': '<p>hello</p>' };
    await using usual = await startServer({ files });
    const policy = (await usual.ask('GET', '')).headers.get('content-security-policy');
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toContain('upgrade-insecure-requests');
    await using none = await startServer({ config: `${BASE_CONFIG}web_policy: false\n`, files });
    expect((await none.ask('GET', '')).headers.has('content-security-policy')).toBe(false);
  });
});

test('check and start tell of settings that may not be meant', async () => {
  const config = `${BASE_CONFIG}auth: none\nhost: 192.0.2.1\ncors: { origins: ["*", "http://app.example"] }\nmetrics: true\ntrust_proxy: true\nlimits: { anonymous_requests_per_second: 0 }\n`;
  const app = await makeApp({ schema: MESSAGE_SCHEMA, config: config.replace('host: 127.0.0.1\n', '') });
  const { code, stdout } = await runToExit(['check', app.dir]);
  expect(code).toBe(0);
  for (const told of [
    'cors.origins is "*"',
    'cors.origins has http://app.example',
    'metrics is true',
    'trust_proxy is true',
    'limits of requests',
  ]) {
    expect(stdout).toContain(told);
  }
  const plain = await makeApp();
  expect((await runToExit(['check', plain.dir])).stdout).not.toMatch(/cors|metrics|trust_proxy/);
  for (const { root } of [app, plain]) await rm(root as string, { recursive: true });
});
