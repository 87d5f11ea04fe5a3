import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { GatewayClient, REALTIME } from '../support/gateway-client.ts';
import { SseClient } from '../support/sse-client.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `
type Note @table @export(name: "notes") {
  id: ID! @primaryKey
  room: String @indexed
  rank: Int
  text: String
}
`;
const QUERY = 'room==r&sort=-rank&limit=3';

interface Item {
  readonly id: unknown;
  readonly record: Json;
}

/** Applies a frame as PROTOCOL.md §4.8 says. */
function apply(
  items: readonly Item[],
  type: string,
  { id, record, at }: Item & { readonly at?: unknown },
): readonly Item[] {
  const rest = items.filter((item) => item.id !== id);
  if (type === 'Delete') return rest;
  return rest.toSpliced(typeof at === 'number' ? at : rest.length, 0, { id, record });
}

describe('live windows', { timeout: 120_000 }, () => {
  test('are the list after every change, over WebSocket, event stream and multiplexed connection', async () => {
    await using server = await startServer({ schema: SCHEMA });
    for (let n = 0; n < 8; n++) await server.put(`notes/${n}`, { room: 'r', rank: n % 4, text: `t${n}` });
    using ws = await WsClient.subscribe(server.wsUrl(`notes?${QUERY}`));
    using cbor = await WsClient.subscribe(server.wsUrl(`notes?${QUERY}&delta=true`));
    await using sse = await SseClient.subscribe(server.url(`notes?${QUERY}`));
    using gateway = await GatewayClient.open(`${server.origin.replace('http', 'ws')}${REALTIME}/ws`);
    gateway.send({ action: 'subscribe', collection: 'notes', filter: 'room==r', sort: '-rank', limit: 3 });
    await gateway.messages.next((message) => message.type === 'ready');

    const writes = [
      () => server.put('notes/8', { room: 'r', rank: 9, text: 'first' }),
      () => server.ask('PATCH', 'notes/8', { json: { rank: 2 } }),
      () => server.ask('DELETE', 'notes/3'),
      () => server.ask('PATCH', 'notes/7', { json: { room: 'other' } }),
      () => server.ask('PATCH', 'notes/2', { json: { text: 'changed' } }),
      () => server.ask('PATCH', 'notes?room==r', { json: { rank: 1 } }),
      () => server.put('notes/a', { room: 'r', rank: 5, text: 'last' }),
    ];
    for (const write of writes) await write();
    await ws.next((frame) => frame.id === 'a');
    await cbor.next((frame) => frame.id === 'a');
    await gateway.messages.next((message) => (message.data as Json | undefined)?.id === 'a');
    const list = (await server.ask('GET', `notes?${QUERY}`)).records;

    for (const client of [ws, cbor]) {
      let items: readonly Item[] = [];
      for (const frame of client.changes.items as unknown as readonly Json[]) {
        const before = items.find(({ id }) => id === frame.id)?.record;
        const record = frame.changed === undefined ? (frame.data as Json) : { ...before, ...(frame.data as Json) };
        items = apply(items, String(frame.message_type), { id: frame.id, record, at: frame.at });
      }
      expect(items.map(({ record }) => record)).toEqual(list);
    }
    let items: readonly Item[] = [];
    for (const { type = '', data, at } of gateway.events as readonly (Json & { type?: string })[]) {
      const record = data as Json;
      items = apply(items, type === 'notes.delete' ? 'Delete' : 'Update', { id: record.id, record, at });
    }
    expect(items.map(({ record }) => record)).toEqual(list);

    await sse.next('update');
    await expect.poll(() => foldEvents(sse)).toEqual(list);
  });

  test('are resumed by an event stream after the last whole change', async () => {
    await using server = await startServer({ schema: SCHEMA });
    for (let n = 0; n < 4; n++) await server.put(`notes/${n}`, { room: 'r', rank: n, text: '' });
    const url = server.url(`notes?${QUERY}`);
    await using first = await SseClient.subscribe(url);
    await server.put('notes/9', { room: 'r', rank: 9, text: '' });
    const gone = await first.next('delete');
    const update = await first.next('update');
    expect(gone.id).toBeUndefined();
    expect(update.json).toEqual({ id: '9', room: 'r', rank: 9, text: '', $at: 0 });
    await server.ask('DELETE', 'notes/9');
    await using second = await SseClient.subscribe(url, { headers: { 'last-event-id': String(update.id) } });
    expect(second.all('retained')).toEqual([]);
    expect(second.all('delete')).toEqual([{ id: '9' }]);
    expect(second.all('update')).toEqual([{ id: '1', room: 'r', rank: 1, text: '', $at: 2 }]);
  });

  test('that no index serves are refused on a large table before the stream begins', async () => {
    await using server = await startServer({
      schema: SCHEMA,
      config: `${BASE_CONFIG}limits:\n  scan: 3\n  window: 50\n`,
    });
    for (let n = 0; n < 4; n++) await server.put(`notes/${n}`, { room: 'r', rank: n, text: '' });
    const stream = { headers: { accept: 'text/event-stream' } };
    const refused = await server.ask('GET', 'notes?sort=rank&limit=2', stream);
    expect([refused.status, refused.record.code]).toEqual([400, 'SCAN_TOO_LARGE']);
    const far = await server.ask('GET', 'notes?offset=49&limit=2', stream);
    expect([far.status, far.record.code]).toEqual([400, 'INVALID_QUERY']);
    await using indexed = await SseClient.subscribe(server.url('notes?room==r&sort=rank&limit=2'));
    expect(indexed.all('retained')).toHaveLength(2);
  });

  test('take no list of operations on a multiplexed connection', async () => {
    await using server = await startServer({ schema: SCHEMA });
    using gateway = await GatewayClient.open(`${server.origin.replace('http', 'ws')}${REALTIME}/ws`);
    const refused = await gateway.ask({ action: 'subscribe', collection: 'notes', limit: 3, operations: ['create'] });
    expect(refused).toMatchObject({ type: 'error', code: 'INVALID_MESSAGE', collection: 'notes' });
    const answer = await fetch(`${server.origin}${REALTIME}/subscribe?collection=notes&limit=3&operations=create`);
    expect([answer.status, ((await answer.json()) as Json).code]).toEqual([400, 'INVALID_QUERY']);
  });
});

function foldEvents(sse: SseClient): readonly Json[] {
  let items: readonly Item[] = [];
  for (const { event, data } of sse.events.items) {
    if (!['retained', 'update', 'delete'].includes(event)) continue;
    const json = JSON.parse(data) as Json;
    const { $at: at, ...record } = json;
    items = apply(items, event === 'delete' ? 'Delete' : 'Update', { id: json.id, record, at });
  }
  return items.map(({ record }) => record);
}
