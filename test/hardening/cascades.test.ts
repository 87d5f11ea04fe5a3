import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { WsClient } from '../support/ws-client.ts';

const BATCH = 1000;
const OPEN = '@export(public: [read, create, update, delete, subscribe])';
const SCHEMA = `
type Node @table ${OPEN} {
  id: ID! @primaryKey
  parentId: ID
  parent: Node @relationship(from: "parentId", onDelete: CASCADE)
}
type Hub @table ${OPEN} { id: ID! @primaryKey }
type Spoke @table ${OPEN} {
  id: ID! @primaryKey
  hubId: ID!
  hub: Hub @relationship(from: "hubId", onDelete: CASCADE)
}
`;
const LIMITS = 'limits: {messages_per_second: 100000, messages_burst: 100000, anonymous_requests_per_second: 0}\n';

async function fill(server: TestServer, table: string, count: number, make: (index: number) => Json): Promise<void> {
  for (let from = 0; from < count; from += BATCH) {
    const json = Array.from({ length: Math.min(BATCH, count - from) }, (_, index) => make(from + index));
    const { status, text } = await server.ask('POST', table, { json });
    expect(status, text).toBe(201);
  }
}

const countOf = async (server: TestServer, table: string) =>
  Number((await server.ask('GET', `${table}?limit=1&count=true`)).headers.get('x-total-count'));

const chain = (index: number): Json => ({ id: `n${index}`, parentId: index === 0 ? null : `n${index - 1}` });
const spoke = (index: number): Json => ({ id: `s${index}`, hubId: 'hub' });

describe('deletions that go far', { timeout: 180_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}${LIMITS}` });
  }, 60_000);
  afterAll(() => server[Symbol.asyncDispose]());

  test('a chain of 10,000 records is deleted whole, from its head to its end', async () => {
    await fill(server, 'Node', 10_000, chain);
    using socket = await WsClient.subscribe(server.wsUrl('Node'));
    expect((await server.ask('DELETE', 'Node/n0')).status).toBe(204);
    const frames = await socket.changes.atLeast(10_000, 60_000);
    expect(new Set(frames.map(({ id }) => id)).size).toBe(10_000);
    expect(frames.every(({ message_type }) => message_type === 'Delete')).toBe(true);
    expect(await countOf(server, 'Node')).toBe(0);
  });

  test('one that is longer than `limits.cascade` is refused, and nothing of it is deleted', async () => {
    await fill(server, 'Node', 10_002, chain);
    const { status, record } = await server.ask('DELETE', 'Node/n0');
    expect([status, record.code]).toEqual([409, 'CONFLICT']);
    expect(record.detail).toContain('limits.cascade');
    expect(await countOf(server, 'Node')).toBe(10_002);
    // The end of it is short enough.
    expect((await server.ask('DELETE', 'Node/n5000')).status).toBe(204);
    expect(await countOf(server, 'Node')).toBe(5000);
  });

  test('a circle of 1,000 records is deleted by the deletion of any of them', async () => {
    const circle = (index: number): Json => ({ id: `c${index}`, parentId: `c${(index + 999) % 1000}` });
    // Keys are checked at the end of a transaction: the first record refers to the last.
    await fill(server, 'Node', 1000, circle);
    const before = await countOf(server, 'Node');
    expect((await server.ask('DELETE', 'Node/c500')).status).toBe(204);
    expect(await countOf(server, 'Node')).toBe(before - 1000);
  });
});

test('100,000 records are refused by the default limit, and deleted whole by a larger one', {
  timeout: 180_000,
}, async () => {
  await using server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}${LIMITS}` });
  await server.ask('PUT', 'Hub/hub', { json: {} });
  await fill(server, 'Spoke', 100_000, spoke);
  expect((await server.ask('DELETE', 'Hub/hub')).status).toBe(409);
  expect(await countOf(server, 'Spoke')).toBe(100_000);
  const larger = LIMITS.replace('limits: {', 'limits: {cascade: 200000, ');
  await server.stop();
  await writeFile(join(server.dir, 'config.yaml'), `${BASE_CONFIG}${larger}`);
  await server.start();
  expect((await server.ask('DELETE', 'Hub/hub')).status).toBe(204);
  expect(await countOf(server, 'Spoke')).toBe(0);
});
