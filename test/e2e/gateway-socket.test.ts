import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SERVER_KEYS } from '../../src/config/keys/keys.ts';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { GatewayClient, POSTS_SCHEMA, REALTIME } from '../support/gateway-client.ts';
import { ask } from '../support/http.ts';
import { RawWs } from '../support/raw-ws.ts';
import { meanwhile, until } from '../support/wait.ts';

const EVENT_SCHEMA = {
  type: 'object',
  required: ['type', 'timestamp', 'data', 'seq'],
  properties: {
    type: { enum: ['posts.create', 'posts.update', 'posts.delete'] },
    timestamp: {
      type: 'string',
      format: 'date-time',
      pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$',
    },
    data: { type: 'object' },
    seq: { type: 'integer' },
  },
  additionalProperties: false,
};

function start(config = ''): Promise<TestServer> {
  return startServer({ schema: POSTS_SCHEMA, config: BASE_CONFIG + config });
}

function open(server: TestServer): Promise<GatewayClient> {
  return GatewayClient.open(`${server.origin.replace('http', 'ws')}${REALTIME}/ws`);
}

/** Every write before this has been sent to whoever is subscribed to posts when `fence` has come. */
async function fence(server: TestServer, client: GatewayClient, name = 'fence'): Promise<void> {
  await server.put(`posts/${name}`, { title: name });
  await client.messages.next(({ data }) => (data as { id?: unknown } | undefined)?.id === name);
}

describe('events', { timeout: 120_000 }, () => {
  test('are type, timestamp and data, with a seq to resume from', async () => {
    await using server = await start();
    using client = await open(server);
    await client.subscribe('posts');
    await server.ask('POST', 'posts', { json: { id: 'a', title: 'New' } });
    await server.ask('PATCH', 'posts/a', { json: { title: 'Newer' } });
    await server.ask('DELETE', 'posts/a');
    const ajv = new Ajv({ strict: false });
    (addFormats as unknown as (ajv: Ajv) => void)(ajv);
    const validate = ajv.compile(EVENT_SCHEMA);
    for (const operation of ['create', 'update', 'delete']) {
      const event = await client.event();
      expect(event.type).toBe(`posts.${operation}`);
      expect(validate(event), JSON.stringify(validate.errors)).toBe(true);
      expect(Date.parse(String(event.timestamp))).toBe(Math.trunc(Number(event.seq) / 1000));
    }
  });

  test('have the full record after the operation, and of a delete its id', async () => {
    await using server = await start();
    using client = await open(server);
    await client.subscribe('posts');
    await server.ask('POST', 'posts', { json: { id: 'a', title: 'New' } });
    const created = await server.ask('GET', 'posts/a');
    expect((await client.event('posts.create')).data).toEqual(created.record);
    expect(created.record).toMatchObject({ status: 'draft', price: null, created_at: expect.any(String) });
    await server.ask('PATCH', 'posts/a', { json: { price: 7 } });
    expect((await client.event('posts.update')).data).toEqual((await server.ask('GET', 'posts/a')).record);
    await server.ask('DELETE', 'posts/a');
    expect((await client.event('posts.delete')).data).toEqual({ id: 'a' });
  });

  test('come one for each record of a batch', async () => {
    await using server = await start();
    using client = await open(server);
    await client.subscribe('posts');
    await server.ask('POST', 'posts', { json: ['a', 'b', 'c'].map((id) => ({ id, title: id })) });
    await fence(server, client);
    const created = client.events
      .filter(({ type }) => type === 'posts.create')
      .map(({ data }) => (data as { id: string }).id);
    expect(created).toEqual(['a', 'b', 'c', 'fence']);
  });

  test('what is published does not come: it is no record', async () => {
    const schema =
      'type posts @table @export(public: [read, create, update, subscribe, publish]) { id: ID! @primaryKey title: String }';
    await using server = await startServer({ schema });
    using client = await open(server);
    await client.subscribe('posts');
    expect((await server.ask('POST', 'posts/a?publish=true', { json: { typing: true } })).status).toBe(202);
    await fence(server, client);
    expect(client.events).toHaveLength(1);
  });
});

describe('the socket', { timeout: 120_000 }, () => {
  test('is opened with a token in the URL, below the application and, with one of them, without it', async () => {
    await using server = await start();
    for (const path of ['', '/my-app']) {
      using client = await GatewayClient.open(`${server.origin.replace('http', 'ws')}${path}${REALTIME}/ws?token=abc`);
      expect(await client.ask({ action: 'ping' })).toEqual({ type: 'pong' });
    }
    using raw = await RawWs.open(server.port, `${REALTIME}/ws?colection=posts`);
    expect([raw.answer.status, raw.answer.body]).toEqual([400, expect.stringContaining('INVALID_QUERY')]);
    expect((await ask('GET', `${server.origin}${REALTIME}/ws`)).status).toBe(426);
  });

  test('answers a subscribe with a confirmation, before the first event', async () => {
    await using server = await start();
    using client = await open(server);
    const operations = ['create', 'update', 'delete'];
    expect(await client.subscribe('posts', { operations })).toEqual({
      status: 'subscribed',
      type: 'subscribed',
      collection: 'posts',
    });
    expect(await client.subscribe('comments')).toEqual({
      status: 'subscribed',
      type: 'subscribed',
      collection: 'comments',
    });
    await server.put('comments/c', { text: 'one' });
    await server.ask('DELETE', 'comments/c');
    await server.put('posts/a', { title: 'one' });
    await client.event('posts.create');
    expect(client.events.map(({ type }) => type)).toEqual(['comments.create', 'comments.delete', 'posts.create']);
  });

  test('delivers only what was subscribed to', async () => {
    await using server = await start();
    using client = await open(server);
    await client.subscribe('posts', { operations: ['create'] });
    await server.put('comments/c', { text: 'not asked for' });
    await server.put('posts/a', { title: 'one' });
    await server.put('posts/a', { title: 'two' });
    await server.ask('DELETE', 'posts/a');
    await fence(server, client);
    await client.settle();
    expect(client.events.map(({ type, data }) => [type, (data as { title: string }).title])).toEqual([
      ['posts.create', 'one'],
      ['posts.create', 'fence'],
    ]);
  });

  test('delivers nothing after an unsubscribe', async () => {
    await using server = await start();
    using client = await open(server);
    using other = await open(server);
    await client.subscribe('posts');
    await other.subscribe('posts');
    await server.put('posts/a', { title: 'one' });
    await client.event();
    const gone = { status: 'unsubscribed', type: 'unsubscribed', collection: 'posts' };
    expect(await client.ask({ action: 'unsubscribe', collection: 'posts' })).toEqual(gone);
    await fence(server, other);
    await client.settle();
    expect(client.events).toHaveLength(1);
    expect(await client.ask({ action: 'unsubscribe', collection: 'posts' })).toEqual(gone);
  });

  test('answers a ping', async () => {
    await using server = await start();
    using client = await open(server);
    expect(await client.ask({ action: 'ping' })).toEqual({ type: 'pong' });
  });

  test('sends heartbeats on every connection, also under traffic, every 30 s unless configured', async () => {
    expect(SERVER_KEYS.channels.heartbeatInterval.default).toBe('30s');
    await using server = await start('channels:\n  heartbeat_interval: 1s\n');
    using idle = await open(server);
    using busy = await open(server);
    await busy.subscribe('posts');
    const beats = (client: GatewayClient) => client.messages.items.filter(({ type }) => type === 'heartbeat');
    for (let n = 0; beats(idle).length < 3 || beats(busy).length < 3; n++) {
      expect(n, 'writes until the third heartbeat').toBeLessThan(10_000);
      await server.put('posts/a', { title: String(n) });
    }
    for (const client of [idle, busy]) {
      const times = beats(client).map(({ timestamp }) => Date.parse(String(timestamp)));
      for (const [n, time] of times.entries()) if (n > 0) expect(time - (times[n - 1] as number)).toBeGreaterThan(500);
      expect(beats(client)[0]).toEqual({ type: 'heartbeat', timestamp: new Date(times[0] as number).toISOString() });
    }
  });

  test('takes 100 subscriptions; the next is refused until there is a place, a repeated one is none', async () => {
    const names = Array.from({ length: 101 }, (_, n) => `t${n}`);
    const schema = names.map((name) => `type ${name} @table @export { id: ID! @primaryKey n: Int }`).join('\n');
    await using server = await startServer({ schema });
    using client = await open(server);
    // In one go, as a client that comes back does.
    for (const collection of names) client.send({ action: 'subscribe', collection });
    for (const collection of names.slice(0, 100)) {
      expect(await client.answer()).toEqual({ status: 'subscribed', type: 'subscribed', collection });
    }
    expect(await client.answer()).toEqual({ error: 'Max subscriptions reached (100)', type: 'error' });
    for (const name of names) await server.put(`${name}/a`, { n: 1 });
    await client.event('t99.create');
    await client.settle();
    expect(client.events).toHaveLength(100);
    const again = { status: 'subscribed', type: 'subscribed', collection: 't5' };
    expect(await client.subscribe('t5', { operations: ['delete'] })).toEqual(again);
    expect(await client.subscribe('t100')).toHaveProperty('error');
    await client.ask({ action: 'unsubscribe', collection: 't7' });
    expect(await client.subscribe('t100')).toEqual({ status: 'subscribed', type: 'subscribed', collection: 't100' });
    await server.put('t5/b', { n: 1 });
    await server.put('t100/b', { n: 1 });
    await client.event('t100.create');
    expect(client.events).toHaveLength(101);
  });

  test('one that takes the place of another goes on where that one was', async () => {
    await using server = await start();
    using client = await open(server);
    await client.subscribe('posts', { operations: ['create'] });
    await server.put('posts/a', { title: 'one' });
    await server.put('posts/a', { title: 'before' });
    await client.event('posts.create');
    await client.subscribe('posts', { operations: ['update'] });
    await server.put('posts/a', { title: 'after' });
    expect((await client.event()).data).toMatchObject({ title: 'after' });
    // Written while the subscription is exchanged all the time, no change is lost or told twice.
    await client.subscribe('posts');
    const writes = meanwhile(() =>
      Promise.all(Array.from({ length: 60 }, (_, n) => server.put(`posts/r${n}`, { title: 'r' }))),
    );
    for (let n = 0; n < 40; n++) client.send({ action: 'subscribe', collection: 'posts' });
    await writes;
    await fence(server, client);
    const created = client.events
      .filter(({ type }) => type === 'posts.create')
      .map(({ data }) => (data as { id: string }).id);
    const late = created.filter((id) => id.startsWith('r'));
    expect(late.toSorted()).toEqual(Array.from({ length: 60 }, (_, n) => `r${n}`).toSorted());
    const seqs = client.events.map(({ seq }) => Number(seq));
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
  });

  test('errors say what is wrong and leave the socket open', async () => {
    const schema = `${POSTS_SCHEMA}
type Secret @table @export(name: "secrets", public: []) { id: ID! @primaryKey }
type Quiet @table @export(name: "quiet", ws: false) { id: ID! @primaryKey }`;
    await using server = await startServer({ schema });
    using client = await open(server);
    const cases: [sent: string | object, answer: object][] = [
      ['{', { error: 'Invalid JSON', type: 'error' }],
      ['', { error: 'Invalid JSON', type: 'error' }],
      ['[]', { error: 'Unknown action', type: 'error' }],
      [{ action: 'dance' }, { error: 'Unknown action', type: 'error' }],
      [{}, { error: 'Unknown action', type: 'error' }],
      [{ action: 'subscribe' }, { error: 'Missing collection', type: 'error' }],
      [{ action: 'unsubscribe' }, { error: 'Missing collection', type: 'error' }],
      [
        { action: 'subscribe', collection: 7, id: 1 },
        { error: 'Missing collection', type: 'error', id: 1 },
      ],
      [
        { action: 'subscribe', collection: 'nope' },
        { error: 'Unknown collection', type: 'error', collection: 'nope' },
      ],
      [
        { action: 'subscribe', collection: 'quiet' },
        { error: 'Unknown collection', type: 'error', collection: 'quiet' },
      ],
      [
        { action: 'subscribe', collection: 'secrets' },
        { error: 'Forbidden', type: 'error', collection: 'secrets' },
      ],
      [
        { action: 'subscribe', collection: 'posts', operations: ['create', 'read'] },
        { error: 'Invalid operations', type: 'error' },
      ],
      [
        { action: 'subscribe', collection: 'posts', operations: [] },
        { error: 'Invalid operations', type: 'error' },
      ],
      [
        { action: 'subscribe', collection: 'posts', operations: 'create' },
        { error: 'Invalid operations', type: 'error' },
      ],
      [
        { action: 'auth', token: 'x' },
        { error: 'Authentication is not configured', type: 'error' },
      ],
    ];
    for (const [sent, answer] of cases) expect(await client.ask(sent as string), JSON.stringify(sent)).toEqual(answer);
    expect(await client.subscribe('posts')).toEqual({ status: 'subscribed', type: 'subscribed', collection: 'posts' });
    using second = await open(server);
    expect(await second.ask(Buffer.from('{"action":"ping"}'))).toEqual({ error: 'Invalid JSON', type: 'error' });
    const coded: [sent: object, code: string, error: RegExp][] = [
      [{ filter: 'prise==1' }, 'INVALID_QUERY', /did you mean "price"/],
      [{ filter: 7 }, 'INVALID_MESSAGE', /filter must be a string/],
      [{ select: 'nope' }, 'INVALID_QUERY', /nope/],
      [{ since: 'yesterday' }, 'INVALID_POSITION', /seq/],
      [{ since: true }, 'INVALID_MESSAGE', /since/],
      [{ retained: 'yes' }, 'INVALID_MESSAGE', /retained must be true or false/],
      [{ operation: ['create'] }, 'INVALID_MESSAGE', /subscribe has no property "operation"/],
    ];
    for (const [more, code, error] of coded) {
      const answer = await second.subscribe('posts', { id: 'mine', ...more });
      expect(answer).toEqual({
        type: 'error',
        error: expect.stringMatching(error),
        code,
        collection: 'posts',
        id: 'mine',
      });
    }
    expect(await second.subscribe('posts', { id: {} })).toMatchObject({ code: 'INVALID_MESSAGE' });
    expect(await second.subscribe('posts', { id: 'x'.repeat(129) })).toMatchObject({ code: 'INVALID_MESSAGE' });
    await server.put('posts/a', { title: 'still open' });
    await client.event('posts.create');
    await second.settle();
    expect(second.events).toEqual([]);
  });

  test('two subscriptions on one collection live beside each other, each with its id', async () => {
    await using server = await start();
    using client = await open(server);
    const cheap = { id: 'cheap', filter: 'price=lt=10', select: 'price' };
    expect(await client.subscribe('posts', cheap)).toEqual({
      status: 'subscribed',
      type: 'subscribed',
      collection: 'posts',
      id: 'cheap',
    });
    expect(await client.subscribe('posts', { id: 2, filter: 'price=ge=10&title==A*' })).toMatchObject({ id: 2 });
    await server.put('posts/a', { title: 'A', price: 5 });
    await server.put('posts/b', { title: 'B', price: 50 });
    await server.put('posts/a', { title: 'A', price: 15 });
    await server.put('posts/a', { title: 'C', price: 15 });
    const expected = [
      { type: 'posts.create', id: 'cheap', data: { id: 'a', price: 5 } },
      { type: 'posts.delete', id: 'cheap', data: { id: 'a' }, reason: 'filter' },
      { type: 'posts.update', id: 2, data: { title: 'A', price: 15 } },
      { type: 'posts.delete', id: 2, data: { id: 'a' }, reason: 'filter' },
    ];
    await client.messages.next(({ id, reason }) => id === 2 && reason === 'filter');
    expect(client.events).toHaveLength(4);
    for (const event of expected)
      expect(client.events).toContainEqual(
        expect.objectContaining({ ...event, data: expect.objectContaining(event.data) }),
      );
    expect(await client.ask({ action: 'unsubscribe', collection: 'posts', id: 2 })).toMatchObject({ id: 2 });
    await server.put('posts/c', { title: 'A', price: 10 });
    await server.put('posts/d', { title: 'A', price: 1 });
    await client.event('posts.create');
    expect(client.events).toHaveLength(5);
  });

  test('since goes on after a position, retained sends what is stored, and both are told where they stand', async () => {
    await using server = await start();
    await server.put('posts/a', { title: 'a' });
    await server.put('posts/b', { title: 'b' });
    const position = Number((await server.ask('GET', 'posts')).headers.get('x-position'));
    await server.put('posts/c', { title: 'c' });
    using client = await open(server);
    client.send({ action: 'subscribe', collection: 'posts', id: 'resumed', since: position });
    client.send({ action: 'subscribe', collection: 'posts', id: 'whole', retained: true });
    client.send({ action: 'subscribe', collection: 'posts', id: 'lost', since: 1 });
    for (const id of ['resumed', 'whole', 'lost'])
      await client.messages.next((it) => it.type === 'ready' && it.id === id);
    const told = (name: string) =>
      client.messages.items
        .filter(({ id }) => id === name)
        .map(({ status, type, data, reason }) =>
          [status ?? type, (data as { id: string } | undefined)?.id ?? reason].filter(Boolean).join(' '),
        );
    const whole = ['posts.retained a', 'posts.retained b', 'posts.retained c', 'ready'];
    expect(told('resumed')).toEqual(['subscribed', 'posts.create c', 'ready']);
    expect(told('whole')).toEqual(['subscribed', ...whole]);
    expect(told('lost')).toEqual(['subscribed', 'reset position_trimmed', ...whole]);
    const ready = client.messages.items.find(({ type, id }) => type === 'ready' && id === 'whole');
    expect(ready).toEqual({ type: 'ready', collection: 'posts', id: 'whole', seq: expect.any(Number) });
    // The plain client of the guide is never told of positions.
    using plain = await open(server);
    await plain.subscribe('posts');
    await fence(server, plain);
    await plain.settle();
    expect(plain.messages.items.map(({ status, type }) => status ?? type)).toEqual([
      'subscribed',
      'posts.create',
      'pong',
    ]);
  });
});

describe('the server', { timeout: 120_000 }, () => {
  test('with several applications has the protocol at each of them, and says so elsewhere', async () => {
    const root = await mkdtemp(join(tmpdir(), 'tablecast-e2e-'));
    const files = {
      'config.yaml': 'port: 0\nhost: 127.0.0.1\n',
      'one/schema.graphql': POSTS_SCHEMA,
      'two/schema.graphql': POSTS_SCHEMA,
      'two/config.yaml': 'realtime: {path: /live}\n',
    };
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
    }
    onTestFinished(() => rm(root, { recursive: true, force: true }));
    await using server = await startServer({ dir: root });
    using raw = await RawWs.open(server.port, '/live/ws');
    expect([raw.answer.status, raw.answer.body]).toEqual([404, expect.stringContaining('/two/live/ws')]);
    for (const path of [`/one${REALTIME}`, REALTIME, '/two/live', '/two/_/realtime']) {
      using client = await GatewayClient.open(`${server.origin.replace('http', 'ws')}${path}/ws`);
      expect(await client.subscribe('posts')).toMatchObject({ status: 'subscribed' });
    }
  });

  test('has no such address where it is switched off', async () => {
    await using server = await start('realtime:\n  enabled: false\n');
    using raw = await RawWs.open(server.port, `${REALTIME}/ws`);
    expect(raw.answer.status).toBe(404);
    expect((await ask('GET', `${server.origin}/my-app${REALTIME}/subscribe`)).status).toBe(404);
  });

  test('counts connections and subscriptions, and closes with 1001 when it stops', async () => {
    const server = await start('limits:\n  connections: 2\n');
    try {
      using client = await open(server);
      await client.subscribe('posts');
      await client.subscribe('comments');
      expect(await server.metric(/^tablecast_connections\{transport="gateway"\}/)).toBe(1);
      expect(await server.metric(/^tablecast_subscriptions/)).toBe(2);
      const gone = await open(server);
      using raw = await RawWs.open(server.port, `${REALTIME}/ws`);
      expect([raw.answer.status, raw.answer.body]).toEqual([503, expect.stringContaining('OVERLOADED')]);
      await gone.subscribe('posts');
      gone.socket.terminate();
      await until(
        () => server.metric(/^tablecast_subscriptions/),
        (count) => count === 2,
      );
      await until(
        () => server.metric(/^tablecast_connections\{transport="gateway"\}/),
        (count) => count === 1,
      );
      await server.stop();
      expect(await client.closed).toEqual({ code: 1001, reason: 'the server stops' });
    } finally {
      await server.discard();
    }
  });
});
