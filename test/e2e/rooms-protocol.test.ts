import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import type { TestServer } from '../support/app.ts';
import { OPCODE, RawWs } from '../support/raw-ws.ts';
import { join, startRoomsServer, tell, told, toldAfter } from '../support/rooms-app.ts';
import { WsClient } from '../support/ws-client.ts';

const KIB = 1024;

let server: TestServer;
beforeAll(async () => {
  server = await startRoomsServer();
});
afterAll(() => server[Symbol.asyncDispose]());

async function open(count: number, path = 'ws'): Promise<WsClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => WsClient.open(server.wsUrl(path))));
  onTestFinished(() => void clients.map((client) => client.terminate()));
  return clients;
}

/** Sends a message about a room, and gives the answer. */
async function say(client: WsClient, type: 'join_room' | 'leave_room', room: string, ref?: number) {
  client.send({ type, room, ...(ref === undefined ? {} : { ref }) });
  return client.controls.next();
}

describe('rooms', () => {
  test('a client is in many rooms, is told which one it was, and leaves them one by one', async () => {
    const [client, other] = (await open(2)) as [WsClient, WsClient];
    const rooms = ['s6-orders', 's6-chat', 's6 Büro/1 🏢'];
    for (const room of rooms) await join(client, room);
    await join(other, 's6-chat');
    for (const [n, room] of rooms.entries()) {
      expect(await tell(server, `rooms/${encodeURIComponent(room)}`, n)).toBe(room === 's6-chat' ? 2 : 1);
    }
    // Between two rooms there is no order.
    const first = [...(await toldAfter(client, 3))].sort((a, b) => Number(a.data?.n) - Number(b.data?.n));
    expect(first).toEqual(rooms.map((room, n) => ({ type: 'message', data: { n }, room })));
    expect(await toldAfter(other, 1)).toEqual([{ type: 'message', data: { n: 1 }, room: 's6-chat' }]);

    expect(await say(client, 'leave_room', 's6-chat')).toEqual({ type: 'left', room: 's6-chat' });
    expect(await tell(server, 'rooms/s6-chat', 3)).toBe(1);
    expect(await tell(server, 'rooms/s6-orders', 4)).toBe(1);
    expect((await toldAfter(client, 4)).slice(3)).toEqual([{ type: 'message', data: { n: 4 }, room: 's6-orders' }]);
    expect((await toldAfter(other, 2)).slice(1)).toEqual([{ type: 'message', data: { n: 3 }, room: 's6-chat' }]);
  });

  test('joins and leaves are acknowledged; twice is once, and what was not joined is left all the same', async () => {
    const [client] = (await open(1)) as [WsClient];
    expect(await say(client, 'join_room', 's7')).toEqual({ type: 'joined', room: 's7' });
    expect(await say(client, 'join_room', 's7', 2)).toEqual({ type: 'joined', room: 's7', ref: 2 });
    expect(await tell(server, 'rooms/s7', 1)).toBe(1);
    expect(await toldAfter(client, 1)).toHaveLength(1);
    expect(await say(client, 'leave_room', 's7-never', 3)).toEqual({ type: 'left', room: 's7-never', ref: 3 });
    expect(await say(client, 'leave_room', 's7')).toEqual({ type: 'left', room: 's7' });
    expect(await say(client, 'leave_room', 's7')).toEqual({ type: 'left', room: 's7' });
    expect(await tell(server, 'rooms/s7', 2)).toBe(0);
    expect(await toldAfter(client, 1)).toHaveLength(1);
  });

  test('our client hears which join was refused', async () => {
    const rooms = connect(server.url('')).rooms('/ws', { onError: () => {} });
    onTestFinished(() => rooms.close());
    const [good, long, empty] = await Promise.allSettled([
      rooms.join('s7-client'),
      rooms.join('x'.repeat(129)),
      rooms.join(''),
    ]);
    expect(good.status).toBe('fulfilled');
    for (const refused of [long, empty])
      expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'BAD_REQUEST' } });
    expect(rooms.joined).toEqual(['s7-client']);
  });

  test('a broadcast reaches every client of the connector, also the one that caused it, and no others', async () => {
    const clients = (await open(3)) as [WsClient, WsClient, WsClient];
    const [elsewhere] = (await open(1, 'other')) as [WsClient];
    await join(clients[0], 's14');
    clients[0].send({ type: 'message', data: { shout: 's14' }, ref: 1 });
    const { delivered, ...ack } = await clients[0].controls.next(({ ref }) => ref === 1);
    // Clients of other tests may still be there.
    expect([ack, Number(delivered) >= 3]).toEqual([{ type: 'ack', ref: 1 }, true]);
    for (const client of clients) {
      expect(await toldAfter(client, 1)).toEqual([{ type: 'message', data: { shout: 's14' } }]);
    }
    expect(await tell(server, '', 14)).toBeGreaterThanOrEqual(3);
    for (const client of clients) expect((await toldAfter(client, 2))[1]).toEqual({ type: 'message', data: { n: 14 } });
    expect(await toldAfter(elsewhere, 0)).toEqual([]);
  });
});

describe('messages', () => {
  test('whatever is wrong with one, its sender is told, and the socket stays open', async () => {
    using client = await RawWs.open(server.port, '/ws');
    const long = 'r'.repeat(129);
    const wrong: readonly [payload: unknown, code: string, more?: object][] = [
      ['{"type":"join_room"', 'INVALID_JSON'],
      ['', 'INVALID_JSON'],
      ['null', 'INVALID_MESSAGE'],
      ['[{"type":"join_room","room":"a"}]', 'INVALID_MESSAGE'],
      [{ room: 'a' }, 'INVALID_MESSAGE'],
      [{ type: 5 }, 'INVALID_MESSAGE'],
      [{ type: 'dance', room: 'a', ref: 7 }, 'INVALID_MESSAGE', { message: 'unknown message type: dance', ref: 7 }],
      [{ type: 'JOIN_ROOM', room: 'a' }, 'INVALID_MESSAGE'],
      [{ type: 'join_room' }, 'BAD_REQUEST'],
      [{ type: 'join_room', room: null }, 'BAD_REQUEST'],
      [{ type: 'join_room', room: '', ref: 'empty' }, 'BAD_REQUEST', { room: '', ref: 'empty' }],
      [{ type: 'join_room', room: long }, 'BAD_REQUEST', { room: long }],
      [{ type: 'leave_room', room: long }, 'BAD_REQUEST', { room: long }],
      [{ type: 'message', data: [], room: 'a' }, 'INVALID_MESSAGE'],
    ];
    for (const [sent, code, more = {}] of wrong) {
      client.send({ payload: typeof sent === 'string' ? sent : JSON.stringify(sent) });
      const { message, ...answer } = await client.json();
      expect([sent, typeof message, { message, ...answer }]).toEqual([
        sent,
        'string',
        { type: 'error', code, message, ...more },
      ]);
    }
    client.send({ opcode: OPCODE.binary, payload: '{"type":"join_room","room":"a"}' });
    expect(await client.json()).toMatchObject({ type: 'error', code: 'INVALID_MESSAGE' });
    client.send({ payload: JSON.stringify({ type: 'join_room', room: long.slice(1) }) });
    expect(await client.json()).toEqual({ type: 'joined', room: long.slice(1) });
    expect([client.isOpen, client.of(OPCODE.text).length]).toEqual([true, wrong.length + 2]);
  });

  test('one may have 512 KiB, and one byte more ends the connection with 1009', async () => {
    const [client] = (await open(1)) as [WsClient];
    await join(client, 's10');
    const message = (big: string) => JSON.stringify({ type: 'message', data: { big, room: 's10' }, ref: 1 });
    const size = 512 * KIB - message('').length;
    client.send(message('x'.repeat(size)));
    expect(await client.control('ack', 1)).toEqual({ type: 'ack', ref: 1, delivered: 1 });
    expect(await toldAfter(client, 1)).toEqual([{ type: 'message', data: { size }, room: 's10' }]);
    client.send(message('x'.repeat(size + 1)));
    expect((await client.closed).code).toBe(1009);
    expect(told(client)).toHaveLength(1);
  });

  test('the parts of a message count together', async () => {
    const [client] = (await open(1)) as [WsClient];
    client.socket.send(`{"type":"message","data":{"big":"${'x'.repeat(300 * KIB)}`, { fin: false });
    client.socket.send(`${'x'.repeat(300 * KIB)}"}}`, { fin: true });
    expect((await client.closed).code).toBe(1009);
  });

  test('payloads come as `message`, failures as `error`', async () => {
    const [client, other] = (await open(2)) as [WsClient, WsClient];
    client.send({ type: 'message', data: { text: 's11' } });
    const answer = await client.control('message');
    expect(answer).toEqual({ type: 'message', data: { id: expect.any(String), text: 's11', user: null } });
    expect((await server.ask('GET', `Said/${answer.data?.id}`)).record).toEqual(answer.data);
    client.send({ type: 'message', data: { text: 5 } });
    const { code, message, details: _, ...rest } = await client.control('error');
    expect([code, typeof message, rest]).toEqual(['VALIDATION_ERROR', 'string', { type: 'error' }]);
    client.send({ type: 'message', data: { big: 'x', room: '' } });
    expect(await client.control('error')).toEqual({ type: 'error', code: 'BAD_REQUEST', message: expect.any(String) });
    expect(await toldAfter(other, 0)).toEqual([]);
  });
});
