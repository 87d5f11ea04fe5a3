import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { type ConnectOptions, connect, type Rooms, type RoomsOptions } from '../../src/client/index.ts';

/** Server with the protocol of a connector: it returns messages to their sender. */
class RoomServer {
  readonly #http: Server = createServer();
  readonly #sockets: WebSocketServer;
  readonly members = new Map<WebSocket, Set<string>>();
  #port = 0;

  constructor() {
    this.#sockets = new WebSocketServer({ server: this.#http });
    this.#sockets.on('connection', (socket) => {
      this.members.set(socket, new Set());
      socket.on('close', () => this.members.delete(socket));
      socket.on('message', (text) => this.#take(socket, JSON.parse(String(text))));
    });
  }

  /** Resolves with its URL. */
  async listen(): Promise<URL> {
    await new Promise<void>((resolve) => this.#http.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#http.address() as AddressInfo).port;
    return new URL(`ws://127.0.0.1:${this.#port}/ws`);
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

  #take(socket: WebSocket, frame: { type: string; room: string; data: unknown; ref?: number }): void {
    const { type, room, data, ref } = frame;
    const answer = (message: object) => socket.send(JSON.stringify({ ...message, ref }));
    if (room === 'silent') return;
    if (room === 'forbidden' || room === '')
      answer({ type: 'error', code: 'FORBIDDEN', message: 'not this one', room });
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
let url: URL;
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

/** Rooms of the connector, for an application that is somewhere else. */
function open(options: RoomsOptions = {}, environment: ConnectOptions = {}): Rooms {
  rooms = connect('http://127.0.0.1:9/my-app', environment).rooms(url, options);
  return rooms;
}

describe('rooms of a connector with a port of its own', () => {
  test('are joined and left, and messages come with their room', async () => {
    const told: unknown[] = [];
    const errors: string[] = [];
    const rooms = open({
      onMessage: (data, room) => void told.push([data, room]),
      onError: ({ message }) => void errors.push(message),
    });
    expect(await rooms.send('early')).toEqual({ data: 'early' });
    await rooms.join('orders');
    await Promise.all([rooms.join('orders'), rooms.join('news')]);
    expect(rooms.joined).toEqual(['orders', 'news']);
    server.say('orders', { n: 1 });
    server.say('elsewhere', { n: 2 });
    await rooms.leave('orders');
    server.say('orders', { n: 3 });
    await expect(rooms.send('bad')).rejects.toMatchObject({ message: 'invalid message format' });
    expect(errors).toEqual(['invalid message format']);
    expect(told).toEqual([
      ['early', undefined],
      [{ n: 1 }, 'orders'],
    ]);
    await expect(rooms.join('forbidden')).rejects.toMatchObject({ code: 'FORBIDDEN', message: 'not this one' });
    expect(rooms.joined).toEqual(['news']);
    await Promise.all([rooms.leave('news'), rooms.join('news')]);
    server.say('news', 'again');
    await expect.poll(() => told.at(-1)).toEqual(['again', 'news']);
  });

  test('are joined again over a new connection', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const told: unknown[] = [];
    const states: string[] = [];
    const rooms = open({
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
    const sent = rooms.send('meanwhile');
    await Promise.all([joined, left, sent]);
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
    const refused: string[] = [];
    // In the moment in which the connection is gone: how soon there is another one is chance.
    const onStatus = (status: string) => {
      if (status === 'waiting') for (let n = 0; n < 2; n++) void rooms.send(n);
    };
    const onError = ({ code }: { code: string }) => void refused.push(code);
    const rooms = open({ buffer: 1, onStatus, onError }, { timeout: 300 });
    await rooms.join('a');
    await expect(rooms.join('silent')).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(rooms.joined).toEqual(['a']);
    server.cut();
    await expect.poll(() => refused).toEqual(['TIMEOUT', 'BUFFER_FULL']);
    const waiting = rooms.join('silent');
    rooms.close();
    await expect(waiting).rejects.toMatchObject({ code: 'CLOSED' });
    await rooms.ended;
    await expect(rooms.send(1)).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(rooms.join('a')).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test.each([
    [4403, 'FORBIDDEN'],
    [4401, 'UNAUTHORIZED'],
  ])('end with an error on %i', async (code, name) => {
    const errors: string[] = [];
    const rooms = open({ onError: (error) => void errors.push(error.code) }, { token: 'abc' });
    await rooms.join('a');
    server.cut(code);
    await expect(rooms.ended).rejects.toMatchObject({ code: name, message: 'gone' });
    expect(errors).toEqual([name]);
  });

  test('a permanent error of the token function ends it, a transient one does not', async () => {
    let calls = 0;
    const { TablecastError } = await import('../../src/client/index.ts');
    const token = async () => {
      if (++calls === 1) throw new Error('offline');
      return 'abc';
    };
    const rooms = open({}, { WebSocket, token });
    await rooms.join('a');
    expect(calls).toBe(2);
    rooms.close();
    const refused = open(
      {},
      { token: () => Promise.reject(new TablecastError('INVALID_CREDENTIALS', 'log in', { status: 401 })) },
    );
    await expect(refused.ended).rejects.toMatchObject({ code: 'INVALID_CREDENTIALS' });
  });
});
