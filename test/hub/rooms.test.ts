import { expect, onTestFinished, test } from 'vitest';
import type { RoomConnection } from '../../src/hub/rooms/members.ts';
import { Rooms, type RoomsOptions } from '../../src/hub/rooms/rooms.ts';
import type { EndReason, Sink } from '../../src/hub/subscription.ts';
import { until } from '../support/wait.ts';
import { turns } from './hub-harness.ts';

const ENCODING = { frame: (text: string) => Buffer.from(`${text}\n`) };
const OTHER = { frame: (text: string) => Buffer.from(`~${text}\n`) };

/** Remembers what it is told. It takes everything at once, or nothing until it is told to. */
class Client implements Sink {
  pending = 0;
  reads = true;
  end: EndReason | undefined;
  readonly writes: string[] = [];
  guest!: RoomConnection;

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
    this.guest.drained();
  }

  get lines(): string[] {
    return this.writes.join('').split('\n').slice(0, -1);
  }

  /** `data` of each message. */
  get data(): unknown[] {
    return this.lines.map((line) => (JSON.parse(line.replace('~', '')) as { data: unknown }).data);
  }
}

interface Options extends Partial<Pick<RoomsOptions, 'presence'>> {
  readonly clientBuffer?: number;
  readonly slowClientTimeout?: number;
}

function open({ clientBuffer = 1000, slowClientTimeout = 60_000, presence }: Options = {}) {
  const limits = { roomsPerConnection: 2, roomName: 5 };
  const rooms = new Rooms({ channels: { clientBuffer, slowClientTimeout }, limits, presence });
  onTestFinished(() => rooms.close());
  const connect = (user?: string, encoding = ENCODING) => {
    const client = new Client();
    client.guest = rooms.connect(client, { encoding, user });
    return client;
  };
  return { rooms, connect };
}

test('S1.14, S1.15, S1.17: a message goes to all, to the members of a room, or to the connections of a user', async () => {
  const { rooms, connect } = open();
  const [ann, annToo, bob, nobody] = [connect('ann'), connect('ann'), connect('bob'), connect()];
  rooms.join(ann.guest, 'a');
  rooms.join(nobody.guest, 'a');
  expect([rooms.broadcast(1), rooms.sendToRoom('a', 2), rooms.sendToUser('ann', 3)]).toEqual([4, 2, 2]);
  expect([rooms.sendToRoom('b', 9), rooms.sendToUser('eve', 9)]).toEqual([0, 0]);
  await turns(20);
  // Between those who are told there is no order: a sweep that was interrupted goes on behind the others.
  const told = [ann, annToo, bob, nobody].map(({ data }) => data.toSorted());
  expect(told).toEqual([[1, 2, 3], [1, 3], [1], [1, 2]]);
  expect(ann.lines.toSorted()).toEqual([
    '{"type":"message","data":1}',
    '{"type":"message","data":2,"room":"a"}',
    '{"type":"message","data":3}',
  ]);
});

test('what is said to a room in one go is one write, of bytes that its members share', async () => {
  const { rooms, connect } = open();
  const clients = [connect(), connect(), connect('x', OTHER)];
  for (const { guest } of clients) rooms.join(guest, 'a');
  for (let n = 0; n < 5; n++) rooms.sendToRoom('a', n);
  await turns(4);
  for (const { writes, data } of clients) expect([writes.length, data]).toEqual([1, [0, 1, 2, 3, 4]]);
  expect(clients[2]?.lines[0]).toMatch(/^~/);
});

test('S1.21: whoever disconnects leaves all rooms, and what is empty is freed', async () => {
  const { rooms, connect } = open();
  const clients = ['ann', 'ann', 'bob'].map((user) => connect(user));
  for (const { guest } of clients) for (const room of ['a', 'b']) rooms.join(guest, room);
  expect([rooms.connections, rooms.rooms, rooms.users]).toEqual([3, 2, 2]);
  const [first, second, third] = clients as [Client, Client, Client];
  rooms.disconnect(first.guest);
  rooms.disconnect(first.guest);
  expect([rooms.members('a'), rooms.connections]).toEqual([['ann', 'bob'], 2]);
  rooms.broadcast(1);
  rooms.sendToRoom('a', 2);
  await turns(4);
  expect([first.data, second.data]).toEqual([[], [1, 2]]);
  for (const { guest } of [second, third]) rooms.disconnect(guest);
  expect([rooms.connections, rooms.rooms, rooms.users]).toEqual([0, 0, 0]);
  rooms.join(first.guest, 'c');
  expect(rooms.rooms).toBe(0);
});

test('S1.7: joining twice and leaving what was not joined change nothing', () => {
  const { rooms, connect } = open();
  const { guest } = connect('ann');
  rooms.join(guest, 'a');
  rooms.join(guest, 'a');
  expect(rooms.sendToRoom('a', 1)).toBe(1);
  rooms.leave(guest, 'b');
  rooms.leave(guest, 'a');
  rooms.leave(guest, 'a');
  expect([rooms.sendToRoom('a', 1), rooms.rooms]).toEqual([0, 0]);
});

test('what was said before a member left still reaches it, and nothing after', async () => {
  const { rooms, connect } = open();
  const [client, other] = [connect(), connect()];
  for (const { guest } of [client, other]) rooms.join(guest, 'a');
  rooms.sendToRoom('a', 1);
  rooms.leave(client.guest, 'a');
  expect(client.data).toEqual([1]);
  rooms.sendToRoom('a', 2);
  await turns(4);
  expect([client.data, other.data]).toEqual([[1], [1, 2]]);
});

test('S1.8: names and numbers of rooms have limits', () => {
  const { rooms, connect } = open();
  const { guest } = connect();
  for (const name of ['', undefined, 7, null]) {
    expect(() => rooms.join(guest, name)).toThrow('room must be the name of a room.');
    expect(() => rooms.leave(guest, name)).toThrow('room must be');
  }
  expect(() => rooms.join(guest, 'abcdef')).toThrow('The name of a room may have 5 characters at most.');
  rooms.join(guest, 'a');
  rooms.join(guest, 'b');
  expect(() => rooms.join(guest, 'c')).toThrow('A connection may be in 2 rooms at most.');
  rooms.join(guest, 'a');
  expect(rooms.rooms).toBe(2);
  expect(() => rooms.broadcast(undefined)).toThrow('a message is what is JSON, not undefined');
});

test('one that is full is not written to until it has room; then it goes on where it was, in order', async () => {
  const { rooms, connect } = open();
  const [slow, fine] = [connect('slow'), connect()];
  for (const { guest } of [slow, fine]) rooms.join(guest, 'a');
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

test('one that is full for too many messages is closed, and what was kept for it is freed', async () => {
  const { rooms, connect } = open();
  const [slow, fine] = [connect(), connect()];
  for (const { guest } of [slow, fine]) rooms.join(guest, 'a');
  slow.reads = false;
  for (let n = 0; n < 10; n++) {
    rooms.sendToRoom('a', 'x'.repeat(1100));
    await turns(4);
  }
  expect([slow.end, fine.data.length]).toEqual([undefined, 10]);
  slow.resume();
  await turns(4);
  expect([slow.end, slow.writes.length, rooms.connections]).toEqual(['lost', 1, 1]);
  // Alone in its room: there is nobody whose sweep would tell what was dropped.
  const alone = connect();
  rooms.join(alone.guest, 'b');
  alone.reads = false;
  for (let n = 0; n < 10; n++) {
    rooms.sendToRoom('b', 'x'.repeat(1100));
    await turns(4);
  }
  alone.resume();
  await turns(4);
  expect([alone.end, rooms.rooms]).toEqual(['lost', 1]);
});

test('one that makes no progress is closed in time, one that does is not', async () => {
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

test('one that is full may leave, join and disconnect', async () => {
  const { rooms, connect } = open();
  const slow = connect('slow');
  rooms.join(slow.guest, 'a');
  slow.reads = false;
  rooms.sendToRoom('a', 'x'.repeat(1100));
  await turns(4);
  rooms.sendToRoom('a', 1);
  await turns(4);
  rooms.leave(slow.guest, 'a');
  rooms.join(slow.guest, 'b');
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
  rooms.disconnect(slow.guest);
  await turns(4);
  expect([rooms.connections, rooms.rooms, slow.data.slice(1)]).toEqual([0, 0, [2]]);
});

test('a run that no sweep gets ahead of is cut, and who was not served in time is closed', async () => {
  const { rooms, connect } = open({ clientBuffer: 100_000_000 });
  const client = connect();
  const text = 'x'.repeat(1024 * 1024);
  for (let n = 0; n < 10; n++) rooms.broadcast(text);
  await turns(30);
  expect([client.end, client.writes.length]).toEqual(['lost', 0]);
});

test('presence: members are told who comes and goes, each user once', async () => {
  const { rooms, connect } = open({ presence: 2 });
  const [ann, bob, nobody] = [connect('ann'), connect('bob'), connect()];
  for (const { guest } of [ann, bob, nobody]) rooms.join(guest, 'a');
  const annToo = connect('ann');
  rooms.join(annToo.guest, 'a');
  await turns(4);
  expect(ann.lines).toEqual(['{"type":"member_joined","room":"a","user_id":"bob"}']);
  expect(rooms.presenceOf('a')).toEqual({ type: 'presence', room: 'a', count: 2, members: ['ann', 'bob'] });
  const cat = connect('cat');
  rooms.join(cat.guest, 'a');
  expect(rooms.presenceOf('a')).toEqual({ type: 'presence', room: 'a', count: 3, members: ['ann', 'bob'] });
  rooms.disconnect(ann.guest);
  rooms.leave(bob.guest, 'a');
  rooms.disconnect(annToo.guest);
  await turns(4);
  const told = nobody.lines.map((line) => JSON.parse(line) as { type: string; user_id: string });
  expect(told.map(({ type, user_id }) => `${type} ${user_id}`)).toEqual([
    'member_joined cat',
    'member_left bob',
    'member_left ann',
  ]);
  expect([rooms.members('a'), rooms.presenceOf('b')]).toEqual([['cat'], undefined]);
  expect(open().rooms.presenceOf('a')).toBeUndefined();
});
