import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { V1Client } from '../support/v1-client.ts';
import { WsClient } from '../support/ws-client.ts';

const MOST = 1000;
const SCHEMA = `
type Entry @table @export(public: [read, create, update, delete, subscribe]) {
  id: ID! @primaryKey
  n: Int! @default(value: 0) @constraint(max: ${MOST})
  afterId: ID
  after: Entry @relationship(from: "afterId", onDelete: RESTRICT)
}`;

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: BASE_CONFIG });
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

const countOf = async () => Number((await server.ask('GET', 'Entry?limit=1&count=true')).headers.get('x-total-count'));
const transact = (steps: readonly Json[]) => server.ask('POST', '_/transaction', { json: { steps } });
/** Each refers to the one before it, which an earlier step of the same transaction makes. */
const chain = (prefix: string, count: number): Json[] =>
  Array.from({ length: count }, (_, index) => ({
    op: 'create',
    table: 'Entry',
    data: { id: `${prefix}${index}`, ...(index === 0 ? {} : { afterId: `${prefix}${index - 1}` }) },
  }));

describe('a transaction of the largest size', { timeout: 60_000 }, () => {
  test('is done whole, and subscribers receive all of it under one mark', async () => {
    using socket = await WsClient.subscribe(server.wsUrl('Entry'));
    const { status, text } = await transact(chain('a', MOST));
    expect(status, text).toBe(200);
    const frames = (await socket.changes.atLeast(MOST, 30_000)).map((frame): Json => ({ ...frame }));
    expect(new Set(frames.map(({ tx }) => tx)).size).toBe(1);
    expect(frames.map(({ more }) => more === true)).toEqual(frames.map((_, index) => index < MOST - 1));
    expect(await countOf()).toBe(MOST);
  });

  test('changes nothing when its last step is refused', async () => {
    const before = await countOf();
    const steps = [...chain('b', MOST - 1), { op: 'patch', table: 'Entry', id: 'b0', data: { n: MOST + 1 } }];
    const { status, record } = await transact(steps);
    expect([status, record.code]).toEqual([400, 'VALIDATION_ERROR']);
    expect(await countOf()).toBe(before);
  });

  test('increments one record by each of its steps', async () => {
    await server.put('Entry/sum', {});
    const one = { op: 'patch', table: 'Entry', id: 'sum', data: { n: { $inc: 1 } } };
    expect((await transact(Array.from({ length: MOST }, () => one))).status).toBe(200);
    expect((await server.ask('GET', 'Entry/sum')).record.n).toBe(MOST);
  });

  test('is refused with one step more, by every door', async () => {
    const before = await countOf();
    const steps = chain('c', MOST + 1);
    expect((await transact(steps)).record).toMatchObject({ code: 'BAD_REQUEST' });
    using client = await V1Client.open(server.url('').replace(/\/$/, ''));
    client.send({ type: 'transaction', ref: 1, steps });
    const answer = await client.messages.next(({ ref }) => ref === 1);
    expect(answer).toMatchObject({ type: 'error' });
    expect(await countOf()).toBe(before);
  });
});
