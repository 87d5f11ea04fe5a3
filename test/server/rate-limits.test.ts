import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Limits, ServerConfig } from '../../src/config/config.ts';
import { createHttpServer } from '../../src/server/http-server.ts';
import { registerHealth } from '../../src/server/operations/health.ts';
import { createLog } from '../../src/server/operations/log.ts';
import { LIMITS } from '../query/tables.ts';
import { principal } from './requests.ts';

const CONFIG: ServerConfig = {
  host: '192.0.2.1',
  port: 0,
  tls: undefined,
  trustProxy: false,
  allowedHosts: [],
  cors: { origins: ['https://app.example'], credentials: false, allowedHeaders: [], exposedHeaders: [] },
  metrics: undefined,
  console: { enabled: true, allow: undefined, idleLock: 0 },
  compression: { enabled: true, threshold: 1024 },
  logging: { level: 'silent', format: 'json', requests: false },
  limits: LIMITS,
  channels: {
    pingInterval: 1,
    heartbeatInterval: 1,
    pongTimeout: 1,
    ssePingInterval: 1,
    slowClientTimeout: 1,
    clientBuffer: 1,
  },
};

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

async function make(config: Partial<ServerConfig> = {}, limits: Partial<Limits> = {}): Promise<FastifyInstance> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tablecast-rates-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const whole = { ...CONFIG, limits: { ...LIMITS, ...limits }, ...config };
  const lifecycle = { ready: true, stopping: false };
  const app = await createHttpServer(whole, { dataDir, lifecycle, log: createLog(whole) });
  onTestFinished(() => app.close());
  // Authentication may run late and asynchronously.
  app.addHook('preValidation', async (request) => {
    const { authorization } = request.headers;
    if (authorization !== undefined) request.identity = principal(authorization);
  });
  registerHealth(app, lifecycle);
  app.get('/item', () => ({ ok: true }));
  return app;
}

interface TestCaller {
  readonly from?: string;
  readonly headers?: Record<string, string>;
  readonly url?: string;
}

async function ask(
  app: FastifyInstance,
  count: number,
  { from = '192.0.2.7', headers = {}, url = '/item' }: TestCaller = {},
) {
  const answers = [];
  for (let turn = 0; turn < count; turn++) answers.push(await app.inject({ url, headers, remoteAddress: from }));
  const refused = answers.find(({ statusCode }) => statusCode === 429);
  return { passed: answers.filter(({ statusCode }) => statusCode !== 429).length, refused };
}

test('a response that depends on more than the origin still has Origin in Vary', async () => {
  const app = await make();
  app.get('/varied', (_request, reply) => reply.header('vary', 'Accept-Encoding').send({ ok: true }));
  for (const headers of [{}, { origin: 'https://app.example' }, { origin: 'https://evil.example' }]) {
    expect((await app.inject({ url: '/varied', headers })).headers.vary).toBe('Accept-Encoding, Origin');
    expect((await app.inject({ url: '/item', headers })).headers.vary).toBe('Origin');
  }
});

describe('the rate of requests', () => {
  test('of an anonymous address is 20 a second and 100 at once, apart from other addresses', async () => {
    const app = await make();
    const { passed, refused } = await ask(app, 150);
    expect(passed).toBe(100);
    expect(refused?.json()).toMatchObject({ status: 429, code: 'RATE_LIMITED' });
    expect(refused?.headers).toMatchObject({
      'retry-after': '1',
      'content-type': 'application/problem+json; charset=utf-8',
    });
    expect((await ask(app, 1, { from: '192.0.2.8' })).passed).toBe(1);
    vi.advanceTimersByTime(1000);
    expect((await ask(app, 50)).passed).toBe(20);
  });

  test('allows a request again after Retry-After', async () => {
    const app = await make({}, { anonymousRequestsPerSecond: 1, anonymousRequestsBurst: 1 });
    const { refused } = await ask(app, 2);
    vi.advanceTimersByTime(Number(refused?.headers['retry-after']) * 1000);
    expect((await ask(app, 1)).passed).toBe(1);
  });

  test('does not apply to health checks', async () => {
    const app = await make();
    expect((await ask(app, 1000, { url: '/health/live' })).passed).toBe(1000);
    expect((await ask(app, 1000, { url: '/health/ready' })).passed).toBe(1000);
    expect((await ask(app, 101, { url: '/health/live?x=1' })).passed).toBe(100);
  });

  test('counts requests that are not found or not allowed as well', async () => {
    const app = await make();
    expect((await ask(app, 150, { url: '/nothing' })).passed).toBe(100);
  });

  test('is refused with a response that allowed pages may read', async () => {
    const app = await make();
    const { refused } = await ask(app, 101, { headers: { origin: 'https://app.example' } });
    expect(refused?.headers['access-control-allow-origin']).toBe('https://app.example');
    expect(refused?.headers['access-control-expose-headers']).toContain('Retry-After');
  });

  test('of a principal is 100 a second and 200 at once, whatever its address has used', async () => {
    const app = await make();
    const headers = { authorization: 'ann' };
    expect((await ask(app, 300, { headers })).passed).toBe(200);
    // Another address does not help; another principal, or none, at the same address is not affected.
    expect((await ask(app, 10, { headers, from: '192.0.2.8' })).passed).toBe(0);
    expect((await ask(app, 10, { headers: { authorization: 'bob' } })).passed).toBe(10);
    expect((await ask(app, 50)).passed).toBe(50);
    vi.advanceTimersByTime(1000);
    expect((await ask(app, 150, { headers })).passed).toBe(100);
  });

  test('of new streams is 20 a second and 100 at once, whether or not the stream exists', async () => {
    const app = await make();
    expect((await ask(app, 150, { url: '/item?stream=sse' })).passed).toBe(100);
    expect((await ask(app, 150, { headers: { connection: 'upgrade', upgrade: 'websocket' } })).passed).toBe(0);
    expect((await ask(app, 100)).passed).toBe(100);
    expect((await ask(app, 1, { url: '/item?stream=sse', from: '192.0.2.8' })).passed).toBe(1);
  });

  test('is limited on this machine only with rate_loopback', async () => {
    const free = await make();
    for (const from of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
      expect((await ask(free, 300, { from, headers: { authorization: 'ann' } })).passed).toBe(300);
      expect((await ask(free, 150, { from })).passed).toBe(150);
    }
    const strict = await make({ host: '127.0.0.1' }, { rateLoopback: true });
    const headers = { host: 'localhost' };
    expect((await ask(strict, 150, { from: '127.0.0.1', headers })).passed).toBe(100);
    const local = await make({ host: '127.0.0.1' });
    expect((await ask(local, 300, { from: '127.0.0.1', headers })).passed).toBe(300);
  });

  test('has no limit where it is 0', async () => {
    const app = await make({}, { anonymousRequestsPerSecond: 0, newConnectionsPerSecond: 0, requestsPerSecond: 0 });
    expect((await ask(app, 300)).passed).toBe(300);
    expect((await ask(app, 300, { url: '/item?stream=sse' })).passed).toBe(300);
    expect((await ask(app, 300, { headers: { authorization: 'ann' } })).passed).toBe(300);
  });

  test('counts the address that the connected proxy reports, only when it is trusted', async () => {
    const forwarded = (chain: string) => ({ headers: { 'x-forwarded-for': chain }, from: '192.0.2.99' });
    const direct = await make();
    expect((await ask(direct, 100, forwarded('198.51.100.1'))).passed).toBe(100);
    expect((await ask(direct, 10, forwarded('198.51.100.2'))).passed).toBe(0);
    expect((await ask(direct, 10, forwarded('127.0.0.1'))).passed).toBe(0);
    const behind = await make({ trustProxy: true });
    // Entries that the client has written itself come first.
    expect((await ask(behind, 100, forwarded('203.0.113.1, 198.51.100.1'))).passed).toBe(100);
    expect((await ask(behind, 10, forwarded('203.0.113.2, 198.51.100.1'))).passed).toBe(0);
    expect((await ask(behind, 10, forwarded('127.0.0.1, 198.51.100.1'))).passed).toBe(0);
    expect((await ask(behind, 10, forwarded('203.0.113.1, 198.51.100.2'))).passed).toBe(10);
  });
});
