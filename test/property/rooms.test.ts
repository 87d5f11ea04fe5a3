import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RoomConnection } from '../../src/hub/rooms/members.ts';
import { Rooms } from '../../src/hub/rooms/rooms.ts';
import type { Sink } from '../../src/hub/subscription.ts';
import { turns } from '../support/engine.ts';

const ROOMS = ['a', 'b'];
const CLIENTS = 3;
const ENCODINGS = [0, 1].map(() => ({ frame: (text: string) => Buffer.from(`${text}\n`) })) as [Plain, Plain];
type Plain = { frame(text: string): Buffer };

/** Messages that one client must receive while it is a member of one room. */
interface Stay {
  readonly expected: number[];
  /** True when the socket was full as it left, or was closed: messages that were not written yet are lost. */
  mayLack: boolean;
}

class Client implements Sink {
  pending = 0;
  reads = true;
  isOpen = true;
  readonly told: number[] = [];
  readonly stays: Stay[] = [];
  readonly open = new Map<string, Stay>();
  guest!: RoomConnection;

  write(bytes: Buffer): void {
    expect(this.isOpen).toBe(true);
    if (!this.reads) this.pending += bytes.length;
    for (const line of String(bytes).trimEnd().split('\n')) this.told.push((JSON.parse(line) as { data: number }).data);
  }

  ended(): void {
    this.isOpen = false;
    for (const key of this.open.keys()) this.end(key, true);
  }

  resume(): void {
    this.reads = true;
    this.pending = 0;
    this.guest.drained();
  }

  begin(key: string): void {
    if (this.open.has(key)) return;
    const stay = { expected: [], mayLack: false };
    this.open.set(key, stay);
    this.stays.push(stay);
  }

  end(key: string, mayLack: boolean): void {
    const stay = this.open.get(key);
    if (stay !== undefined) stay.mayLack = mayLack;
    this.open.delete(key);
  }
}

const client = fc.nat(CLIENTS - 1);
const room = fc.constantFrom(...ROOMS);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('join' as const), client, room }) },
  fc.record({ type: fc.constant('leave' as const), client, room }),
  { weight: 8, arbitrary: fc.record({ type: fc.constant('send' as const), room }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('broadcast' as const) }) },
  fc.record({ type: fc.constant('user' as const), client }),
  { weight: 2, arbitrary: fc.record({ type: fc.constant('stall' as const), client }) },
  fc.record({ type: fc.constant('resume' as const), client }),
  fc.record({ type: fc.constant('disconnect' as const), client: fc.constant(0) }),
  { weight: 8, arbitrary: fc.record({ type: fc.constant('turn' as const) }) },
);

test('a member receives exactly the messages of its membership, in order; a closed one a part without gaps', {
  retry: 0,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80, size: 'max' }), async (steps) => {
      const channels = { clientBuffer: 30, slowClientTimeout: 60_000 };
      const rooms = new Rooms({ channels, limits: { roomsPerConnection: 10, roomName: 10 } });
      const clients = Array.from({ length: CLIENTS }, (_, index) => {
        const made = new Client();
        made.guest = rooms.connect(made, { encoding: ENCODINGS[(index % 2) as 0 | 1], user: `u${index % 2}` });
        made.begin('all');
        made.begin(`user ${index % 2}`);
        return made;
      });
      let next = 0;
      const expectAt = (key: string) => {
        for (const { open } of clients) open.get(key)?.expected.push(next);
        return next++;
      };
      for (const it of steps) {
        const one = 'client' in it ? (clients[it.client] as Client) : undefined;
        if (one?.isOpen === false) continue;
        if (it.type === 'send') {
          const count = clients.filter(({ open }) => open.has(it.room)).length;
          expect(rooms.sendToRoom(it.room, expectAt(it.room))).toBe(count);
        } else if (it.type === 'broadcast') rooms.broadcast(expectAt('all'));
        else if (it.type === 'user') rooms.sendToUser(`u${it.client % 2}`, expectAt(`user ${it.client % 2}`));
        else if (it.type === 'turn') await turns(2);
        else if (it.type === 'stall') (one as Client).reads = false;
        else if (it.type === 'resume') one?.resume();
        else if (it.type === 'join') {
          rooms.join((one as Client).guest, it.room);
          one?.begin(it.room);
        } else if (it.type === 'leave') {
          rooms.leave((one as Client).guest, it.room);
          one?.end(it.room, !one.reads);
        } else if (one !== undefined) {
          rooms.disconnect(one.guest);
          one.ended();
        }
      }
      for (const one of clients) if (one.isOpen) one.resume();
      await turns(10);
      for (const { told, stays } of clients) {
        for (const { expected, mayLack } of stays) {
          const got = told.filter((message) => expected.includes(message));
          expect(got).toEqual(mayLack ? expected.slice(0, got.length) : expected);
        }
        expect(new Set(told).size).toBe(told.length);
        const all = stays.flatMap(({ expected }) => expected);
        expect(told.filter((message) => !all.includes(message))).toEqual([]);
      }
      expect(rooms.rooms).toBe(ROOMS.filter((name) => clients.some(({ open }) => open.has(name))).length);
      expect(rooms.connections).toBe(clients.filter(({ isOpen }) => isOpen).length);
    }),
    { numRuns: 300 },
  );
});
