import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { connect, type Rooms } from '../../src/client/index.ts';

/** Server with the protocol of rooms: a message with `echo` is sent to all members of the room that it names. */
class RoomServer {
  readonly #http: Server = createServer();
  readonly #sockets: WebSocketServer;
  readonly members = new Map<WebSocket, Set<string>>();
  readonly heard: unknown[] = [];
  #port = 0;

  constructor() {
    this.#sockets = new WebSocketServer({ server: this.#http });
    this.#sockets.on('connection', (socket) => {
      this.members.set(socket, new Set());
      socket.on('close', () => this.members.delete(socket));
      socket.on('message', (text) => this.#take(socket, JSON.parse(String(text))));
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#http.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#http.address() as AddressInfo).port;
    return `http://127.0.0.1:${this.#port}/my-app`;
  }

  cut(code?: number): void {
    for (const socket of this.members.keys()) code === undefined ? socket.terminate() : socket.close(code, 'gone');
  }

  say(room: string, data: unknown): void {
    for (const [socket, rooms] of this.members) {
      if (rooms.has(room)) socket.send(JSON.stringify({ type: 'message', data, room }));
    }
  }

  async close(): Promise<void> {
    this.cut();
    this.#sockets.close();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  #take(socket: WebSocket, frame: { type: string; room: string; data: unknown }): void {
    this.heard.push(frame);
    const answer = (message: object) => socket.send(JSON.stringify(message));
    const { type, room, data } = frame;
    if (room === 'silent') return;
    if (room === 'forbidden' || room === '') answer({ type: 'error', message: 'not this one', room });
    else if (type === 'join_room') {
      this.members.get(socket)?.add(room);
      answer({ type: 'joined', room });
    } else if (type === 'leave_room') {
      this.members.get(socket)?.delete(room);
      answer({ type: 'left', room });
    } else if (data === 'bad') answer({ type: 'error', message: 'invalid message format' });
    else answer({ type: 'message', data });
  }
}

let server: RoomServer;
let url = '';
let rooms: Rooms | undefined;
beforeEach(async () => {
  server = new RoomServer();
  url = await server.listen();
});
afterEach(async () => {
  vi.restoreAllMocks();
  rooms?.close();
  await server.close();
});

describe('rooms of the client', () => {
  test('are joined and left, and messages come with their room', async () => {
    const told: unknown[] = [];
    const errors: string[] = [];
    rooms = connect(url).rooms('/ws', {
      onMessage: (data, room) => void told.push([data, room]),
      onError: ({ message }) => void errors.push(message),
    });
    rooms.send('early');
    await rooms.join('orders');
    await Promise.all([rooms.join('orders'), rooms.join('news')]);
    expect(rooms.joined).toEqual(['orders', 'news']);
    server.say('orders', { n: 1 });
    server.say('elsewhere', { n: 2 });
    await rooms.leave('orders');
    server.say('orders', { n: 3 });
    rooms.send('bad');
    await expect.poll(() => errors).toEqual(['invalid message format']);
    expect(told).toEqual([
      ['early', undefined],
      [{ n: 1 }, 'orders'],
    ]);
    await expect(rooms.join('forbidden')).rejects.toMatchObject({ code: 'REFUSED', message: 'not this one' });
    expect(rooms.joined).toEqual(['news']);
    await expect(rooms.leave('forbidden')).rejects.toMatchObject({ code: 'REFUSED' });
    const [joined, left] = await Promise.allSettled([rooms.join(''), rooms.leave('')]);
    expect([joined.status, left.status, rooms.joined]).toEqual(['rejected', 'rejected', ['news']]);
  });

  test('are joined again over a new connection', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const told: unknown[] = [];
    const states: string[] = [];
    rooms = connect(url).rooms('ws', {
      onMessage: (data, room) => void told.push([data, room]),
      onStatus: (status) => void states.push(status),
    });
    await rooms.join('a');
    await rooms.join('b');
    await rooms.leave('b');
    server.cut();
    await expect.poll(() => states.at(-1)).toBe('waiting');
    const joined = rooms.join('c');
    const left = rooms.leave('a');
    rooms.send('meanwhile');
    await Promise.all([joined, left]);
    await expect.poll(() => [...server.members.values()].map((members) => [...members])).toEqual([['c']]);
    server.say('c', 'again');
    await expect
      .poll(() => told)
      .toEqual([
        ['meanwhile', undefined],
        ['again', 'c'],
      ]);
    expect(states).toEqual(['connecting', 'live', 'waiting', 'connecting', 'live']);
  });

  test('end by close, with every pending join and leave', async () => {
    let refused: string | undefined;
    // In the moment in which the connection is gone: how soon there is another one is chance.
    const onStatus = (status: string) => {
      if (status !== 'waiting') return;
      try {
        for (let n = 0; n < 2; n++) rooms?.send(n);
      } catch (error) {
        refused ??= (error as { code: string }).code;
      }
    };
    rooms = connect(url, { timeout: 300 }).rooms('/ws', { buffer: 1, onStatus });
    await rooms.join('a');
    await expect(rooms.join('silent')).rejects.toMatchObject({ code: 'TIMEOUT' });
    server.cut();
    await expect.poll(() => refused).toBe('BUFFER_FULL');
    const waiting = rooms.join('silent');
    rooms.close();
    await expect(waiting).rejects.toMatchObject({ code: 'CLOSED' });
    await rooms.ended;
    expect(() => rooms?.send(1)).toThrow('closed');
    await expect(rooms.join('a')).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test.each([
    [4403, 'FORBIDDEN'],
    [4401, 'UNAUTHORIZED'],
  ])('end with an error on %i', async (code, name) => {
    const errors: string[] = [];
    rooms = connect(url, { token: 'abc' }).rooms('/ws', { onError: (error) => void errors.push(error.code) });
    await rooms.join('a');
    server.cut(code);
    await expect(rooms.ended).rejects.toMatchObject({ code: name, message: 'gone' });
    expect(errors).toEqual([name]);
  });

  test('a permanent error of the token function ends it, a transient one does not', async () => {
    let calls = 0;
    const { TablecastError } = await import('../../src/client/index.ts');
    rooms = connect(url, {
      WebSocket,
      token: async () => {
        if (++calls === 1) throw new Error('offline');
        return 'abc';
      },
    }).rooms();
    await rooms.join('a');
    expect(calls).toBe(2);
    const refused = connect(url, {
      token: () => Promise.reject(new TablecastError('INVALID_CREDENTIALS', 'log in', { status: 401 })),
    }).rooms();
    await expect(refused.ended).rejects.toMatchObject({ code: 'INVALID_CREDENTIALS' });
  });
});
