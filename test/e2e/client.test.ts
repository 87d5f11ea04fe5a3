import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Client, connect, type LiveList, TablecastError } from '../../src/client/index.ts';
import { BASE_CONFIG, IN_PROCESS, startServer, type TestServer } from '../support/app.ts';
import { accessToken, startAuthServer } from '../support/auth-app.ts';
import { SilentSocket } from '../support/silent-socket.ts';
import { inSeconds } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const SCHEMA = `type Message @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  title: String!
  n: Int
}
type Note @table @export(rest: false public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  text: String
}
type Quiet @table @export(ws: false public: [read, create]) { id: ID! @primaryKey }`;

interface Message {
  readonly id: string;
  readonly title: string;
  readonly n: number | null;
}
type Tables = { Message: Message; Note: { id: string; text: string | null }; Quiet: { id: string }; Nothing: object };

const clients: Client<Tables>[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

function open(server: TestServer, options: Parameters<typeof connect>[1] = {}): Client<Tables> {
  const client = connect<Tables>(server.url(''), options);
  clients.push(client);
  return client;
}

async function stored(server: TestServer, query = ''): Promise<unknown> {
  return (await server.ask('GET', `Message?limit=1000&${query}`)).records;
}

const settled = async (list: LiveList<Message>, server: TestServer, query = '') => {
  const expected = await stored(server, query);
  await until(
    async () => JSON.stringify(list.records),
    (text) => text === JSON.stringify(expected),
    {
      timeout: 30_000,
      what: `the list ${JSON.stringify(expected)}`,
    },
  );
};

describe('the shipped client over REST', () => {
  test('lists, reads, writes and publishes, and names what is refused', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { Message } = open(server).tables;
    const made = await Message.create({ title: 'one', n: 1 });
    expect(await Message.get(made.id)).toEqual(made);
    const others = await Message.create([
      { id: 'b', title: '(x)*', n: 2 },
      { id: 'c', title: 'three', n: 3 },
    ]);
    expect(others.map(({ id }) => id)).toEqual(['b', 'c']);
    expect(await Message.list({ title: '(x)*' })).toEqual([others[0]]);
    expect(await Message.list({ n: [2, 3], sort: '-n', select: 'n' })).toEqual([
      { id: 'c', n: 3 },
      { id: 'b', n: 2 },
    ]);
    expect(await Message.list('n=gt=1&limit=1')).toEqual([others[0]]);
    const page = await Message.page({ limit: 2, count: true, sort: 'n' });
    expect(page).toMatchObject({ records: [made, others[0]], total: 3, position: expect.any(Number) });
    const second = await Message.page({ limit: 2, sort: 'n', cursor: page.next });
    expect(second).toMatchObject({ records: [others[1]], next: undefined, total: undefined });
    expect(await Message.patch('b', { n: 7 })).toMatchObject({ id: 'b', n: 7 });
    expect(await Message.put('b', { title: 'again' })).toEqual({ id: 'b', title: 'again', n: null });
    await Message.delete('b');
    await expect(Message.get('b')).rejects.toMatchObject({ code: 'NOT_FOUND', status: 404 });
    await expect(Message.put('c', { title: 'x' }, { ifSeq: null })).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
    });
    await expect(Message.put('c', { title: 'x' }, { ifSeq: 1 })).rejects.toMatchObject({ status: 412 });
    const refused = await Message.create({ n: 'x' as never }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(TablecastError);
    expect((refused as TablecastError).errors.map(({ field }) => field).sort()).toEqual(['n', 'title']);
    expect(await Message.publish({ a: 1 })).toMatchObject({ delivered: 0 });
    expect(await Message.publish({ a: 1 }, { id: 'c' })).toMatchObject({ seq: expect.any(Number) });
  });

  test('a create that was written and not answered is done once', async () => {
    await using server = await startServer({ schema: SCHEMA });
    let calls = 0;
    const losing: typeof fetch = async (input, init) => {
      const answer = await fetch(input, init);
      if (++calls === 1) throw new TypeError('the connection was lost');
      return answer;
    };
    const made = await open(server, { fetch: losing }).tables.Message.create({ title: 'once' });
    expect(await stored(server)).toEqual([made]);
    expect(calls).toBe(2);
  });

  test('waits for a server that comes back, and gives up one that does not', async () => {
    await using server = await startServer({ schema: SCHEMA });
    await server.kill();
    const { Message } = open(server).tables;
    const made = Message.create({ title: 'late' });
    await server.restart();
    const late = await made;
    expect(await stored(server)).toEqual([late]);
    await server.kill();
    const failing = open(server, { retryFor: 500 }).tables.Message.list();
    await expect(failing).rejects.toMatchObject({ code: 'NETWORK', status: 0 });
    const controller = new AbortController();
    const aborted = open(server).tables.Message.list('', { signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe('live lists of the shipped client', { timeout: 120_000 }, () => {
  test.each([
    ['everything', ''],
    ['a filter and an order', 'n=ge=5&sort=-n'],
    ['a text order', 'sort=title,-n'],
    ['the first ones', 'sort=n&limit=3'],
    ['fields that changed', 'delta=true&select=n'],
  ])('equal GET after every step: %s', async (_name, query) => {
    await using server = await startServer({ schema: SCHEMA });
    const client = open(server);
    await client.tables.Message.create([
      { id: 'm', title: 'Ä', n: 5 },
      { id: 'k', title: 'a😀', n: 6 },
      { id: 'a', title: 'a\uffee', n: null },
    ]);
    const list = client.tables.Message.live(query);
    await list.ready;
    const listed = query.replace('delta=true&', '');
    expect(list.records).toEqual((await server.ask('GET', `Message?${listed}`)).records);
    const steps: (() => Promise<unknown>)[] = [
      () => client.tables.Message.create({ id: 'b', title: 'a', n: 9 }),
      () => client.tables.Message.patch('b', { n: 1 }),
      () => client.tables.Message.patch('b', { n: 5 }),
      () => client.tables.Message.put('a', { title: 'B', n: 7 }),
      () => client.tables.Message.delete('m'),
      () => client.tables.Message.publish({ id: 'zzz' }),
      () =>
        client.tables.Message.create([
          { id: 'x', title: 'a', n: 5 },
          { id: 'y', title: 'a', n: 5 },
        ]),
      () => list.send({ message_type: 'Delete', id: 'k' }),
    ];
    for (const step of steps) {
      await step();
      const { records } = await server.ask('GET', `Message?${listed}`);
      await expect.poll(() => list.records).toEqual(records);
    }
  });

  test('are read by id, reported to listeners, and closed with their client', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const client = open(server);
    await client.tables.Message.create(['a', 'b', 'c'].map((id) => ({ id, title: id })));
    const list = client.tables.Message.live('limit=1&offset=1');
    await list.ready;
    expect([list.records.map(({ id }) => id), list.size, list.get('c')?.title, list.get('x')]).toEqual([
      ['b'],
      1,
      'c',
      undefined,
    ]);
    const told: string[] = [];
    const stop = list.onChange((records) => void told.push(records.map(({ id }) => id).join()));
    await list.send({ message_type: 'Delete', id: 'a' });
    await expect.poll(() => told).toEqual(['c']);
    stop();
    await list.send({ message_type: 'Delete', id: 'c' });
    await expect.poll(() => list.records).toEqual([]);
    expect([told, list.size, list.status]).toEqual([['c'], 0, 'live']);
    client.close();
    await list.ended;
    expect(list.status).toBe('closed');
  });

  test('the server is killed with -9 amid writes: nothing is missed, nothing is doubled', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const here = open(server).tables.Message;
    const list = here.live('sort=n');
    const witness = open(server).tables.Message;
    const { position } = await here.page();
    await list.ready;
    const seen: number[] = [];
    const states: string[] = [];
    const subscription = witness.subscribe('', {
      since: position,
      onChange: ({ seq }) => void seen.push(seq),
      onStatus: (status) => void states.push(status),
    });
    const acks: Promise<unknown>[] = [];
    let restarted: Promise<void> | undefined;
    for (let turn = 0; turn < 3; turn++) {
      for (let n = 0; n < 100; n++) {
        acks.push(
          subscription.send({
            message_type: 'Update',
            id: `${turn}-${n}`,
            data: { title: `t${n}`, n: turn * 100 + n },
          }),
        );
        acks.push(here.create({ title: 'made', n: -1 - n }).catch(() => undefined));
        if (n === 50) await server.kill();
        if (n === 70) restarted = server.restart();
        await pause(1);
      }
      await restarted;
      await until(
        async () => subscription.status,
        (status) => status === 'live',
        { timeout: 30_000 },
      );
    }
    await Promise.all(acks);
    await settled(list, server, 'sort=n');
    const changes = seen.slice();
    const log: number[] = [];
    const again = witness.subscribe('', { since: position, onChange: ({ seq }) => void log.push(seq) });
    await expect
      .poll(() => again.status === 'live' && again.position === list.position, { timeout: 30_000 })
      .toBe(true);
    expect(changes).toEqual(log);
    expect(new Set(changes).size).toBe(changes.length);
    // Every one that was sent, once.
    const records = list.records.filter(({ title }) => title !== 'made');
    expect(records).toHaveLength(300);
    expect(states.filter((status) => status === 'live').length).toBeGreaterThan(2);
  });

  test('the log does not reach back any more: reset, and the state afresh', async () => {
    await using server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}events:\n  max_count: 5\n` });
    const { Message } = open(server).tables;
    await Message.create([
      { id: 'a', title: 'stays' },
      { id: 'b', title: 'goes' },
    ]);
    const list = Message.live();
    await list.ready;
    const told: string[] = [];
    Message.subscribe('', {
      since: list.position as number,
      onChange: ({ message_type, id }) => void told.push(`${message_type} ${id}`),
      onReset: ({ reason }) => void told.push(reason),
      onReady: () => void told.push('ready'),
    });
    await expect.poll(() => told).toEqual(['ready']);
    const { port } = server;
    await server.kill();
    await server.start();
    expect(server.port).not.toBe(port);
    await server.ask('DELETE', 'Message/b');
    for (let n = 0; n < 20; n++) await server.put('Message/c', { title: `turn ${n}` });
    await pause(1500);
    (server as { port: number }).port = port;
    await server.restart();
    await settled(list, server);
    await expect
      .poll(() => told.slice(1), { timeout: 30_000 })
      .toEqual(['position_trimmed', 'Retained a', 'Retained c', 'ready']);
    await expect.poll(() => list.records.map(({ title }) => title)).toEqual(['stays', 'turn 19']);
  });
});

describe('subscriptions of the shipped client', { timeout: 120_000 }, () => {
  test('a slow consumer costs one buffer and misses nothing', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { Message } = open(server).tables;
    const states: string[] = [];
    const slow = Message.subscribe('', { buffer: 20, onStatus: (status) => void states.push(status) });
    const slowly: number[] = [];
    const awaited = Message.subscribe('', {
      buffer: 5,
      onChange: async ({ seq }) => {
        await pause(2);
        slowly.push(seq);
      },
    });
    await expect.poll(() => [slow.status, awaited.status]).toEqual(['live', 'live']);
    for (let n = 0; n < 10; n++) await Message.create(Array.from({ length: 20 }, () => ({ title: 'x', n })));
    await expect.poll(() => slow.status).toBe('paused');
    expect(await server.metric(/^tablecast_\w*connections\w*\{[^}]*"live"/)).toBe(1);
    const seqs: number[] = [];
    for await (const frame of slow) {
      if ('seq' in frame && 'message_type' in frame) seqs.push(frame.seq);
      if (seqs.length === 200) break;
    }
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    expect(states).toContain('paused');
    expect(slow.status).toBe('closed');
    await slow.ended;
    await expect.poll(() => slowly.length, { timeout: 30_000 }).toBe(200);
    expect(slowly).toEqual(seqs);
  });

  test('a write that is repeated after a crash is acknowledged and done once', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { Note } = open(server).tables;
    const told: unknown[] = [];
    const notes = Note.subscribe('', { onChange: ({ id }) => void told.push(id) });
    await expect.poll(() => notes.status).toBe('live');
    const acks = Array.from({ length: 200 }, (_, n) => notes.send({ message_type: 'Update', data: { text: `${n}` } }));
    await acks[5];
    await server.kill();
    await server.restart();
    const ids = (await Promise.all(acks)).map(({ id }) => id);
    expect(new Set(ids).size).toBe(200);
    await expect.poll(() => told.length).toBe(200);
    expect(told.toSorted()).toEqual(ids.toSorted());
    await expect(notes.send({ message_type: 'Update', data: { text: 1 } })).rejects.toMatchObject({
      code: 'VALIDATION_ERROR',
      errors: [{ field: 'text' }],
    });
    notes.close();
    await notes.ended;
    await expect(notes.send({ message_type: 'Delete', id: 'a' })).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test('a record, retained or not, and what is published to it', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { Message } = open(server).tables;
    await Message.create({ id: 'a/b', title: 'one' });
    const told: unknown[] = [];
    Message.subscribe('', { id: 'a/b', onChange: (frame) => void told.push([frame.message_type, frame.data]) });
    const live = Message.subscribe('echo=false', {
      id: 'a/b',
      retained: false,
      onChange: ({ message_type }) => void told.push(message_type),
    });
    await expect.poll(() => [told.length, live.status]).toEqual([1, 'live']);
    await live.send({ message_type: 'Publish', data: { hello: 1 } });
    await expect.poll(() => told.slice(1)).toEqual([['Publish', { hello: 1 }]]);
  });

  test('ends with an error that another attempt would not change', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { tables } = open(server);
    await expect(tables.Message.subscribe('nme==1').ended).rejects.toMatchObject({ code: 'INVALID_QUERY' });
    await expect(tables.Nothing.subscribe().ended).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const errors: string[] = [];
    const live = tables.Message.live('limit=2&nme==1', { onError: ({ code }) => void errors.push(code) });
    await expect(live.ready).rejects.toMatchObject({ code: 'INVALID_QUERY' });
    expect(errors).toEqual(['INVALID_QUERY']);
    const loop = async () => {
      for await (const _frame of tables.Nothing.subscribe()) throw new Error('never');
    };
    await expect(loop()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const failing = tables.Message.subscribe('', {
      onReady: () => {
        throw new Error('mine');
      },
    });
    await expect(failing.ended).rejects.toMatchObject({ code: 'CALLBACK_FAILED', message: 'mine' });
    // A table that is not live, by this name or another, is none for a subscription.
    await expect(tables.Quiet.subscribe().ended).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('learns at once that a connection could not be opened, where that is an error without a close', async () => {
    await using server = await startServer({ schema: SCHEMA });
    const { tables } = open(server, { WebSocket: SilentSocket, timeout: 60_000 });
    await expect(tables.Nothing.subscribe().ended).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const told = tables.Message.subscribe();
    await expect.poll(() => told.status).toBe('live');
    await server.kill();
    await expect.poll(() => told.status).toBe('waiting');
    await pause(1_000);
    await server.restart();
    await expect.poll(() => told.status, { timeout: 30_000 }).toBe('live');
  });

  // There is nothing to stop where the server runs in the process of the test.
  test.skipIf(IN_PROCESS)(
    'asks a silent server whether it is there, and takes another connection when it is not',
    async () => {
      await using server = await startServer({ schema: SCHEMA });
      const quick = open(server, { pingInterval: 200, timeout: 500 });
      const states: string[] = [];
      const list = quick.tables.Message.live('', { onStatus: (status) => void states.push(status) });
      await list.ready;
      await pause(1500);
      expect(states).toEqual(['connecting', 'live']);
      process.kill(server.pid, 'SIGSTOP');
      await expect.poll(() => states.length, { timeout: 30_000 }).toBeGreaterThan(2);
      process.kill(server.pid, 'SIGCONT');
      await expect.poll(() => list.status, { timeout: 30_000 }).toBe('live');
      await server.put('Message/a', { title: 'after' });
      await settled(list, server);
    },
  );
});

describe('tokens of the shipped client', { timeout: 120_000 }, () => {
  test('are asked for anew when they are refused or end, on the open connection where it can be', async () => {
    await using server = await startAuthServer();
    const asked: boolean[] = [];
    const client = connect<{ Locked: { id: string } }>(server.url(''), {
      token: ({ renew }) => {
        asked.push(renew);
        // The first one is over before it is shown.
        const exp = asked.length === 1 ? inSeconds(-600) : inSeconds(renew && asked.length > 4 ? 3600 : 62);
        return accessToken('anna', { roles: ['admin'], exp });
      },
    });
    await client.tables.Locked.create({ id: 'a' });
    expect(asked).toEqual([false, true]);
    const states: string[] = [];
    const list = client.tables.Locked.live('', { onStatus: (status) => void states.push(status) });
    await list.ready;
    expect(list.records).toEqual([{ id: 'a' }]);
    // Told 60 s before the end: it is renewed over the same connection.
    await expect.poll(() => asked.length, { timeout: 30_000 }).toBeGreaterThan(3);
    await pause(300);
    expect(states).toEqual(['connecting', 'live']);
    client.close();
  });

  test('4401 and a refused handshake ask the function again; without one they end it', async () => {
    await using server = await startAuthServer();
    const renewals: boolean[] = [];
    let token = accessToken('anna', { roles: ['admin'], exp: inSeconds(-600) });
    const client = connect<{ Locked: { id: string } }>(server.url(''), {
      token: ({ renew }) => {
        renewals.push(renew);
        if (renew) token = accessToken('anna', { roles: ['admin'] });
        return token;
      },
    });
    await client.tables.Locked.live().ready;
    expect(renewals.filter(Boolean)).toHaveLength(1);
    client.close();
    const stale = connect<{ Locked: { id: string } }>(server.url(''), {
      token: accessToken('anna', { exp: inSeconds(-600) }),
    });
    await expect(stale.tables.Locked.live().ready).rejects.toMatchObject({ code: 'UNAUTHORIZED', status: 401 });
    const short = connect<{ Locked: { id: string } }>(server.url(''), {
      token: accessToken('anna', { roles: ['admin'], exp: inSeconds(2) }),
    });
    await expect(short.tables.Locked.subscribe().ended).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    const never = connect<{ Locked: { id: string } }>(server.url(''), {
      token: () => accessToken('anna', { exp: inSeconds(-600) }),
    });
    await expect(never.tables.Locked.subscribe().ended).rejects.toMatchObject({ status: 401 });
    const nobody = connect<{ Locked: { id: string } }>(server.url(''), { WebSocket });
    await expect(nobody.tables.Locked.subscribe().ended).rejects.toMatchObject({ status: 401 });
  });
});
