import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { TestServer } from '../support/app.ts';
import { OPCODE, RawWs } from '../support/raw-ws.ts';
import { join, startRoomsServer, tell, visitsOf } from '../support/rooms-app.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

/** Much longer than the timeout: who is silent in between is not late. */
const PING_INTERVAL = 1200;
const PONG_TIMEOUT = 600;

const openSockets = (server: TestServer) => server.metric(/^tablecast_connections\{transport="my-app\/ws"\}/);
const openRooms = (server: TestServer) => server.metric(/^tablecast_rooms\{app="my-app",connector="ws"\}/);

/** Until it has come and gone, and nobody is connected any more; then what the table has of it. */
async function wholeVisit(server: TestServer, tag: string) {
  await until(
    () => visitsOf(server, tag),
    (visits) => visits.length >= 2,
    { what: `the visit of ${tag}` },
  );
  await until(
    () => openSockets(server),
    (open) => open === 0,
  );
  return visitsOf(server, tag);
}

/** Once come, once gone. */
const visit = (tag: string) => {
  const one = { connection: expect.stringMatching(/^[0-9a-f-]{36}$/), user: `u-${tag}`, tag, id: expect.any(String) };
  return [
    { ...one, event: 'connect' },
    { ...one, event: 'disconnect' },
  ];
};

describe('connections that end', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startRoomsServer({ ws: `ping_interval: ${PING_INTERVAL}ms, pong_timeout: ${PONG_TIMEOUT}ms` });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const path = (tag: string) => `/ws?user_id=u-${tag}&tag=${tag}`;

  test('who answers pings lives on while idle; who does not is ended after the ping, and has gone once', async () => {
    using idle = await RawWs.open(server.port, path('idle'));
    using silent = await RawWs.open(server.port, path('silent'), { answerPings: false });
    const ended = await silent.closed;
    // It was asked once, and had its time from then on.
    const [ping, ...others] = silent.of(OPCODE.ping);
    expect([others, ended - (ping?.at ?? 0) > PONG_TIMEOUT - 100]).toEqual([[], true]);
    await until(
      async () => idle.of(OPCODE.ping).length,
      (count) => count >= 3,
      { timeout: 30_000 },
    );
    expect([idle.isOpen, await openSockets(server)]).toEqual([true, 1]);
    expect(await visitsOf(server, 'idle')).toMatchObject([{ event: 'connect' }]);
    expect(await visitsOf(server, 'silent')).toEqual(visit('silent'));
    idle.send({ opcode: OPCODE.close });
    await idle.closed;
    expect(await wholeVisit(server, 'idle')).toEqual(visit('idle'));
    expect(await visitsOf(server, 'silent')).toHaveLength(2);
  });

  const ends: readonly [how: string, tag: string, end: (client: RawWs) => void][] = [
    ['a close frame', 'close', (client) => client.send({ opcode: OPCODE.close, payload: Buffer.from([0x03, 0xe8]) })],
    ['a TCP reset', 'reset', (client) => client.socket.resetAndDestroy()],
    ['the end of TCP without a close frame', 'fin', (client) => client.socket.end()],
    ['a frame that breaks the protocol', 'broken', (client) => client.send({ payload: 'x', mask: false })],
    [
      'a close frame and a reset at once',
      'both',
      (client) => {
        client.send({ opcode: OPCODE.close });
        client.socket.resetAndDestroy();
      },
    ],
  ];
  test.each(ends)('by %s: it has come once and gone once, and is in no room', async (_how, tag, end) => {
    using client = await RawWs.open(server.port, path(tag));
    for (const room of [`${tag}-a`, `${tag}-b`]) {
      client.send({ payload: JSON.stringify({ type: 'join_room', room }) });
      expect(await client.json()).toEqual({ type: 'joined', room });
    }
    expect(await openRooms(server)).toBe(2);
    end(client);
    const visits = await wholeVisit(server, tag);
    expect(visits).toEqual(visit(tag));
    expect(new Set(visits.map(({ connection }) => connection)).size).toBe(1);
    expect([await openRooms(server), await tell(server, `rooms/${tag}-a`, 1)]).toEqual([0, 0]);
  });

  test('a room lives until its last member has gone; who comes back is in none', async () => {
    const [one, two] = await Promise.all(['one', 'two'].map((tag) => WsClient.open(server.wsUrl(`ws?tag=${tag}`))));
    onTestFinished(() => void [one, two].map((client) => client?.terminate()));
    await join(one as WsClient, 'both');
    await join(two as WsClient, 'both');
    await join(two as WsClient, 'own');
    expect(await openRooms(server)).toBe(2);
    two?.terminate();
    await until(
      () => openRooms(server),
      (rooms) => rooms === 1,
    );
    expect(await tell(server, 'rooms/both', 1)).toBe(1);
    using again = await WsClient.open(server.wsUrl('ws?tag=two'));
    expect(await tell(server, 'rooms/own', 2)).toBe(0);
    one?.terminate();
    await until(
      () => openRooms(server),
      (rooms) => rooms === 0,
    );
    expect(again.isOpen).toBe(true);
  });
});

describe('a server that stops', () => {
  /** More than are at work in a flow at once. */
  const MANY = 30;

  test('who is closed by the stop has gone, once: it is in the table after the next start', async () => {
    await using server = await startRoomsServer();
    const url = server.wsUrl('ws?tag=many&user_id=u-many');
    const clients = await Promise.all(Array.from({ length: MANY }, () => WsClient.open(url)));
    onTestFinished(() => void clients.map((client) => client.terminate()));
    await until(
      () => visitsOf(server, 'many'),
      (visits) => visits.length === MANY,
    );
    const { logs } = server;
    await server.restart();
    const codes = await Promise.all(clients.map(async ({ closed }) => (await closed).code));
    expect(new Set(codes)).toEqual(new Set([1001]));
    const visits = await visitsOf(server, 'many');
    expect(visits).toEqual(Array.from({ length: MANY }, () => visit('many')).flat());
    expect(new Set(visits.map(({ connection }) => connection)).size).toBe(MANY);
    expect(logs.items.filter(({ msg }) => msg === 'fault')).toEqual([]);
  });

  test('so has who does not answer, and is cut off when the time to stop is over', async () => {
    await using server = await startRoomsServer({ config: 'limits: {shutdown: 500ms}\n' });
    using silent = await RawWs.open(server.port, '/ws?tag=silent&user_id=u-silent', { answerClose: false });
    await until(
      () => visitsOf(server, 'silent'),
      (visits) => visits.length === 1,
    );
    const { logs } = server;
    await server.restart();
    expect(await silent.closeCode()).toBe(1001);
    expect(await visitsOf(server, 'silent')).toEqual(visit('silent'));
    expect(logs.items.filter(({ msg }) => msg === 'fault')).toEqual([]);
  });
});
