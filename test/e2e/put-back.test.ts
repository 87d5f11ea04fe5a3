import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MESSAGE_SCHEMA, startServer, type TestServer } from '../support/app.ts';
import { REALTIME } from '../support/gateway-client.ts';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `${MESSAGE_SCHEMA}type Order @table @export { id: ID! @primaryKey title: String! }`;

async function write(server: TestServer, id: string): Promise<void> {
  for (const table of ['Message', 'Order']) {
    const json = table === 'Message' ? { title: id, content: id } : { title: id };
    expect((await server.ask('PUT', `${table}/${id}`, { json })).status).toBe(201);
  }
}

async function headOf(server: TestServer): Promise<string> {
  return String((await server.ask('GET', 'Message')).headers.get('x-position'));
}

/** What a stream of both tables is asked for. */
function atBoth(server: TestServer): string {
  return `${server.origin}${REALTIME}/subscribe?collection=Message&collection=Order`;
}

/** Where clients of each kind are that were told of everything up to the head. */
async function positions(server: TestServer, from: string): Promise<Record<'ws' | 'sse' | 'both', string>> {
  using ws = await WsClient.subscribe(server.wsUrl(`Message?since=${from}`));
  using sse = await SseClient.subscribe(server.url('Message'), { lastEventId: from });
  using both = await SseClient.open(atBoth(server), { lastEventId: from });
  const head = await headOf(server);
  await until(
    async () => both.lastEventId,
    (id) => id === head,
    { what: 'the position of both tables' },
  );
  return { ws: String(ws.changes.items.at(-1)?.seq), sse: sse.lastEventId, both: both.lastEventId };
}

interface Told {
  /** The reasons of its resets. */
  readonly resets: readonly unknown[];
  /** Of the records of which it was told after that, as a client keeps them. */
  readonly ids: readonly unknown[];
}

async function bySocket(server: TestServer, since: string): Promise<Told> {
  using ws = await WsClient.subscribe(server.wsUrl(`Message?since=${since}`));
  const resets = ws.controls.items.filter(({ type }) => type === 'reset');
  return { resets: resets.map(({ reason }) => reason), ids: ws.changes.items.map(({ id }) => id) };
}

async function byStream(server: TestServer, lastEventId: string): Promise<Told> {
  using sse = await SseClient.subscribe(server.url('Message'), { lastEventId });
  const records = [...sse.all('retained'), ...sse.all('update')];
  return { resets: sse.all('reset').map(({ reason }) => reason), ids: records.map(({ id }) => id) };
}

async function byStreamOfBoth(server: TestServer, lastEventId: string): Promise<Told> {
  using both = await SseClient.open(atBoth(server), { lastEventId });
  const told = () => both.all('message');
  await until(
    async () => told().filter(({ type }) => type === 'ready').length,
    (count) => count === 2,
    { what: 'both are ready' },
  );
  const resets = told().filter(({ type }) => type === 'reset');
  const records = told().filter(({ type }) => /\.(create|update|retained)$/.test(String(type)));
  const ids = records.map(({ type, data }) => `${String(type).split('.')[0]}/${(data as { id: string }).id}`);
  return { resets: resets.map(({ reason }) => reason), ids: ids.toSorted() };
}

test('after an older state was put back and written to, a client that is ahead of it is reset, and no other', {
  timeout: 60_000,
}, async () => {
  await using server = await startServer({ schema: SCHEMA });
  const [data, copy] = [join(server.dir, 'data'), join(server.dir, 'copy')];
  await write(server, 'kept');
  const kept = await headOf(server);
  await server.stop();
  await cp(data, copy, { recursive: true });

  await server.start();
  await write(server, 'lost');
  const lost = await positions(server, kept);
  await server.stop();
  await rm(data, { recursive: true });
  await cp(copy, data, { recursive: true });

  await server.start();
  await write(server, 'new');
  const head = await headOf(server);
  for (const position of Object.values(lost)) {
    expect(Number(position)).toBeGreaterThan(Number(kept));
    expect(Number(position)).toBeLessThan(Number(head));
  }
  const resets = ['position_unknown'];
  const both = ['Message/kept', 'Message/new', 'Order/kept', 'Order/new'];
  for (const _ of ['at once', 'after another restart']) {
    expect(await bySocket(server, lost.ws)).toEqual({ resets, ids: ['kept', 'new'] });
    expect(await byStream(server, lost.sse)).toEqual({ resets, ids: ['kept', 'new'] });
    expect(await byStreamOfBoth(server, lost.both)).toEqual({ resets: [...resets, ...resets], ids: both });

    expect(await bySocket(server, kept)).toEqual({ resets: [], ids: ['new'] });
    expect(await byStream(server, kept)).toEqual({ resets: [], ids: ['new'] });
    expect(await byStreamOfBoth(server, kept)).toEqual({ resets: [], ids: ['Message/new', 'Order/new'] });
    // Who was reset goes on from there as anybody.
    for (const position of Object.values(await positions(server, kept))) {
      expect(await bySocket(server, position)).toEqual({ resets: [], ids: [] });
    }
    await server.restart();
  }
});
