import { connect } from 'amqplib';
import { expect, onTestFinished, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { type Broker, withBroker } from '../support/broker.ts';
import type { Json } from '../support/frames.ts';
import { ask } from '../support/http.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

/** Every member may be missing, so that nothing but the flow keeps a blank record out. */
const SCHEMA = `type M @table @export(public: [read, create, update, delete, publish]) {
  id: ID! @primaryKey
  t: String
  n: Int
}`;

const OPERATIONS = ['create', 'upsert', 'update', 'delete'] as const;
const LIMITS = 'limits: {anonymous_requests_per_second: 0, requests_per_second: 0}\n';
const JSON_TYPE = 'application/json';

interface Bad {
  readonly what: string;
  readonly type: string | undefined;
  readonly body: string | Buffer;
  readonly reason: RegExp;
}

const bad = (what: string, type: string | undefined, body: string | Buffer, reason: RegExp): Bad => {
  return { what, type, body, reason };
};

/** What no flow may store, in whichever way it comes; the reason of a dead letter or of a 400. */
const UNREAD: readonly Bad[] = [
  bad('broken JSON', JSON_TYPE, '{"id":"a","t":"broken"', /ends too early/),
  bad('no JSON', JSON_TYPE, 'not json', /Not valid JSON/),
  bad('nothing', JSON_TYPE, '', /is empty/),
  bad('a byte order mark', JSON_TYPE, '\uFEFF{"id":"a","t":"bom"}', /byte order mark/),
  bad('NUL', JSON_TYPE, '{"id":"a","t":"\\u0000"}', /NUL/),
  bad('half a character', JSON_TYPE, '{"id":"a","t":"\\ud800"}', /lone surrogates/),
  bad('bytes', JSON_TYPE, Buffer.from([0x7b, 0xff]), /not UTF-8/),
  bad('a list', JSON_TYPE, '[{"id":"a","t":"list"}]', /is a list|is missing/),
  bad('a number', JSON_TYPE, '5', /is a number|is missing/),
  bad('null', JSON_TYPE, 'null', /is null|is missing/),
  bad('text', 'text/plain', '{"id":"a","t":"text"}', /is text|is missing/),
  bad('other names', JSON_TYPE, '{"ID":"a","T":"x"}', /none of the fields of M|is missing/),
];

const SAME = { id: 'a', t: 'before', n: 1 };

async function prepare(flows: string, more = '', env = {}): Promise<TestServer> {
  const server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}${LIMITS}${more}flows:\n${flows}`, env });
  await server.put('M/a', { t: 'before', n: 1 });
  return server;
}

const records = async (server: TestServer) => (await server.ask('GET', 'M?sort=id')).records;

test('a request that a flow cannot read is 400, says why, and changes nothing', async () => {
  const flow = (operation: string) =>
    `  ${operation}:\n    from: {connector: http, operation: POST /${operation}}\n    to: {connector: table, operation: ${operation}, target: M}\n`;
  await using server = await prepare(OPERATIONS.map(flow).join(''));
  const send = (operation: string, type: string, body: string | Buffer) =>
    fetch(`${server.origin}/${operation}`, { method: 'POST', headers: { 'content-type': type }, body });
  for (const operation of OPERATIONS) {
    for (const { what, type = JSON_TYPE, body, reason } of UNREAD) {
      const answer = await send(operation, type, body);
      const problem = (await answer.json()) as Json;
      expect([operation, what, answer.status], JSON.stringify(problem)).toEqual([operation, what, 400]);
      expect(problem.error).toMatch(reason);
    }
  }
  expect(await records(server)).toEqual([SAME]);
  const large = await send('upsert', JSON_TYPE, '{"id":"b","t":"big ref","n":2,"ref":9007199254740993}');
  expect(await large.json()).toEqual({ id: 'b', t: 'big ref', n: 2 });
  const used = await send('upsert', JSON_TYPE, '{"id":"c","n":9007199254740993}');
  expect([used.status, ((await used.json()) as Json).error]).toEqual([
    400,
    expect.stringContaining('n: must be an Int: an integer'),
  ]);
  expect(await records(server)).toEqual([SAME, { id: 'b', t: 'big ref', n: 2 }]);
  const { record } = await server.ask('GET', 'flows/dead-letters');
  expect(record).toEqual({ dead_letters: [], next: null });
});

test('a message of a client that a flow cannot read is an error for the client, and changes nothing', async () => {
  const flow =
    '  say:\n    from: {connector: ws, operation: message}\n    to: {connector: table, operation: create, target: M, as: server}\n';
  await using server = await prepare(flow, 'connectors: {ws: {type: websocket}}\n');
  const client = await WsClient.open(`ws://127.0.0.1:${server.port}/ws?t=from-the-address`);
  onTestFinished(() => client[Symbol.dispose]());
  const MESSAGES = ['{"T":"x"}', '[1]', '5', '"text"', 'null', '{"t":"\\u0000"}', '{'].map(
    (data) => `{"type":"message","data":${data}}`,
  );
  for (const message of MESSAGES) {
    client.send(message);
    expect(await client.controls.next(({ type }) => type === 'error'), message).toMatchObject({
      code: expect.stringMatching(/^(?:VALIDATION_ERROR|INVALID_MESSAGE|INVALID_JSON)$/),
    });
  }
  expect(await records(server)).toEqual([SAME]);
  client.send('{"type":"message","ref":1,"data":{"id":"b","t":"big ref","ref":9007199254740993}}');
  expect(await client.controls.next(({ type }) => type === 'message')).toMatchObject({
    data: { id: 'b', t: 'big ref' },
  });
});

withBroker('with a broker', (broker) => {
  test('a message that a flow cannot read is a dead letter that says why, and the queue goes on', async () => {
    const flow = (operation: string) =>
      `  ${operation}:\n    from: {connector: rabbit, operation: ${operation}}\n    to: {connector: table, operation: ${operation}, target: M}\n`;
    const mapped = `  mapped:
    from: {connector: rabbit, operation: mapped}
    transform: {id: '"mapped"', t: 'has(input.t) ? input.t : null'}
    to: {connector: table, operation: create, target: M}
`;
    const rabbit = `connectors: {rabbit: {type: rabbitmq, url: "\${RABBIT_URL}"}}\n`;
    const flows = OPERATIONS.map(flow).join('') + mapped;
    await using server = await prepare(flows, rabbit, { RABBIT_URL: broker().url });
    const publisher = await Publisher.open(broker(), [...OPERATIONS, 'mapped']);
    for (const operation of OPERATIONS) {
      for (const { type, body } of UNREAD) await publisher.send(operation, body, type);
    }
    const unreadable = UNREAD.filter(({ type, reason }) => type === JSON_TYPE && !/is missing/.test(String(reason)));
    for (const { body } of unreadable) await publisher.send('mapped', body, JSON_TYPE);
    await publisher.send('create', '', undefined);
    await publisher.send('create', Buffer.from([0xff]), 'application/octet-stream');
    const count = OPERATIONS.length * UNREAD.length + unreadable.length + 2;
    const letters = await until(
      async () => (await server.ask('GET', 'flows/dead-letters?limit=200')).record.dead_letters as Json[],
      (found) => found.length === count,
      { timeout: 30_000, what: `${count} dead letters` },
    );
    for (const operation of OPERATIONS) {
      const errors = letters
        .filter(({ flow: name }) => name === operation)
        .map(({ error }) => String(error))
        .reverse();
      for (const [index, { what, reason }] of UNREAD.entries()) expect(errors[index], what).toMatch(reason);
    }
    expect(await records(server)).toEqual([SAME]);
    await publisher.send('create', '{"id":"b","t":"big ref","n":2,"ref":9007199254740993}', JSON_TYPE);
    await until(
      () => records(server),
      (found) => found.length === 2,
      { timeout: 10_000, what: 'the message with a large number' },
    );
    expect(await records(server)).toEqual([SAME, { id: 'b', t: 'big ref', n: 2 }]);
    // What could not be read cannot be read the next time either, whatever the flow makes of an input.
    const [unread] = letters.filter(({ flow: name }) => name === 'mapped');
    const replayed = await ask('POST', `${server.origin}/my-app/flows/dead-letters/${unread?.id}/replay`);
    expect([replayed.status, replayed.record.error]).toEqual([502, expect.stringContaining('cannot be read')]);
    expect(await records(server)).toHaveLength(2);
  }, 60_000);
});

/** Another program, with messages as they are. */
class Publisher {
  static async open({ url }: Broker, operations: readonly string[]): Promise<Publisher> {
    const connection = await connect(url);
    onTestFinished(() => connection.close());
    const channel = await connection.createConfirmChannel();
    for (const operation of operations) {
      await channel.assertQueue(`my-app.rabbit.${operation}`, { durable: true });
      await channel.bindQueue(`my-app.rabbit.${operation}`, 'amq.topic', operation);
    }
    return new Publisher(channel);
  }

  readonly #channel: Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['createConfirmChannel']>>;

  private constructor(channel: Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['createConfirmChannel']>>) {
    this.#channel = channel;
  }

  async send(operation: string, body: string | Buffer, contentType: string | undefined): Promise<void> {
    const options = contentType === undefined ? {} : { contentType };
    this.#channel.publish('amq.topic', operation, Buffer.from(body), options);
    await this.#channel.waitForConfirms();
  }
}
