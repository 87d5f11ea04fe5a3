import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { ask } from '../support/http.ts';
import { V1_KINDS, V1Client, type V1Options } from '../support/v1-client.ts';

const SCHEMA = `type Message @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  title: String
}`;
const MANY = 2000;
const LIMITS = `limits: {subscriptions: ${MANY}, message: 64KiB, messages_per_second: 20000, messages_burst: 20000, waiting_messages: 20000}\n`;

describe('protocol v1 under attack', { timeout: 180_000 }, () => {
  let server: TestServer;
  let base = '';
  beforeAll(async () => {
    server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}sse: true\n${LIMITS}` });
    base = `${server.origin}/my-app`;
  }, 120_000);
  afterAll(() => server?.[Symbol.asyncDispose]());
  afterEach(async () => {
    // The server still works for another client, and has reported no fault of its own.
    using other = await V1Client.open(base);
    expect(await other.write('alive', { op: 'put', table: 'Message', key: 'alive', data: {} })).toMatchObject({
      type: 'ack',
    });
    expect(server.stderr).toBe('');
  });

  async function open(options: V1Options = {}): Promise<V1Client> {
    const client = await V1Client.open(base, options);
    onTestFinished(() => client[Symbol.dispose]());
    return client;
  }

  const codeOf = ({ problem }: Json) => (problem as Json | undefined)?.code;
  const error = async (client: V1Client) => codeOf(await client.messages.next(({ type }) => type === 'error'));

  const GARBAGE = {
    json: [
      '',
      'not json',
      '{"type":',
      '[1,2',
      `${'['.repeat(20_000)}`,
      '{"type":"ping","type":"ping"}x',
      '\u0000',
      'null',
      '"ping"',
      '7',
    ],
    // Cut short, of indefinite length, an array of 2^32 items, a tag, a key that is no text, reserved, nested too deeply.
    cbor: [
      '',
      'a1',
      'bf6474797065',
      '9affffffff00',
      'c074',
      'a10102',
      '1c',
      'ff',
      '5bffffffffffffffff',
      '81'.repeat(5000),
    ],
    msgpack: [
      '',
      '81',
      'ddffffffff00',
      'c1',
      '810102',
      'd9',
      'c7ff01',
      'dfffffffff',
      'c6ffffffff00',
      '91'.repeat(5000),
    ],
  } as const;

  test.each(['json', 'cbor', 'msgpack'] as const)('garbage in %s is refused message by message', async (kind) => {
    const client = await open({ kind });
    for (const garbage of GARBAGE[kind]) {
      client.sendRaw(kind === 'json' ? garbage : Buffer.from(garbage, 'hex'));
      expect(await error(client), garbage.slice(0, 20)).toMatch(
        /^(INVALID_JSON|INVALID_CONTENT|INVALID_MESSAGE|TOO_DEEP)$/,
      );
    }
    await client.settle();
    // The other kind of frame.
    client.sendRaw(kind === 'json' ? Buffer.from('{"type":"ping"}') : '{"type":"ping"}');
    expect(await error(client)).toBe('INVALID_MESSAGE');
    // More than 20 within ten seconds are too many.
    for (let count = 0; count < 30; count++) client.sendRaw(kind === 'json' ? 'x' : Buffer.from([0xff]));
    expect(await client.ended).toMatch(/^1008/);
  });

  test('garbage in the requests of an event stream is refused with the status of its kind', async () => {
    const client = await open({ kind: 'sse' });
    const url = new URL(String(client.hello.post), `${base}/_/live`).href;
    const post = async (body: string | Buffer, type = 'application/json') =>
      (await ask('POST', url, { body, headers: { 'content-type': type } })).status;
    expect(await post('{"type":')).toBe(400);
    expect(await post('[]')).toBe(400);
    expect(await post(Buffer.from('a1', 'hex'), 'application/cbor')).toBe(400);
    expect(await post('x', 'text/plain')).toBe(415);
    expect(await post(`"${'x'.repeat(20_000_000)}"`)).toBe(413);
    expect((await ask('POST', `${base}/_/live/none`, { json: { type: 'ping' } })).status).toBe(404);
    expect(await post('7')).toBe(202);
    expect(await error(client)).toBe('INVALID_MESSAGE');
    client[Symbol.dispose]();
    for (let tries = 0; tries < 200 && (await post('{"type":"ping"}')) !== 404; tries++)
      await new Promise(setImmediate);
    expect(await post('{"type":"ping"}')).toBe(404);
  });

  test.each(V1_KINDS)('members that make no sense are errors over %s, with the id or the ref', async (kind) => {
    const client = await open({ kind });
    const long = 'i'.repeat(129);
    const wrong: readonly (readonly [Json, Json, string])[] = [
      [{ type: 'credit', id: 1, frames: -1 }, { id: 1 }, 'INVALID_MESSAGE'],
      [{ type: 'credit', id: 1, bytes: 1.5 }, { id: 1 }, 'INVALID_MESSAGE'],
      [{ type: 'credit', id: 1, frames: 2 ** 53 }, { id: 1 }, 'INVALID_MESSAGE'],
      [{ type: 'credit', id: 1, frames: '5' }, { id: 1 }, 'INVALID_MESSAGE'],
      [{ type: 'subscribe', id: 2, query: 'Message', credit: { frames: -5 } }, { id: 2 }, 'INVALID_MESSAGE'],
      [{ type: 'subscribe', id: 2, query: 'Message', credit: [] }, { id: 2 }, 'INVALID_MESSAGE'],
      [{ type: 'subscribe', id: 2, query: 'Message', since: 5 }, { id: 2 }, 'INVALID_MESSAGE'],
      [{ type: 'subscribe', id: 2, query: 'Message', since: '-1' }, { id: 2 }, 'INVALID_POSITION'],
      [{ type: 'subscribe', id: 2, query: 'Message?title=x&'.repeat(2000) }, { id: 2 }, 'INVALID_QUERY'],
      [{ type: 'subscribe', id: 2, query: '../../etc/passwd' }, { id: 2 }, 'INVALID_MESSAGE'],
      [{ type: 'subscribe', id: long, query: 'Message' }, {}, 'INVALID_MESSAGE'],
      [{ type: 'subscribe', id: 1.5, query: 'Message' }, {}, 'INVALID_MESSAGE'],
      [{ type: 'unsubscribe' }, {}, 'INVALID_MESSAGE'],
      [{ type: '__proto__', ref: 'p' }, { ref: 'p' }, 'INVALID_MESSAGE'],
      [{ type: 'write', ref: 'w', op: 'constructor', table: 'Message' }, { ref: 'w' }, 'INVALID_MESSAGE'],
      [{ type: 'write', ref: 'w', op: 'put', table: 'constructor', data: {} }, { ref: 'w' }, 'NOT_FOUND'],
      [{ type: 'transaction', ref: 't', steps: Array(2000).fill({}) }, { ref: 't' }, 'BAD_REQUEST'],
    ];
    for (const [message, about, code] of wrong) {
      client.send(message);
      const answer = await client.messages.next(({ type }) => type === 'error');
      expect([answer.id, answer.ref, codeOf(answer)], JSON.stringify(message).slice(0, 80)).toEqual([
        about.id,
        about.ref,
        code,
      ]);
    }
    await client.settle();
  });

  test.each(V1_KINDS)('ids that are unknown, used twice or given up are no harm over %s', async (kind) => {
    const client = await open({ kind });
    client.send({ type: 'credit', id: 'none', frames: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER });
    client.send({ type: 'unsubscribe', id: 'none' });
    expect(await client.next({ type: 'unsubscribed' })).toEqual({ type: 'unsubscribed', id: 'none' });
    await client.subscribe(1, 'Message', { credit: { frames: Number.MAX_SAFE_INTEGER } });
    for (let count = 0; count < 5; count++) {
      client.send({ type: 'credit', id: 1, frames: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER });
      await client.subscribe(1, 'Message', { snapshot: false });
    }
    await client.write('w', { op: 'put', table: 'Message', key: `ids-${kind}`, data: { title: kind } });
    await client.settle();
    expect(client.of(1).filter(({ id }) => id === `ids-${kind}`)).toHaveLength(1);
    client.send({ type: 'unsubscribe', id: 1 }, { type: 'unsubscribe', id: 1 });
    await client.settle();
    await client.write('v', { op: 'put', table: 'Message', key: `ids-${kind}`, data: { title: 'again' } });
    await client.settle();
    expect(client.of(1).filter(({ id }) => id === `ids-${kind}`)).toHaveLength(1);
  });

  test(`${MANY} subscriptions of a connection receive a change in one message, and one more is refused`, async () => {
    const client = await open();
    const memory = () => server.metric(/^process_resident_memory_bytes/);
    const before = await memory();
    for (let id = 0; id < MANY; id++) client.send({ type: 'subscribe', id, query: 'Message/many', snapshot: false });
    await client.messages.next(({ type, s }) => type === 'ready' && (s as number[])[0] === MANY - 1, 120_000);
    client.send({ type: 'subscribe', id: 'more', query: 'Message' });
    expect(await error(client)).toBe('INVALID_MESSAGE');
    await client.write('w', { op: 'put', table: 'Message', key: 'many', data: { title: 'x'.repeat(10_000) } });
    const told = new Set<unknown>();
    while (told.size < MANY) {
      const { s } = await client.messages.next(({ type, id }) => type === 'update' && id === 'many', 60_000);
      for (const id of s as unknown[]) told.add(id);
    }
    // Each costs some kilobytes, and until memory is collected its own copy of what was sent.
    expect((await memory()) - before).toBeLessThan(MANY * 40_000);
    for (let id = 0; id < MANY; id++) client.send({ type: 'unsubscribe', id });
    await client.settle();
    await client.subscribe('more', 'Message', { snapshot: false });
  });

  test.each(['json', 'cbor'] as const)('a message that is too large closes with 1009 (%s)', async (kind) => {
    const client = await open({ kind });
    client.sendRaw(kind === 'json' ? 'x'.repeat(100_000) : Buffer.alloc(100_000));
    expect(await client.ended).toMatch(/^1009/);
  });

  test('a flood is closed with 1008, and what comes after the end is not heard', async () => {
    await using strict = await startServer({ schema: SCHEMA, config: BASE_CONFIG });
    using client = await V1Client.open(`${strict.origin}/my-app`);
    for (let count = 0; count < 5000; count++) client.sendRaw('{"type":"ping"}');
    expect(await client.ended).toMatch(/^1008/);
    client.sendRaw('{"type":"write","op":"put","table":"Message","key":"late","data":{}}');
    expect((await strict.ask('GET', 'Message/late')).status).toBe(404);
  });

  test.each([['tablecast.v2.json'], ['tablecast.json'], ['tablecast.v1.xml', 'soap'], ['TABLECAST.V1.JSON']])(
    'the subprotocol %s is refused in the handshake',
    async (...offers) => {
      const status = await new Promise((resolve, reject) => {
        const socket = new WebSocket(`${base.replace('http', 'ws')}/_/live`, offers);
        socket.on('error', reject);
        socket.once('unexpected-response', (request, response) => {
          request.destroy();
          resolve(response.statusCode);
        });
        socket.once('open', () => reject(new Error('it was opened')));
      });
      expect(status).toBe(400);
    },
  );

  test('messages of any shape get an answer or an error, and never end the server', async () => {
    const value = fc.oneof(
      fc.constantFrom<unknown>(null, true, 0, -1, 1e300, '', 'Message', 'put', 'patch', '1', [], {}, { $ref: 'a' }),
      fc.jsonValue({ maxDepth: 2 }),
    );
    const members = [
      'id',
      'query',
      'since',
      'snapshot',
      'credit',
      'ref',
      'op',
      'table',
      'key',
      'data',
      'steps',
      'token',
    ];
    const message = fc.record(
      {
        type: fc.constantFrom('subscribe', 'unsubscribe', 'credit', 'write', 'transaction', 'auth', 'ping', 'join'),
        ...Object.fromEntries(members.map((name) => [name, value])),
      },
      { requiredKeys: ['type'] },
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...V1_KINDS), fc.array(message, { maxLength: 15 }), async (kind, messages) => {
        using client = await V1Client.open(base, { kind });
        for (const one of messages) client.send(one as Json);
        await client.settle();
        for (const answer of client.messages.items) expect(codeOf(answer)).not.toBe('INTERNAL');
      }),
      { numRuns: 60 },
    );
  });
});
