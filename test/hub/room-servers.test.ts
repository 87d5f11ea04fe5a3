import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { RoomConnection } from '../../src/hub/rooms/members.ts';
import { Rooms } from '../../src/hub/rooms/rooms.ts';
import type { Sink } from '../../src/hub/subscription.ts';
import { ServerNetwork } from '../support/server-network.ts';
import { until } from '../support/wait.ts';

const ENCODING = { frame: (text: string) => Buffer.from(`${text}\n`) };
const LIMITS = { roomsPerConnection: 10, roomName: 20 };
const CHANNELS = { clientBuffer: 100_000, slowClientTimeout: 60_000 };

interface Message {
  readonly type: string;
  readonly data?: unknown;
  readonly user_id?: string;
}

class Client implements Sink {
  readonly pending = 0;
  readonly #written: string[] = [];
  connection!: RoomConnection;

  write(bytes: Buffer): void {
    this.#written.push(String(bytes));
  }

  ended(): void {}

  get messages(): readonly Message[] {
    const lines = this.#written.join('').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Message);
  }

  /** Waits for as many messages. */
  received(count: number): Promise<readonly Message[]> {
    return until(
      async () => this.messages,
      ({ length }) => length >= count,
    );
  }
}

function openServer(network: ServerNetwork, name: string, { heartbeat = 20, maxSilence = 100_000 } = {}) {
  const messages = network.join(name);
  const servers = { messages, topic: 'rooms/ws', heartbeat, maxSilence };
  const rooms = new Rooms({ channels: CHANNELS, limits: LIMITS, presence: 100, servers });
  onTestFinished(() => rooms.close());
  const connect = (user?: string, ...joined: string[]) => {
    const client = new Client();
    client.connection = rooms.connect(client, { encoding: ENCODING, user });
    for (const room of joined) rooms.join(client.connection, room);
    return client;
  };
  return { messages, rooms, connect };
}

type TestServer = ReturnType<typeof openServer>;

function openTwo(timing?: { heartbeat?: number; maxSilence?: number }) {
  const network = new ServerNetwork();
  const servers = ['one', 'other'].map((name) => openServer(network, name, timing)) as [TestServer, TestServer];
  return { network, one: servers[0], other: servers[1] };
}

test('a message reaches the members of a room, a user and all at every server, and the count is of the own connections', async () => {
  const { one, other } = openTwo();
  const [ann, bob] = [one.connect('ann', 'a'), other.connect('bob', 'a')];
  expect(one.rooms.sendToRoom('a', 'room')).toBe(1);
  expect(one.rooms.sendToUser('bob', 'user')).toBe(0);
  expect(one.rooms.broadcast('all')).toBe(1);
  const data = (messages: readonly Message[]) =>
    messages.flatMap(({ type, data: sent }) => (type === 'message' ? [sent] : [])).toSorted();
  await bob.received(3);
  expect(data(bob.messages)).toEqual(['all', 'room', 'user']);
  // Ann also sees that bob comes.
  expect(data(await ann.received(3))).toEqual(['all', 'room']);
});

test('users at all servers are members, and come and go once each', async () => {
  const { one, other } = openTwo();
  const watcher = one.connect(undefined, 'a');
  const first = other.connect('ann', 'a');
  const second = other.connect('ann', 'a');
  const third = one.connect('ann', 'a');
  one.connect('bob', 'a');
  for (const { rooms } of [one, other]) {
    await until(
      async () => rooms.members('a'),
      ({ length }) => length === 2,
    );
    expect(rooms.presenceOf('a')).toEqual({ type: 'presence', room: 'a', count: 2, members: ['ann', 'bob'] });
  }
  other.rooms.disconnect(first.connection);
  one.rooms.disconnect(third.connection);
  expect(one.rooms.members('a')).toEqual(['ann', 'bob']);
  other.rooms.disconnect(second.connection);
  for (const { rooms } of [one, other]) expect(rooms.members('a')).toEqual(['bob']);
  expect((await watcher.received(3)).map(({ type, user_id }) => `${type} ${user_id}`)).toEqual([
    'member_joined ann',
    'member_joined bob',
    'member_left ann',
  ]);
});

test('a server that starts learns of the members of the others, and one that stops takes its own with it', async () => {
  const { network, one, other } = openTwo();
  one.connect('ann', 'a');
  other.connect('bob', 'a', 'b');
  const late = openServer(network, 'late');
  const members = async () => [late.rooms.members('a').toSorted(), late.rooms.members('b')];
  await until(members, ([a]) => a?.length === 2);
  expect(await members()).toEqual([['ann', 'bob'], ['bob']]);
  other.rooms.close();
  expect(await members()).toEqual([['ann'], []]);
  expect([...late.rooms.list()].map(({ name }) => name)).toEqual(['a']);
});

test('a server that says nothing any more takes its members with it', async () => {
  const { network, one, other } = openTwo({ heartbeat: 20, maxSilence: 200 });
  const watcher = one.connect(undefined, 'a');
  other.connect('bob', 'a');
  await watcher.received(1);
  network.cut(other.messages);
  expect((await watcher.received(2)).map(({ type }) => type)).toEqual(['member_joined', 'member_left']);
  expect(one.rooms.members('a')).toEqual([]);
});

test('servers agree on the members of every room, also when changes are lost', async () => {
  const step = fc.record({ server: fc.nat(2), user: fc.nat(3), room: fc.nat(2), isLost: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const network = new ServerNetwork();
      const servers = ['0', '1', '2'].map((name) => openServer(network, name));
      const open = new Map<string, { readonly at: number; readonly client: Client }>();
      for (const { server, user, room, isLost } of steps) {
        network.loses = () => isLost;
        const key = `${server} ${user} ${room}`;
        const connected = open.get(key);
        const at = servers[server] as TestServer;
        if (connected === undefined) open.set(key, { at: server, client: at.connect(`u${user}`, `r${room}`) });
        else at.rooms.disconnect(connected.client.connection);
        if (connected !== undefined) open.delete(key);
      }
      network.loses = () => false;
      const expected = [0, 1, 2].map((room) => {
        const users = [...open.keys()].filter((key) => key.endsWith(` ${room}`)).map((key) => `u${key.split(' ')[1]}`);
        return [...new Set(users)].toSorted();
      });
      const found = async () =>
        servers.map(({ rooms }) => [0, 1, 2].map((room) => rooms.members(`r${room}`).toSorted()));
      const all = JSON.stringify([expected, expected, expected]);
      await until(found, (members) => JSON.stringify(members) === all, { what: all });
      for (const { rooms } of servers) rooms.close();
    }),
    { numRuns: 15 },
  );
});
