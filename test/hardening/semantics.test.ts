import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { ChangeFrame, Json } from '../support/frames.ts';
import { SseClient } from '../support/sse-client.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = 'type Item @table @export { id: ID! @primaryKey n: Int! who: String mail: String @unique }';
const start = (config = ''): Promise<TestServer> => startServer({ schema: SCHEMA, config: BASE_CONFIG + config });

/** Many clients, each with its own requests one after another. */
async function inParallel(clients: number, work: (client: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: clients }, (_, client) => work(client)));
}

const seqOf = (etag: string | null): number => Number(/^"(\d+)"$/.exec(etag ?? '')?.[1]);

describe('order', { timeout: 120_000 }, () => {
  test('is the same for every subscriber on every transport, and is that of the seqs of the answers', async () => {
    await using server = await start();
    using first = await WsClient.subscribe(server.wsUrl('Item'));
    using second = await WsClient.subscribe(server.wsUrl('Item'));
    using stream = await SseClient.subscribe(server.url('Item?stream=sse'));
    const acknowledged: number[] = [];
    await inParallel(16, async (client) => {
      for (let n = 0; n < 25; n++) {
        const answer = await server.put(`Item/k${(client + n) % 5}`, { n, who: `${client}.${n}` });
        acknowledged.push(seqOf(answer.headers.get('etag')));
      }
    });
    const expected = [...acknowledged].sort((a, b) => a - b);
    expect(new Set(expected).size).toBe(400);
    for (const socket of [first, second]) {
      const frames = await socket.changes.atLeast(400);
      expect(frames.map(({ seq }) => seq)).toEqual(expected);
    }
    await stream.events.next(({ id }) => id === String(expected.at(-1)));
    const updates = stream.events.items.filter(({ event }) => event === 'update');
    expect(updates.map(({ id }) => Number(id))).toEqual(expected);
    expect(first.texts.filter((text) => text.includes('message_type'))).toEqual(
      second.texts.filter((text) => text.includes('message_type')),
    );
  });

  test('a record that is read back after an event is at least as new as the event', async () => {
    await using server = await start();
    using events = await WsClient.subscribe(server.wsUrl('Item'));
    const writing = inParallel(4, async (client) => {
      for (let n = 0; n < 50; n++) await server.put('Item/a', { n, who: String(client) });
    });
    for (let count = 0; count < 100; count++) {
      const { seq } = await events.next();
      const read = await server.ask('GET', 'Item/a');
      expect(seqOf(read.headers.get('etag'))).toBeGreaterThanOrEqual(seq);
    }
    await writing;
  });
});

/** The state that a client folds from what it is told. */
function fold(state: Map<string, Json>, frames: readonly ChangeFrame[]): Map<string, Json> {
  for (const { message_type, id, data } of frames) {
    if (message_type === 'Delete') state.delete(String(id));
    else if (message_type !== 'Publish') state.set(String(id), data);
  }
  return state;
}

async function stored(server: TestServer): Promise<Map<string, Json>> {
  const { records } = await server.ask('GET', 'Item?limit=1000');
  return new Map(records.map((record) => [String(record.id), record]));
}

/** Creates, replaces, merges and deletes at random (from a seed), until it is told to stop; gives how many. */
async function writeAtRandom(server: TestServer, count: number, seed: number): Promise<void> {
  let state = seed;
  const next = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  for (let n = 0; n < count; n++) {
    const path = `Item/k${next(12)}`;
    const kind = next(4);
    if (kind === 0) await server.ask('DELETE', path);
    else if (kind === 1) await server.ask('PATCH', path, { json: { n } });
    else await server.ask('PUT', path, { json: { n, who: `w${seed}` } });
  }
}

describe('state and stream', { timeout: 120_000 }, () => {
  test('a list and the stream from its X-Position make the state, with no gap and nothing twice, 100 times', async () => {
    await using server = await start();
    const writing = inParallel(3, (client) => writeAtRandom(server, 250, client + 1));
    const joined: { socket: WsClient; state: Map<string, Json>; position: number }[] = [];
    for (let count = 0; count < 100; count++) {
      const list = await server.ask('GET', 'Item?limit=1000');
      const position = Number(list.headers.get('x-position'));
      const socket = await WsClient.open(server.wsUrl(`Item?since=${position}`));
      joined.push({ socket, position, state: new Map(list.records.map((record) => [String(record.id), record])) });
    }
    await writing;
    const fence = seqOf((await server.put('Item/fence', { n: 0 })).headers.get('etag'));
    const truth = await stored(server);
    for (const { socket, state, position } of joined) {
      await socket.next(({ seq }) => seq === fence);
      const seqs = socket.changes.items.map(({ seq }) => seq);
      expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
      expect(seqs[0]).toBeGreaterThan(position);
      expect(fold(state, socket.changes.items)).toEqual(truth);
      socket.terminate();
    }
  });

  test('Retained and what follows make the state, and nothing stored is older than what was told', async () => {
    await using server = await start();
    const writing = inParallel(3, (client) => writeAtRandom(server, 250, client + 11));
    const sockets: WsClient[] = [];
    for (let count = 0; count < 60; count++) {
      const path = count % 2 === 0 ? 'Item?retained=true' : `Item/k${count % 12}`;
      sockets.push(await WsClient.open(server.wsUrl(path)));
    }
    await writing;
    const truth = await stored(server);
    const head = Number((await server.ask('GET', 'Item')).headers.get('x-position'));
    for (const [index, socket] of sockets.entries()) {
      const ready = await socket.ready();
      expect(ready.seq).toBeLessThanOrEqual(head);
      const frames = socket.changes.items;
      const live = frames.findIndex(({ op }) => op !== 'retained');
      const later = live < 0 ? [] : frames.slice(live);
      expect(later.every(({ op }) => op !== 'retained')).toBe(true);
      const told = later.map(({ seq }) => seq);
      expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
      for (const { id, seq } of frames.slice(0, live < 0 ? undefined : live)) {
        expect(later.find((frame) => frame.id === id)?.seq ?? Number.POSITIVE_INFINITY).toBeGreaterThan(seq);
      }
      const state = fold(new Map(), frames);
      if (index % 2 === 0) expect(state).toEqual(truth);
      else expect(state.get(`k${index % 12}`)).toEqual(truth.get(`k${index % 12}`));
      socket.terminate();
    }
  });

  test('with a since that can be resumed nothing is retained', async () => {
    await using server = await start();
    const first = seqOf((await server.put('Item/a', { n: 1 })).headers.get('etag'));
    const second = seqOf((await server.put('Item/a', { n: 2 })).headers.get('etag'));
    using socket = await WsClient.subscribe(server.wsUrl(`Item/a?since=${first}&retained=true`));
    expect(socket.changes.items.map(({ op, seq }) => [op, seq])).toEqual([['update', second]]);
  });
});

describe('writes of what is there and what is not', { timeout: 120_000 }, () => {
  const absent = { status: 404, events: [] };
  const TABLE: readonly [
    method: string,
    exists: boolean,
    headers: Record<string, string>,
    status: number,
    op: string,
  ][] = [
    ['PUT', false, {}, 201, 'create'],
    ['PUT', true, {}, 200, 'update'],
    ['POST', false, {}, 201, 'create'],
    ['POST', true, {}, 409, ''],
    ['PATCH', false, {}, absent.status, ''],
    ['PATCH', true, {}, 200, 'update'],
    ['DELETE', false, {}, absent.status, ''],
    ['DELETE', true, {}, 204, 'delete'],
    ['PUT', false, { 'if-none-match': '*' }, 201, 'create'],
    ['PUT', true, { 'if-none-match': '*' }, 412, ''],
    ['PUT', false, { 'if-match': '*' }, 412, ''],
    ['PUT', true, { 'if-match': '*' }, 200, 'update'],
    ['PATCH', true, { 'if-match': '"1"' }, 412, ''],
    ['PATCH', false, { 'if-match': '*' }, 412, ''],
    ['DELETE', true, { 'if-match': '"1"' }, 412, ''],
    ['DELETE', true, { 'if-match': 'W/"1"' }, 412, ''],
    ['PUT', true, { 'if-match': '"1"', 'if-none-match': '*' }, 400, ''],
  ];

  test('have their status, and an event exactly when something changed', async () => {
    await using server = await start();
    using events = await WsClient.subscribe(server.wsUrl('Item'));
    for (const [row, [method, exists, headers, status, op]] of TABLE.entries()) {
      const id = `row-${row}`;
      if (exists) await server.put(`Item/${id}`, { n: 1 });
      const json = method === 'POST' ? { id, n: 2 } : { n: 2 };
      const path = method === 'POST' ? 'Item' : `Item/${id}`;
      const answer = await server.ask(method, path, { headers, ...(method === 'DELETE' ? {} : { json }) });
      expect(answer.status, `${method} ${exists} ${JSON.stringify(headers)}`).toBe(status);
      const fence = await server.put('Item/fence', { n: row });
      await events.next(({ seq }) => seq === seqOf(fence.headers.get('etag')));
      const told = events.changes.items.filter((frame) => frame.id === id).map((frame) => frame.op);
      expect(told, `${method} ${exists}`).toEqual([...(exists ? ['create'] : []), ...(op === '' ? [] : [op])]);
    }
  });

  test('an equal PUT and an equal PATCH cause no frame, nor does a refused write', async () => {
    await using server = await start();
    await server.put('Item/a', { n: 1, mail: 'x' });
    const before = (await server.ask('GET', 'Item')).headers.get('x-position');
    using events = await WsClient.subscribe(server.wsUrl('Item'));
    expect((await server.ask('PUT', 'Item/a', { json: { n: 1, mail: 'x' } })).status).toBe(200);
    expect((await server.ask('PATCH', 'Item/a', { json: { n: 1 } })).status).toBe(200);
    expect((await server.ask('PATCH', 'Item/a', { json: {} })).status).toBe(200);
    expect((await server.ask('PUT', 'Item/b', { json: { n: 1, mail: 'x' } })).status).toBe(409);
    expect((await server.ask('PUT', 'Item/b', { json: { n: 'x' } })).status).toBe(400);
    expect((await server.ask('GET', 'Item')).headers.get('x-position')).toBe(before);
    await server.put('Item/fence', { n: 1 });
    expect((await events.next()).id).toBe('fence');
  });

  test('50 clients that increment with If-Match lose nothing', async () => {
    await using server = await start();
    await server.put('Item/counter', { n: 0 });
    await inParallel(50, async () => {
      for (let attempt = 0; attempt < 500; attempt++) {
        const read = await server.ask('GET', 'Item/counter');
        const headers = { 'if-match': read.headers.get('etag') ?? '' };
        const answer = await server.ask('PATCH', 'Item/counter', { json: { n: Number(read.record.n) + 1 }, headers });
        if (answer.status === 200) return;
        expect(answer.status).toBe(412);
      }
      throw new Error('it never got through');
    });
    expect((await server.ask('GET', 'Item/counter')).record.n).toBe(50);
  });
});

describe('arrays', { timeout: 120_000 }, () => {
  test('are all or nothing, and their events stand next to each other in their order', async () => {
    await using server = await start();
    using events = await WsClient.subscribe(server.wsUrl('Item'));
    const stop = new AbortController();
    const noise = inParallel(4, async (client) => {
      for (let n = 0; !stop.signal.aborted && n < 500; n++) await server.put(`Item/noise${client}`, { n });
    });
    await server.put('Item/taken', { n: 0, mail: 'taken' });
    const batch = (name: string, size: number, last: Json): Json[] => [
      ...Array.from({ length: size }, (_, n) => ({ id: `${name}-${String(n).padStart(4, '0')}`, n })),
      { id: `${name}-last`, n: size, ...last },
    ];
    const refused: readonly [last: Json, status: number][] = [
      [{ n: 'bad' }, 400],
      [{ id: 'taken' }, 409],
      [{ mail: 'taken' }, 409],
      [{ id: 'refused-0000' }, 409],
      [{ colour: 1 }, 400],
    ];
    for (const [last, status] of refused) {
      expect((await server.ask('POST', 'Item', { json: batch('refused', 200, last) })).status).toBe(status);
    }
    for (const name of ['one', 'two', 'three']) {
      expect((await server.ask('POST', 'Item', { json: batch(name, 300, {}) })).status).toBe(201);
    }
    stop.abort();
    await noise;
    const fence = seqOf((await server.put('Item/fence', { n: 0 })).headers.get('etag'));
    await events.next(({ seq }) => seq === fence);
    expect((await server.ask('GET', 'Item?id=sw=refused')).records).toEqual([]);
    const frames = events.changes.items;
    expect(frames.some(({ id }) => id?.startsWith('refused'))).toBe(false);
    for (const name of ['one', 'two', 'three']) {
      const from = frames.findIndex(({ id }) => id?.startsWith(`${name}-`));
      const run = frames.slice(from, from + 301);
      expect(run.map(({ id }) => id)).toEqual(batch(name, 300, {}).map(({ id }) => id));
      run.forEach(({ seq }, index) => {
        expect(seq).toBe((run[0]?.seq ?? 0) + index);
      });
    }
  });
});

describe('the log', { timeout: 120_000 }, () => {
  test('replayed from the start gives the table, and nothing comes back after its Delete', async () => {
    await using server = await start();
    const base = Number((await server.ask('GET', 'Item')).headers.get('x-position'));
    await inParallel(8, (client) => writeAtRandom(server, 250, client + 21));
    const truth = await stored(server);
    const ready = Number((await server.ask('GET', 'Item')).headers.get('x-position'));
    for (const path of [`Item?since=${base}`, `Item?stream=sse&since=${base}`]) {
      let frames: readonly ChangeFrame[];
      if (path.includes('sse')) {
        using stream = await SseClient.subscribe(server.url(path));
        frames = stream.events.items.flatMap(({ event, data, id }) => {
          if (event !== 'update' && event !== 'delete') return [];
          const record = JSON.parse(data) as Json;
          const message_type = event === 'update' ? 'Update' : 'Delete';
          return [{ message_type, data: record, id: String(record.id), seq: Number(id), op: event, timestamp: '' }];
        });
      } else {
        using socket = await WsClient.subscribe(server.wsUrl(path));
        expect(socket.controls.items.at(-1)?.seq).toBe(ready);
        frames = socket.changes.items;
      }
      expect(frames.length).toBeGreaterThan(500);
      expect(fold(new Map(), frames)).toEqual(truth);
      const deleted = new Set<string>();
      for (const { message_type, id, op } of frames) {
        if (message_type === 'Delete') deleted.add(String(id));
        else if (deleted.delete(String(id)) && op !== 'update') continue;
        else if (op === 'update' && message_type === 'Update' && !path.includes('sse')) {
          expect(deleted.has(String(id)), 'an update of what is deleted').toBe(false);
        }
      }
    }
  });

  test('a message is not a record, has a position, and is resumed like any change', async () => {
    const schema =
      'type Item @table @export(public: [read, subscribe, publish, create, update]) { id: ID! @primaryKey n: Int! }';
    await using server = await startServer({ schema });
    const before = Number((await server.ask('GET', 'Item')).headers.get('x-position'));
    const published = await server.ask('POST', 'Item/room?publish=true', { json: { hello: 'you' } });
    expect(published.status).toBe(202);
    expect((await server.ask('GET', 'Item/room')).status).toBe(404);
    expect((await server.ask('GET', 'Item')).records).toEqual([]);
    expect(Number((await server.ask('GET', 'Item')).headers.get('x-position'))).toBe(published.record.seq);
    using resumed = await WsClient.subscribe(server.wsUrl(`Item/room?since=${before}`));
    expect(resumed.changes.items).toMatchObject([
      { message_type: 'Publish', op: 'publish', id: 'room', data: { hello: 'you' }, seq: published.record.seq },
    ]);
    using fresh = await WsClient.subscribe(server.wsUrl('Item/room'));
    expect(fresh.changes.items).toEqual([]);
  });
});
