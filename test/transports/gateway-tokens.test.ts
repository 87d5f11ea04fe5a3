import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConnectionRegistry } from '../../src/auth/connections.ts';
import { SERVER } from '../../src/auth/identity.ts';
import { openApplication } from '../../src/boot/application.ts';
import { describeMetrics } from '../../src/boot/metrics.ts';
import { loadProject } from '../../src/boot/project.ts';
import { createHttpServer } from '../../src/server/http-server.ts';
import { Admission } from '../../src/server/limits/admission.ts';
import { registerNotFound } from '../../src/server/not-found.ts';
import { registerMetrics } from '../../src/server/operations/metrics.ts';
import { Gateway } from '../../src/transports/multiplex/multiplex.ts';
import { GatewayClient, POSTS_SCHEMA, REALTIME } from '../support/gateway-client.ts';
import { Hs256Authenticator, signToken } from '../support/hs256-authenticator.ts';
import { ask } from '../support/http.ts';
import { SseClient } from '../support/sse-client.ts';

const CONFIG =
  'app_id: my-app\nport: 0\nlogging: {level: debug, requests: true}\nchannels: {heartbeat_interval: 300ms}\n';

/** The server's own parts, put together as it does, with an authenticator. */
async function openServer(authenticator: Hs256Authenticator) {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-tokens-'));
  writeFileSync(join(dir, 'schema.graphql'), POSTS_SCHEMA);
  writeFileSync(join(dir, 'config.yaml'), CONFIG);
  const { server: config, apps } = loadProject(dir, {});
  const [{ config: app, plan } = { config: undefined, plan: undefined }] = apps;
  if (app === undefined) throw new Error('there is no application');
  mkdirSync(app.dataDir, { recursive: true });
  const logged: string[] = [];
  const sink = new Writable({
    write: (line: Buffer, _encoding, done) => {
      logged.push(line.toString());
      done();
    },
  });
  const log = pino({ level: 'debug' }, sink);
  const faults: unknown[] = [];
  const onError = (error: unknown) => void faults.push(error);
  const server = await createHttpServer(config, {
    dataDir: app.dataDir,
    lifecycle: { ready: true, stopping: false },
    log,
  });
  const application = await openApplication({ app, server: config, plan, allowDestructive: false, onError });
  const gateway = new Gateway({
    config,
    admission: new Admission({ ...config.limits, connections: 100 }),
    showsDetails: true,
    onError,
  });
  const connections = new ConnectionRegistry(authenticator);
  const auth = { authenticator, connections };
  await gateway.register(server, [
    { config: app, ...application, hasShortAddress: () => true, hooks: undefined, auth },
  ]);
  registerMetrics(
    server,
    describeMetrics({ transports: [gateway], opened: [{ application, flows: undefined }] }),
    true,
  );
  registerNotFound(server, []);
  await server.listen({ host: '127.0.0.1', port: 0 });
  const origin = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
  const close = async () => {
    gateway.stop();
    connections.stop();
    server.server.closeAllConnections();
    await server.close();
    await application.close();
    rmSync(dir, { recursive: true, force: true });
  };
  const write = (title: string) => application.resources.get('posts')?.put(SERVER, 'a', { title });
  return {
    origin,
    ws: `${origin.replace('http', 'ws')}${REALTIME}/ws`,
    sse: `${origin}${REALTIME}/subscribe`,
    write,
    logged,
    faults,
    close,
  };
}

const authenticator = new Hs256Authenticator();
let server: Awaited<ReturnType<typeof openServer>>;

beforeAll(async () => {
  server = await openServer(authenticator);
});

afterAll(() => server.close());

describe('a token', { timeout: 30_000 }, () => {
  test('is taken from the URL, the header and the subprotocol, which is given back', async () => {
    const token = await signToken('ann', 600);
    const authorization = `Bearer ${token}`;
    const ways = [
      [`?token=${token}`, {}],
      ['', { headers: { authorization } }],
      ['', { protocols: [token] }],
      ['', { protocols: ['chat', token] }],
      ['', { protocols: [`bearer.${token}`] }],
    ] as const;
    for (const [query, options] of ways) {
      using client = await GatewayClient.open(server.ws + query, {
        ...options,
        protocols: [...('protocols' in options ? options.protocols : [])],
      });
      expect(client.socket.protocol).toBe('protocols' in options ? options.protocols[0] : '');
      expect(await client.subscribe('posts')).toEqual({
        status: 'subscribed',
        type: 'subscribed',
        collection: 'posts',
      });
    }
    for (const [query, headers] of [
      [`?token=${token}&collection=posts`, {}],
      ['', { authorization }],
    ] as const) {
      using stream = await SseClient.open(server.sse + query, { headers });
      expect(stream.status).toBe(200);
      await server.write(`by ${query}`);
      while ((await stream.next('message')).json.type === 'heartbeat');
    }
  });

  test('may be a ticket, once', async () => {
    authenticator.tickets.add('t1').add('t2');
    using client = await GatewayClient.open(`${server.ws}?ticket=t1`);
    expect(await client.subscribe('posts')).toHaveProperty('status');
    using again = await GatewayClient.open(`${server.ws}?ticket=t1`);
    expect(await again.closed).toEqual({ code: 1008, reason: 'Authentication failed' });
    using stream = await SseClient.open(`${server.sse}?ticket=t2`);
    expect(stream.status).toBe(200);
    expect((await ask('GET', `${server.sse}?ticket=t2`)).status).toBe(401);
  });

  test('that is missing or bad closes the socket and refuses the stream, without any event', async () => {
    const good = await signToken('ann', 600);
    const bad = {
      'of another secret': await signToken('ann', 600, new TextEncoder().encode('another secret of thirty-two bytes')),
      expired: await signToken('ann', -10),
      'no JWT': 'abc',
      'cut short': good.slice(0, -4),
      'without an algorithm': `${Buffer.from('{"alg":"none"}').toString('base64url')}.${good.split('.')[1]}.`,
    };
    const tokens = [
      ['', 'Missing token'],
      ...Object.values(bad).map((token) => [`?token=${token}`, 'Authentication failed']),
    ];
    for (const [query, reason] of tokens as [string, string][]) {
      using client = await GatewayClient.open(server.ws + query);
      client.send({ action: 'subscribe', collection: 'posts' });
      await server.write('not for them');
      expect(await client.closed).toEqual({ code: 1008, reason });
      expect(client.messages.items).toEqual([]);
      const answer = await ask('GET', server.sse + query, { headers: { accept: 'text/event-stream' } });
      expect([answer.status, answer.record.code, answer.record.detail]).toEqual([401, 'UNAUTHORIZED', reason]);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    }
  });

  test('that expires ends socket and stream, after a warning and within a second', async () => {
    const token = await signToken('ann', 3);
    const { exp } = JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString()) as { exp: number };
    using client = await GatewayClient.open(`${server.ws}?token=${token}`);
    await client.subscribe('posts');
    using stream = await SseClient.open(`${server.sse}?collection=posts&token=${token}`);
    const warning = { type: 'token_expiring', expires_at: new Date(exp * 1000).toISOString() };
    expect(await client.messages.next(({ type }) => type === 'token_expiring')).toEqual(warning);
    expect(await client.closed).toEqual({ code: 1008, reason: 'Token expired' });
    const late = Date.now() - exp * 1000;
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(2000);
    const { data } = await stream.next('error');
    expect(JSON.parse(data)).toEqual({ error: 'Token expired', type: 'error' });
    await stream.ended;
    await server.write('too late');
    expect([client.events, stream.all('message').filter((it) => 'data' in it)]).toEqual([[], []]);
  });

  test('can be exchanged for a newer one of the same subject', async () => {
    using client = await GatewayClient.open(`${server.ws}?token=${await signToken('ann', 2)}`);
    await client.subscribe('posts');
    await client.messages.next(({ type }) => type === 'token_expiring');
    // What is asked for meanwhile waits, and is done in its order.
    client.send({ action: 'auth', token: await signToken('ann', 600) });
    client.send({ action: 'subscribe', collection: 'comments' });
    expect(await client.answer()).toEqual({
      status: 'authenticated',
      type: 'authenticated',
      expires_at: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect(await client.answer()).toEqual({ status: 'subscribed', type: 'subscribed', collection: 'comments' });
    const failed = { error: 'Authentication failed', type: 'error', code: 'UNAUTHORIZED' };
    expect(await client.ask({ action: 'auth', token: 'bad' })).toEqual(failed);
    expect(await client.ask({ action: 'auth' })).toEqual({ error: 'Missing token', type: 'error' });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await server.write('still there');
    expect((await client.event()).data).toMatchObject({ title: 'still there' });
  });

  test('of another subject closes the connection', async () => {
    using client = await GatewayClient.open(`${server.ws}?token=${await signToken('ann', 600)}`);
    client.send({ action: 'auth', token: await signToken('bob', 600) });
    expect(await client.closed).toEqual({ code: 1008, reason: 'Authentication failed' });
  });

  test('whose subject is disabled ends open connections', async () => {
    const token = await signToken('eve', 600);
    using client = await GatewayClient.open(`${server.ws}?token=${token}`);
    await client.subscribe('posts');
    using stream = await SseClient.open(`${server.sse}?token=${token}`);
    authenticator.disable('eve');
    expect(await client.closed).toEqual({ code: 1008, reason: 'Authentication failed' });
    expect(JSON.parse((await stream.next('error')).data)).toEqual({ error: 'Authentication failed', type: 'error' });
    using again = await GatewayClient.open(`${server.ws}?token=${token}`);
    expect(await again.closed).toMatchObject({ code: 1008 });
  });

  test('is in no log line, no metric and no answer', async () => {
    const secret = 'eySECRETxyz.payload.signature';
    const answers = [
      await ask('GET', `${server.sse}?token=${secret}`),
      await ask('GET', `${server.sse}?token=${secret}&x=1`),
    ];
    answers.push(
      await ask('GET', `${server.origin}/nothing?token=${secret}`),
      await ask('GET', `${server.origin}/metrics`),
    );
    using client = await GatewayClient.open(`${server.ws}?token=${secret}`);
    await client.closed;
    using open = await GatewayClient.open(`${server.ws}?token=${await signToken('ann', 600)}`);
    expect(JSON.stringify(await open.ask({ action: 'auth', token: secret }))).not.toContain('SECRET');
    expect(answers.map(({ text }) => text).join()).not.toContain('SECRET');
    expect(server.logged.length).toBeGreaterThan(5);
    expect(server.logged.join()).not.toMatch(/SECRET|token=|eyJ/);
    expect(server.faults).toEqual([]);
  });
});
