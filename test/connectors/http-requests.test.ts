import type { AddressInfo } from 'node:net';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { AppAuth } from '../../src/auth/app-auth.ts';
import { ConnectionRegistry } from '../../src/auth/connections.ts';
import type { AuthConfig, ServerConfig } from '../../src/config/config.ts';
import { StartError } from '../../src/config/files/diagnostic.ts';
import type { FlowEvent, Handle } from '../../src/connectors/connector.ts';
import { CelError } from '../../src/connectors/flows/expressions/cel.ts';
import { httpConnector } from '../../src/connectors/http/connector.ts';
import { HTTP_KEYS, REQUEST_KEYS, type RequestSettings } from '../../src/connectors/http/keys.ts';
import { signHeaders } from '../../src/connectors/http/signature.ts';
import { AppError } from '../../src/errors.ts';
import { createHttpServer } from '../../src/server/http-server.ts';
import { registerNotFound } from '../../src/server/not-found.ts';
import { createLog } from '../../src/server/operations/log.ts';
import { makeFolder } from '../config/folders.ts';
import { Hs256Authenticator, signToken } from '../support/hs256-authenticator.ts';
import { SECRET } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { makeContext, SERVER_CONFIG, settingsOf, sourceOf } from './context.ts';

interface Flow extends Partial<RequestSettings> {
  readonly operation: string;
  readonly handle?: Handle;
}

let events: FlowEvent[];
beforeEach(() => {
  events = [];
});

const ECHO: Handle = async (event) => {
  events.push(event);
  return event.input;
};

async function serve(flows: readonly Flow[], { auth, config = {} }: { auth?: AppAuth; config?: object } = {}) {
  const server: ServerConfig = { ...SERVER_CONFIG, ...config };
  const { context, errors } = makeContext('http', auth, server);
  const connector = httpConnector.create(settingsOf(HTTP_KEYS), context);
  const app = await createHttpServer(server, {
    dataDir: makeFolder({}),
    lifecycle: { ready: true, stopping: false },
    log: createLog(server),
  });
  onTestFinished(() => app.close());
  app.get('/my-app/taken/:id', { constraints: { transport: 'rest' } }, () => 'taken');
  for (const { operation, handle = ECHO, ...settings } of flows) {
    connector.listen(sourceOf(operation, settingsOf<RequestSettings>(REQUEST_KEYS, settings)), handle);
  }
  await connector.register(app);
  await connector.start();
  registerNotFound(app, []);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const origin = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${origin}${path}`, init);
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: text === '' ? undefined : JSON.parse(text),
    };
  };
  return { ask, origin, connector, errors };
}

const JSON_TYPE = { 'content-type': 'application/json' };

function json(body: unknown, headers: object = {}): RequestInit {
  return { method: 'POST', headers: { ...JSON_TYPE, ...headers }, body: JSON.stringify(body) };
}

function authOf(authenticator = new Hs256Authenticator()): AppAuth {
  const config = { adminRole: 'admin' } as AuthConfig;
  const connections = new ConnectionRegistry(authenticator);
  onTestFinished(() => connections.stop());
  return { config, authenticator, connections, close: () => undefined } as unknown as AppAuth;
}

describe('a flow that begins with a request', () => {
  test('receives the members of the body and the parameters of the path, and answers with its result', async () => {
    const { ask } = await serve([{ operation: 'POST /orders/:id' }]);
    for (const path of ['/my-app/orders/7', '/orders/7']) {
      const answer = await ask(path, json({ state: 'paid' }));
      expect([answer.status, answer.body]).toEqual([200, { state: 'paid', id: '7' }]);
      expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    }
    expect(events[0]?.identity).toEqual({ type: 'anonymous' });
    expect(events[0]?.key).not.toBe(events[1]?.key);
  });

  test.each([undefined, null])('answers 202 when there is no result (%s)', async (result) => {
    const { ask } = await serve([{ operation: 'POST /orders', handle: async () => result }]);
    const { status, text } = await ask('/orders', json({}));
    expect([status, text]).toEqual([202, '']);
  });

  test('receives the configured parts of the query string and the headers', async () => {
    const { ask } = await serve([{ operation: 'GET /search', query: ['q', 'tag'], headers: ['X-Tenant', 'X-None'] }]);
    const { body } = await ask('/search?q=a&tag=x&tag=y&other=1', { headers: { 'x-tenant': 'red', 'x-other': '1' } });
    expect(body).toEqual({ q: 'a', tag: ['x', 'y'], headers: { 'x-tenant': 'red' } });
  });

  test.each([
    ['/orders/7', { id: '8' }, 'id'],
    ['/orders/7?state=paid', { state: 'open' }, 'state'],
    ['/orders/7?state=paid&state=open', { state: 'paid' }, 'state'],
    ['/orders/7', { headers: {} }, 'headers'],
    ['/orders/7?id=8', {}, 'id'],
  ])('%s does not override %j', async (path, body, field) => {
    const { ask } = await serve([{ operation: 'POST /orders/:id', query: ['state', 'id'], headers: ['x-tenant'] }]);
    const answer = await ask(path, json(body, { 'x-tenant': 'a' }));
    expect(answer).toMatchObject({ status: 400, body: { code: 'VALIDATION_ERROR', errors: [{ field }] } });
    expect(events).toEqual([]);
  });

  test('the same value twice is no contradiction', async () => {
    const { ask } = await serve([{ operation: 'POST /orders/:id' }]);
    expect((await ask('/orders/7', json({ id: 7 }))).body).toEqual({ id: 7 });
  });

  test.each([
    ['a list', 'application/json', '[1,2]', { body: [1, 2] }],
    ['a form', 'application/x-www-form-urlencoded', 'a=1&b=2&b=%C3%BC', { a: '1', b: ['2', 'ü'] }],
    ['text', 'text/plain; charset=utf-8', 'hello', { body: 'hello' }],
    ['nothing', 'text/plain', '', {}],
    [
      'a large number beside others',
      'application/json',
      '{"t":"x","n":9007199254740993}',
      { t: 'x', n: '9007199254740993' },
    ],
  ])('takes %s', async (_what, type, body, input) => {
    const { ask } = await serve([{ operation: 'POST /in' }]);
    expect((await ask('/in', { method: 'POST', headers: { 'content-type': type }, body })).body).toEqual(input);
  });

  test.each([
    [415, { 'content-type': 'application/octet-stream' }, 'x'],
    [415, { ...JSON_TYPE, 'content-encoding': 'gzip' }, '{}'],
    [400, JSON_TYPE, '{"a":'],
    [400, JSON_TYPE, ''],
    [400, JSON_TYPE, '\uFEFF{}'],
    [400, JSON_TYPE, '{"a":"\\ud800"}'],
    [400, JSON_TYPE, '['.repeat(100) + ']'.repeat(100)],
    [400, JSON_TYPE, '{"a":"\\u0000"}'],
    [400, { 'content-type': 'text/plain' }, 'a\0b'],
    [400, { 'content-type': 'text/plain' }, Buffer.from([0xff])],
    [400, { 'content-type': 'application/x-www-form-urlencoded' }, 'a=%00'],
    [400, { 'content-type': 'application/x-www-form-urlencoded' }, 'a=%FF'],
    [
      400,
      { 'content-type': 'application/x-www-form-urlencoded' },
      Array.from({ length: 2000 }, (_, i) => `f${i}=1`).join('&'),
    ],
    [413, JSON_TYPE, `"${'x'.repeat(1_048_576)}"`],
  ])('answers %i to %j', async (status, headers, body) => {
    const { ask } = await serve([{ operation: 'POST /in' }]);
    const answer = await ask('/in', { method: 'POST', headers: headers as Record<string, string>, body });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(events).toEqual([]);
  });

  test('a content type without a body is no broken body where there is never one', async () => {
    const { ask } = await serve([{ operation: 'GET /in' }, { operation: 'DELETE /in' }]);
    for (const method of ['GET', 'DELETE']) {
      expect((await ask('/in', { method, headers: JSON_TYPE })).body).toEqual({});
    }
  });

  test.each([
    ['application/json', '{"a":1,"b":2}', { sent: ['a', 'b'] }],
    ['application/json', '[1]', { sent: ['body'], whole: 'a list' }],
    ['application/json', 'null', { sent: ['body'], whole: 'null' }],
    ['application/x-www-form-urlencoded', 'a=1', { sent: ['a'] }],
    ['text/plain', 'hello', { sent: ['body'], whole: 'text' }],
    ['text/plain', '', { sent: [] }],
  ])('what was sent as %s %s is known apart from the address', async (type, body, notes) => {
    const { ask } = await serve([{ operation: 'POST /in/:id' }]);
    await ask('/in/7', { method: 'POST', headers: { 'content-type': type }, body });
    expect(events[0]?.notes).toEqual(notes);
  });

  test('a form has the replacement character where that was sent, and a sign that escapes nothing', async () => {
    const { ask } = await serve([{ operation: 'POST /in' }]);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const { body } = await ask('/in', { method: 'POST', headers, body: 'a=%EF%BF%BD&b=100%&c=\uFFFD' });
    expect(body).toEqual({ a: '\uFFFD', b: '100%', c: '\uFFFD' });
  });

  test.each(['constructor', '__proto__', 'toString'])('a header field %s is one that was not sent', async (name) => {
    const { ask } = await serve([{ operation: 'POST /in', headers: [name] }]);
    expect((await ask('/in', json({ a: 1 }))).body).toEqual({ a: 1, headers: {} });
  });

  test('sends the error to its sender', async () => {
    const handle = async () => {
      throw new AppError('VALIDATION_ERROR', 'there is no room');
    };
    const { ask } = await serve([{ operation: 'POST /notify', handle }]);
    const answer = await ask('/notify', json({}));
    expect(answer).toMatchObject({ status: 400, body: { code: 'VALIDATION_ERROR', error: 'there is no room' } });
  });

  test('a member that the flow misses is an error of the sender', async () => {
    const handle = async () => {
      throw new CelError('target: there is no room');
    };
    const { ask, errors } = await serve([{ operation: 'POST /notify', handle }]);
    const answer = await ask('/notify', json({}));
    expect(answer).toMatchObject({
      status: 400,
      body: { code: 'VALIDATION_ERROR', error: 'target: there is no room' },
    });
    expect(errors).toEqual([]);
  });

  test('an internal error is logged, and the sender only receives that the flow failed', async () => {
    const handle = async () => {
      throw new Error('webhook "x" (internal.example) answered 500');
    };
    const { ask, errors } = await serve([{ operation: 'POST /notify', handle }]);
    const answer = await ask('/notify', json({}));
    expect(answer).toMatchObject({ status: 502, body: { code: 'FLOW_FAILED' } });
    expect(answer.text).not.toContain('internal.example');
    expect(errors.map(String)).toEqual(['Error: webhook "x" (internal.example) answered 500']);
  });

  test('a key that is sent twice is the same event for its sender only', async () => {
    const auth = authOf();
    const { ask } = await serve([{ operation: 'POST /orders' }, { operation: 'POST /other' }], { auth });
    const key = { 'idempotency-key': '"k1"' };
    const ann = { ...key, authorization: `Bearer ${await signToken('ann', 60)}` };
    await ask('/orders', json({}, key));
    await ask('/orders', json({}, key));
    await ask('/orders', json({}, ann));
    await ask('/other', json({}, key));
    const [one, two, three, four] = events.map(({ key: each }) => each);
    expect(one).toBe(two);
    expect(new Set([one, three, four]).size).toBe(3);
    expect((await ask('/orders', json({}, { 'idempotency-key': 'a b' }))).status).toBe(400);
  });

  test('other methods are refused with the allowed ones', async () => {
    const { ask } = await serve([
      { operation: 'GET /orders/:id' },
      { operation: 'PUT /orders/:key' },
      { operation: 'POST /orders' },
    ]);
    const refused = await ask('/orders/1', { method: 'DELETE' });
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, PUT, HEAD, OPTIONS']);
    const options = await ask('/my-app/orders', { method: 'OPTIONS' });
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'POST, OPTIONS']);
    const head = await ask('/orders/1', { method: 'HEAD' });
    expect([head.status, head.text]).toEqual([200, '']);
    expect((await ask('/orders/1', { method: 'PUT' })).body).toEqual({ key: '1' });
    expect((await ask('/orders/1/2')).status).toBe(404);
  });

  test('pages of other origins cannot begin it, unless they are listed', async () => {
    const { ask, origin } = await serve([{ operation: 'POST /orders' }], {
      config: {
        cors: { origins: ['https://app.example'], credentials: false, allowedHeaders: [], exposedHeaders: [] },
      },
    });
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const from = (page: string) => ask('/orders', { method: 'POST', headers: { ...form, origin: page }, body: 'a=1' });
    expect(await from('https://evil.example')).toMatchObject({ status: 403, body: { code: 'FORBIDDEN_ORIGIN' } });
    expect((await from('https://app.example')).status).toBe(200);
    expect((await from(origin)).status).toBe(200);
    const preflight = { origin: 'https://app.example', 'access-control-request-method': 'POST' };
    const answer = await ask('/orders', { method: 'OPTIONS', headers: preflight });
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example');
  });

  test('access rules are asked before the body is read', async () => {
    const { ask } = await serve(
      [
        { operation: 'POST /known', access: 'authenticated' },
        { operation: 'POST /boss', access: ['boss'] },
      ],
      { auth: authOf() },
    );
    const broken = { method: 'POST', headers: JSON_TYPE, body: '{' };
    const refused = await ask('/known', broken);
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('Bearer')]);
    expect((await ask('/boss', broken)).status).toBe(401);
    const ann = { authorization: `Bearer ${await signToken('ann', 60)}` };
    expect((await ask('/boss', json({}, ann))).status).toBe(403);
    expect((await ask('/known', json({}, ann))).status).toBe(200);
    expect(events[0]?.identity).toMatchObject({ type: 'principal', sub: 'ann' });
    expect((await ask('/known', json({}, { authorization: 'Bearer nonsense' }))).status).toBe(401);
  });

  test.each(['GET /taken/:id', 'GET /taken/:other'])('%s is an error: its address is taken', async (operation) => {
    await expect(serve([{ operation }])).rejects.toThrow(StartError);
  });

  test('a signed request is accepted when the signature is right', async () => {
    const { ask } = await serve([{ operation: 'POST /in', secret: SECRET }]);
    const body = Buffer.from('{"a": 1}');
    const now = Math.floor(Date.now() / 1000);
    const send = (headers: Record<string, string>) =>
      ask('/in', { method: 'POST', headers: { ...JSON_TYPE, ...headers }, body });
    const good = signHeaders(SECRET, { id: 'm1', timestamp: now, body });
    expect((await send(good)).body).toEqual({ a: 1 });
    const rotated = { ...good, 'webhook-signature': `v1,AAAA v2,x ${good['webhook-signature']}` };
    expect((await send(rotated)).status).toBe(200);
    expect(events[0]?.key).toBe(events[1]?.key);
    const wrong = [
      {},
      { ...good, 'webhook-id': 'm2' },
      { ...good, 'webhook-timestamp': 'now' },
      { ...good, 'webhook-signature': 'v1,' },
      signHeaders(SECRET, { id: '', timestamp: now, body }),
      signHeaders(SECRET, { id: 'm1', timestamp: now - 400, body }),
      signHeaders(`${SECRET}x`, { id: 'm1', timestamp: now, body }),
      signHeaders(SECRET, { id: 'm1', timestamp: now, body: Buffer.from('{"a": 2}') }),
    ];
    for (const headers of wrong)
      expect(await send(headers)).toMatchObject({ status: 401, body: { code: 'UNAUTHORIZED' } });
    expect(events).toHaveLength(2);
  });

  test('a client that disconnects aborts its event', async () => {
    const aborted: boolean[] = [];
    const handle: Handle = ({ signal }) =>
      new Promise((_, reject) => {
        events.push({} as FlowEvent);
        signal.addEventListener('abort', () => {
          aborted.push(true);
          reject(new AppError('BAD_REQUEST', 'gone'));
        });
      });
    const { ask } = await serve([{ operation: 'POST /slow', handle }]);
    const abort = new AbortController();
    const asked = ask('/slow', { ...json({}), signal: abort.signal }).catch(() => undefined);
    await until(
      async () => events.length,
      (length) => length === 1,
    );
    abort.abort();
    await asked;
    await until(
      async () => aborted.length,
      (length) => length === 1,
    );
  });

  test('stop waits for running requests, and accepts no new ones', async () => {
    let finish = () => {};
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const handle: Handle = async (event) => {
      events.push(event);
      await gate;
      return { done: true };
    };
    const { ask, connector } = await serve([{ operation: 'POST /slow', handle }]);
    const first = ask('/slow', json({}));
    await until(
      async () => events.length,
      (length) => length === 1,
    );
    let stopped = false;
    const stop = Promise.resolve(connector.stop()).then(() => {
      stopped = true;
    });
    expect(await ask('/slow', json({}))).toMatchObject({ status: 503, body: { code: 'STOPPING' } });
    expect([stopped, connector.status()]).toEqual([false, { connections: 0 }]);
    finish();
    expect((await first).body).toEqual({ done: true });
    await stop;
    await connector.close();
  });
});
