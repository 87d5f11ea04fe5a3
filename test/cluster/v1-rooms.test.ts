import { describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { bearer } from '../support/auth-app.ts';
import type { Json } from '../support/frames.ts';
import { ask } from '../support/http.ts';
import { reason, unreachable } from '../support/postgres/server.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';
import { V1_KINDS, V1Client, type V1Options } from '../support/v1-client.ts';
import { askToJoinV1, outcomeOf, sendV1 } from '../support/v1-rooms.ts';
import { until } from '../support/wait.ts';
import { Cluster, type ClusterNode } from './nodes.ts';
import { enter, members, startTwo, tell } from './room-servers.ts';

const MESSAGES = 40;

async function openAt(cluster: Cluster, node: ClusterNode, options: V1Options): Promise<V1Client> {
  const client = await V1Client.open(cluster.url(node, '').replace(/\/$/, ''), options);
  onTestFinished(() => client[Symbol.dispose]());
  return client;
}

/** Messages of a room that a client has received, in order. */
const heard = (client: V1Client, room: string) =>
  client.of(room).flatMap(({ type, data }) => (type === 'message' ? [data as Json] : []));

/** Waits until a client has received as many messages of a room. */
const heardAll = (client: V1Client, room: string, count: number) =>
  until(
    async () => heard(client, room),
    (all) => all.length >= count,
    { what: `${count} messages` },
  );

describe.skipIf(unreachable !== undefined)(`rooms of two servers over protocol v1${reason}`, () => {
  test('are one room, whatever the members are connected by', { timeout: 180_000 }, async () => {
    await using cluster = await startTwo();
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    using old = await enter(cluster, one, 'old', 'a');
    // The next member is at the other server, which has to know of those before.
    const knowAll = async (users: readonly string[]) => {
      for (const { server } of cluster.nodes) {
        await until(
          async () => (JSON.parse(await members({ server } as ClusterNode, 'a')) as string[]).toSorted().join(),
          (text) => text === users.toSorted().join(),
          { what: `members ${users}` },
        );
      }
    };
    await knowAll(['old']);
    const clients: V1Client[] = [];
    for (const [index, kind] of V1_KINDS.entries()) {
      const node = index % 2 === 0 ? other : one;
      const client = await openAt(cluster, node, { kind, user: kind });
      expect(await askToJoinV1(client, 'a')).toEqual({ type: 'subscribed', id: 'a' });
      clients.push(client);
      await knowAll(['old', ...V1_KINDS.slice(0, index + 1)]);
      const { count } = await client.next({ type: 'presence' });
      expect(count).toBe(index + 2);
      expect(await old.control('member_joined')).toMatchObject({ room: 'a', user_id: kind });
    }
    // Each sends through a flow of its own server, all at once: messages of one sender keep their order everywhere.
    const sent = clients.map(async (client, by) => {
      const answers = Array.from({ length: MESSAGES }, (_, n) => sendV1(client, n, { room: 'a', by, n }));
      expect((await Promise.all(answers)).map(({ type }) => type)).toEqual(answers.map(() => 'ack'));
    });
    await Promise.all(sent);
    const numbers = Array.from({ length: MESSAGES }, (_, n) => n);
    for (const client of clients) {
      const all = await heardAll(client, 'a', MESSAGES * clients.length);
      for (const by of clients.keys()) {
        expect(all.filter((data) => data.by === by).map(({ n }) => n)).toEqual(numbers);
      }
    }
    const [first, second] = clients as [V1Client, V1Client];
    for (const client of [first, second]) {
      client.send({ type: 'subscribe', id: 'all', connector: '/ws' });
      await client.next({ type: 'subscribed', id: 'all' });
    }
    await tell(one, { to: 'all', data: { to: 'all' } });
    await tell(one, { to: 'user', name: 'json', data: { to: 'json' } });
    expect(await heardAll(first, 'all', 2)).toEqual([{ to: 'all' }, { to: 'json' }]);
    expect(await heardAll(second, 'all', 1)).toEqual([{ to: 'all' }]);
    first.send({ type: 'unsubscribe', id: 'a' });
    await first.next({ type: 'unsubscribed', id: 'a' });
    expect(await second.next({ type: 'member_left' })).toMatchObject({ s: ['a'], user_id: 'json' });
    expect(await old.control('member_left')).toMatchObject({ user_id: 'json' });
  });

  test('lose the members of a server that dies, and its clients join again', { timeout: 180_000 }, async () => {
    await using cluster = await startTwo();
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    const ann = await openAt(cluster, one, { user: 'ann' });
    await askToJoinV1(ann, 'a');
    const client = connect(cluster.url(other, ''), { userId: 'bob' });
    onTestFinished(() => client.close());
    const received: unknown[] = [];
    const rooms = client.rooms('ws', { onMessage: (data) => void received.push(data) });
    await rooms.join('a');
    expect(await ann.next({ type: 'member_joined' })).toMatchObject({ user_id: 'bob' });
    await other.server.kill();
    const queued = rooms.send({ room: 'a', text: 'from bob' });
    // Nothing says that it has died: the other server waits for a sign of life.
    expect(await ann.next({ type: 'member_left' }, 40_000)).toMatchObject({ user_id: 'bob' });
    await other.server.restart();
    expect(await ann.next({ type: 'member_joined' }, 60_000)).toMatchObject({ user_id: 'bob' });
    await until(
      async () => [...rooms.members('a')].toSorted().join(),
      (text) => text === 'ann,bob',
      { what: 'both members' },
    );
    await queued;
    expect(await ann.next({ type: 'message' })).toMatchObject({ data: { text: 'from bob' } });
    await tell(one, { to: 'room', name: 'a', data: 'from ann' });
    await until(
      async () => received,
      (all) => all.includes('from ann'),
      { what: 'the message' },
    );
  });

  test('are left by a member that loses the right by a write at the other server', { timeout: 180_000 }, async () => {
    await using cluster = await Cluster.start(2, {
      schema: `type Board @table @export @access(read: "authenticated") { id: ID! @primaryKey ownerId: ID }`,
      config: `auth: {jwt: {secret: ${SECRET}}}
rooms:
  "board:{id}": {record: Board, join: ownerId==$auth.sub, presence: ownerId==$auth.sub, send: anyone}
  lobby: {join: anyone, send: anyone}
connectors: {ws: {type: websocket, presence: true}}
`,
    });
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    const admin = bearer(tokenOf('root', { roles: ['admin'] }));
    const give = (node: ClusterNode, ownerId: string) =>
      ask('PUT', cluster.url(node, 'Board/1'), { json: { ownerId }, ...admin });
    expect((await give(one, 'bob')).status).toBe(201);
    for (const [index, kind] of V1_KINDS.entries()) {
      const bob = await openAt(cluster, other, { kind, token: tokenOf('bob') });
      await until(
        async () => outcomeOf(await askToJoinV1(bob, 'board:1')),
        (outcome) => outcome === 'subscribed',
        { what: 'the right to join' },
      );
      expect(outcomeOf(await askToJoinV1(bob, 'lobby'))).toBe('subscribed');
      await give(index % 2 === 0 ? one : other, 'ann');
      const { problem } = await bob.messages.next(({ type, id }) => type === 'error' && id === 'board:1');
      expect(problem).toMatchObject({ code: 'FORBIDDEN' });
      expect(outcomeOf(await askToJoinV1(bob, 'board:1'))).toBe('FORBIDDEN');
      await give(one, 'bob');
    }
  });
});
