import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { SECRET } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const SCHEMA = `type Out @table @export { id: ID! @primaryKey v: Int }
type Log @table @export { id: ID! @primaryKey v: Int }
`;

const CONFIG = `${BASE_CONFIG}connectors:
  hooks: {type: http, url: "\${HOOK_URL:-http://127.0.0.1:9}", allow_private: true}
flows:
  store:
    from: {connector: http, operation: "POST /x/:room", query: q, headers: x-attempt}
    transform: {v: input.n}
    to: {connector: table, operation: create, target: Out}
  log:
    from: {connector: http, operation: "POST /x/:room", query: q, headers: x-attempt}
    transform: {v: input.n}
    to: {connector: table, operation: create, target: Log}
  pass:
    from: {connector: http, operation: POST /pass}
    to: {connector: hooks, operation: POST}
  signed:
    from: {connector: http, operation: POST /signed, secret: ${SECRET}}
    transform: {v: input.n}
    to: {connector: table, operation: create, target: Out}
`;

interface Sent {
  readonly n: unknown;
  readonly path?: string;
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function send(server: TestServer, { n, path = '/x/red', key = 'kk', headers = {} }: Sent) {
  const all = { 'content-type': 'application/json', 'idempotency-key': key, ...headers };
  const answer = await fetch(server.origin + path, { method: 'POST', headers: all, body: JSON.stringify({ n }) });
  const text = await answer.text();
  const body = text === '' ? {} : JSON.parse(text);
  return { status: answer.status, code: body.code as unknown, id: body.id as unknown, headers: answer.headers };
}

const count = async (server: TestServer, table: string) => (await server.ask('GET', table)).records.length;
const REUSED = { status: 422, code: 'IDEMPOTENCY_KEY_REUSED' };

test('one Idempotency-Key is one request: the same again gives the same, another one is 422 and does nothing', async () => {
  await using server = await startServer({ schema: SCHEMA, config: CONFIG });
  const first = await send(server, { n: 5 });
  expect(first.status).toBe(200);
  const counts = async () => [await count(server, 'Out'), await count(server, 'Log')];
  for (const round of ['now', 'after kill -9']) {
    expect(await send(server, { n: 6 }), round).toMatchObject(REUSED);
    expect(await send(server, { n: 5, path: '/x/blue' }), round).toMatchObject(REUSED);
    expect(await send(server, { n: 5, path: '/x/red?q=1' }), round).toMatchObject(REUSED);
    // The other address of the same flow, a parameter that the flow does not see, and what differs with each attempt.
    for (const path of ['/my-app/x/red', '/x/red?other=1']) {
      expect(await send(server, { n: 5, path, headers: { 'x-attempt': round } })).toMatchObject({
        status: 200,
        id: first.id,
      });
    }
    expect(await counts(), round).toEqual([1, 1]);
    await server.kill();
    await server.restart();
  }
  const { record } = await server.ask('GET', 'flows/dead-letters');
  expect(record).toEqual({ dead_letters: [], next: null });
  expect(await send(server, { n: 5, key: 'another' })).toMatchObject({ status: 200 });
  expect(await counts()).toEqual([2, 2]);
});

test('a refused request leaves the key free', async () => {
  await using server = await startServer({ schema: SCHEMA, config: CONFIG.replace(/ {2}log:\n(?: {4}.*\n)+/, '') });
  expect(await send(server, { n: 'x' })).toMatchObject({ status: 400 });
  expect(await send(server, { n: 1 })).toMatchObject({ status: 200 });
  expect(await send(server, { n: 2 })).toMatchObject(REUSED);
});

test('while the first is at work, the same request is 409 and another one 422, whatever the target is', async () => {
  const waiting: ServerResponse[] = [];
  const hooks = createServer((_request, response) => void waiting.push(response)).listen(0, '127.0.0.1');
  await once(hooks, 'listening');
  onTestFinished(() => void hooks.close());
  const HOOK_URL = `http://127.0.0.1:${(hooks.address() as AddressInfo).port}/`;
  await using server = await startServer({ schema: SCHEMA, config: CONFIG, env: { HOOK_URL } });
  const path = '/pass';
  const first = send(server, { n: 1, path });
  await until(
    async () => waiting.length,
    (length) => length === 1,
  );
  const busy = await send(server, { n: 1, path });
  expect([busy, busy.headers.get('retry-after')]).toMatchObject([
    { status: 409, code: 'IDEMPOTENCY_IN_PROGRESS' },
    '1',
  ]);
  expect(await send(server, { n: 2, path })).toMatchObject(REUSED);
  waiting[0]?.writeHead(204).end();
  expect((await first).status).toBe(202);
  expect(await send(server, { n: 2, path })).toMatchObject(REUSED);
  expect(waiting).toHaveLength(1);
});

test('a webhook-id stays that of its first message: its sender sends the same message again', async () => {
  await using server = await startServer({ schema: SCHEMA, config: CONFIG });
  const sign = (body: string) => {
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signature = createHmac('sha256', SECRET).update(`m1.${timestamp}.${body}`).digest('base64');
    return { 'webhook-id': 'm1', 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
  };
  const sent = (n: number) => send(server, { n, path: '/signed', headers: sign(JSON.stringify({ n })) });
  const first = await sent(1);
  expect(await sent(2)).toMatchObject({ status: 200, id: first.id });
  expect(await count(server, 'Out')).toBe(1);
});
