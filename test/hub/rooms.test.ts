import { expect, onTestFinished, test } from 'vitest';
import type { RoomConnection } from '../../src/hub/rooms/members.ts';
import { Rooms, type RoomsOptions } from '../../src/hub/rooms/rooms.ts';
import type { EndReason, Sink } from '../../src/hub/subscription.ts';
import { turns } from '../support/engine.ts';
import { until } from '../support/wait.ts';

const ENCODING = { frame: (text: string) => Buffer.from(`${text}\n`) };
const OTHER = { frame: (text: string) => Buffer.from(`~${text}\n`) };

/** Records what is written to it. Its reader accepts everything at once, or nothing until `resume`. */
class Client implements Sink {
  pending = 0;
  reads = true;
  end: EndReason | undefined;
  readonly writes: string[] = [];
  connection!: RoomConnection;

  write(bytes: Buffer): void {
    if (!this.reads) this.pending += bytes.length;
    this.writes.push(String(bytes));
  }

  ended(reason: EndReason): void {
    this.end = reason;
  }

  resume(): void {
    this.reads = true;
    this.pending = 0;
    this.connection.drained();
  }

  get lines(): string[] {
    return this.writes.join('').split('\n').slice(0, -1);
  }

  /** `data` of each message. */
  get data(): unknown[] {
    return this.lines.map((line) => (JSON.parse(line.replace('~', '')) as { data: unknown }).data);
  }
}

interface OpenOptions extends Partial<Pick<RoomsOptions, 'presence'>> {
  readonly clientBuffer?: number;
  readonly slowClientTimeout?: number;
}

function open({ clientBuffer = 1000, slowClientTimeout = 60_000, presence }: OpenOptions = {}) {
  const limits = { roomsPerConnection: 2, roomName: 5 };
  const rooms = new Rooms({ channels: { clientBuffer, slowClientTimeout }, limits, presence });
  onTestFinished(() => rooms.close());
  const connect = (user?: string, encoding = ENCODING) => {
    const client = new Client();
    client.connection = rooms.connect(client, { encoding, user });
    return client;
  };
  return { rooms, connect };
}

test('a message goes to all, to the members of a room, or to the connections of a user', async () => {
  const { rooms, connect } = open();
  const [ann, annToo, bob, anonymous] = [connect('ann'), connect('ann'), connect('bob'), connect()];
  rooms.join(ann.connection, 'a');
  rooms.join(anonymous.connection, 'a');
  expect([rooms.broadcast(1), rooms.sendToRoom('a', 2), rooms.sendToUser('ann', 3)]).toEqual([4, 2, 2]);
  expect([rooms.sendToRoom('b', 9), rooms.sendToUser('eve', 9)]).toEqual([0, 0]);
  await turns(20);
  // There is no order between rooms and users: a flush that was interrupted goes on after the others.
  const received = [ann, annToo, bob, anonymous].map(({ data }) => data.toSorted());
  expect(received).toEqual([[1, 2, 3], [1, 3], [1], [1, 2]]);
  expect(ann.lines.toSorted()).toEqual([
    '{"type":"message","data":1}',
    '{"type":"message","data":2,"room":"a"}',
    '{"type":"message","data":3}',
  ]);
});

test('messages sent to a room in one turn are one write, of bytes that its members share', async () => {
  const { rooms, connect } = open();
  const clients = [connect(), connect(), connect('x', OTHER)];
  for (const { connection } of clients) rooms.join(connection, 'a');
  for (let n = 0; n < 5; n++) rooms.sendToRoom('a', n);
  await turns(4);
  for (const { writes, data } of clients) expect([writes.length, data]).toEqual([1, [0, 1, 2, 3, 4]]);
  expect(clients[2]?.lines[0]).toMatch(/^~/);
});

test('a connection that closes leaves all rooms, and empty rooms are removed', async () => {
  const { rooms, connect } = open();
  const clients = ['ann', 'ann', 'bob'].map((user) => connect(user));
  for (const { connection } of clients) for (const room of ['a', 'b']) rooms.join(connection, room);
  expect([rooms.connections, rooms.rooms, rooms.users]).toEqual([3, 2, 2]);
  const [first, second, third] = clients as [Client, Client, Client];
  rooms.disconnect(first.connection);
  rooms.disconnect(first.connection);
  expect([rooms.members('a'), rooms.connections]).toEqual([['ann', 'bob'], 2]);
  rooms.broadcast(1);
  rooms.sendToRoom('a', 2);
  await turns(4);
  expect([first.data, second.data]).toEqual([[], [1, 2]]);
  for (const { connection } of [second, third]) rooms.disconnect(connection);
  expect([rooms.connections, rooms.rooms, rooms.users]).toEqual([0, 0, 0]);
  rooms.join(first.connection, 'c');
  expect(rooms.rooms).toBe(0);
});

test('joining twice and leaving a room that was not joined change nothing', () => {
  const { rooms, connect } = open();
  const { connection } = connect('ann');
  rooms.join(connection, 'a');
  rooms.join(connection, 'a');
  expect(rooms.sendToRoom('a', 1)).toBe(1);
  rooms.leave(connection, 'b');
  rooms.leave(connection, 'a');
  rooms.leave(connection, 'a');
  expect([rooms.sendToRoom('a', 1), rooms.rooms]).toEqual([0, 0]);
});

test('messages from before a member left still reach it, and later ones do not', async () => {
  const { rooms, connect } = open();
  const [client, other] = [connect(), connect()];
  for (const { connection } of [client, other]) rooms.join(connection, 'a');
  rooms.sendToRoom('a', 1);
  rooms.leave(client.connection, 'a');
  expect(client.data).toEqual([1]);
  rooms.sendToRoom('a', 2);
  await turns(4);
  expect([client.data, other.data]).toEqual([[1], [1, 2]]);
});

test('names and numbers of rooms have limits', () => {
  const { rooms, connect } = open();
  const { connection } = connect();
  for (const name of ['', undefined, 7, null]) {
    expect(() => rooms.join(connection, name)).toThrow('room must be the name of a room.');
    expect(() => rooms.leave(connection, name)).toThrow('room must be');
  }
  expect(() => rooms.join(connection, 'abcdef')).toThrow('The name of a room may have 5 characters at most.');
  rooms.join(connection, 'a');
  rooms.join(connection, 'b');
  expect(() => rooms.join(connection, 'c')).toThrow('A connection may be in 2 rooms at most.');
  rooms.join(connection, 'a');
  expect(rooms.rooms).toBe(2);
  expect(() => rooms.broadcast(undefined)).toThrow('a message must be a JSON value, not undefined');
});

test('a full socket is not written to until it has room; then it goes on where it was, in order', async () => {
  const { rooms, connect } = open();
  const [slow, fine] = [connect('slow'), connect()];
  for (const { connection } of [slow, fine]) rooms.join(connection, 'a');
  slow.reads = false;
  rooms.sendToRoom('a', 'x'.repeat(1100));
  await turns(4);
  expect(slow.writes).toHaveLength(1);
  for (let n = 0; n < 3; n++) {
    rooms.sendToRoom('a', n);
    rooms.broadcast(`to all ${n}`);
    await turns(4);
  }
  expect([slow.writes.length, fine.data.length]).toEqual([1, 7]);
  slow.resume();
  await turns(4);
  expect(slow.data.slice(1).filter((it) => typeof it === 'number')).toEqual([0, 1, 2]);
  expect(slow.data.slice(1).filter((it) => typeof it === 'string')).toEqual(['to all 0', 'to all 1', 'to all 2']);
  expect(slow.end).toBeUndefined();
});

test('a socket that is full for too many messages is closed, and its messages are freed', async () => {
  const { rooms, connect } = open();
  const [slow, fine] = [connect(), connect()];
  for (const { connection } of [slow, fine]) rooms.join(connection, 'a');
  slow.reads = false;
  for (let n = 0; n < 10; n++) {
    rooms.sendToRoom('a', 'x'.repeat(1100));
    await turns(4);
  }
  expect([slow.end, fine.data.length]).toEqual([undefined, 10]);
  slow.resume();
  await turns(4);
  expect([slow.end, slow.writes.length, rooms.connections]).toEqual(['lost', 1, 1]);
  // Alone in its room: no flush for other members notices what was dropped.
  const alone = connect();
  rooms.join(alone.connection, 'b');
  alone.reads = false;
  for (let n = 0; n < 10; n++) {
    rooms.sendToRoom('b', 'x'.repeat(1100));
    await turns(4);
  }
  alone.resume();
  await turns(4);
  expect([alone.end, rooms.rooms]).toEqual(['lost', 1]);
});

test('a socket without progress is closed in time, one with progress is not', async () => {
  const { rooms, connect } = open({ slowClientTimeout: 200 });
  const [stuck, moving] = [connect(), connect()];
  for (const client of [stuck, moving]) client.reads = false;
  rooms.broadcast('x'.repeat(1100));
  await turns(4);
  rooms.broadcast(1);
  const moves = setInterval(() => (moving.pending += 1), 20);
  onTestFinished(() => clearInterval(moves));
  await until(
    async () => stuck.end,
    (end) => end === 'slow',
  );
  expect([moving.end, rooms.connections]).toEqual([undefined, 1]);
  moving.resume();
  await turns(4);
  expect(moving.data.at(-1)).toBe(1);
});

test('a connection with a full socket may leave, join and disconnect', async () => {
  const { rooms, connect } = open();
  const slow = connect('slow');
  rooms.join(slow.connection, 'a');
  slow.reads = false;
  rooms.sendToRoom('a', 'x'.repeat(1100));
  await turns(4);
  rooms.sendToRoom('a', 1);
  await turns(4);
  rooms.leave(slow.connection, 'a');
  rooms.join(slow.connection, 'b');
  rooms.sendToRoom('b', 2);
  await turns(4);
  expect(slow.writes).toHaveLength(1);
  slow.resume();
  await turns(4);
  expect(slow.data.slice(1)).toEqual([2]);
  slow.reads = false;
  slow.pending = 2000;
  rooms.broadcast(3);
  await turns(4);
  rooms.disconnect(slow.connection);
  await turns(4);
  expect([rooms.connections, rooms.rooms, slow.data.slice(1)]).toEqual([0, 0, [2]]);
});

test('a buffer that is filled faster than it is flushed is cut, and connections that were not served are closed', async () => {
  const { rooms, connect } = open({ clientBuffer: 100_000_000 });
  const client = connect();
  const text = 'x'.repeat(1024 * 1024);
  for (let n = 0; n < 10; n++) rooms.broadcast(text);
  await turns(30);
  expect([client.end, client.writes.length]).toEqual(['lost', 0]);
});

test('presence: members are notified of joins and leaves, once for each user', async () => {
  const { rooms, connect } = open({ presence: 2 });
  const [ann, bob, anonymous] = [connect('ann'), connect('bob'), connect()];
  for (const { connection } of [ann, bob, anonymous]) rooms.join(connection, 'a');
  const annToo = connect('ann');
  rooms.join(annToo.connection, 'a');
  await turns(4);
  expect(ann.lines).toEqual(['{"type":"member_joined","room":"a","user_id":"bob"}']);
  expect(rooms.presenceOf('a')).toEqual({ type: 'presence', room: 'a', count: 2, members: ['ann', 'bob'] });
  const cat = connect('cat');
  rooms.join(cat.connection, 'a');
  expect(rooms.presenceOf('a')).toEqual({ type: 'presence', room: 'a', count: 3, members: ['ann', 'bob'] });
  rooms.disconnect(ann.connection);
  rooms.leave(bob.connection, 'a');
  rooms.disconnect(annToo.connection);
  await turns(4);
  const received = anonymous.lines.map((line) => JSON.parse(line) as { type: string; user_id: string });
  expect(received.map(({ type, user_id }) => `${type} ${user_id}`)).toEqual([
    'member_joined cat',
    'member_left bob',
    'member_left ann',
  ]);
  expect([rooms.members('a'), rooms.presenceOf('b')]).toEqual([['cat'], undefined]);
  expect(open().rooms.presenceOf('a')).toBeUndefined();
});
