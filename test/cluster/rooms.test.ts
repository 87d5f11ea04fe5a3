import { describe, expect, test } from 'vitest';
import { ask } from '../support/http.ts';
import { reason, unreachable } from '../support/postgres/server.ts';
import { SseClient } from '../support/sse-client.ts';
import { meanwhile, until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';
import type { ClusterNode } from './nodes.ts';
import { enter, members, startTwo, tell } from './room-servers.ts';

describe.skipIf(unreachable !== undefined)(`rooms of two servers on one schema${reason}`, () => {
  test('are one room to their members: messages, joins, leaves and lists', { timeout: 120_000 }, async () => {
    await using cluster = await startTwo();
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    using ann = await enter(cluster, one, 'ann', 'a');
    await until(
      () => members(other, 'a'),
      (text) => text === '["ann"]',
    );
    using bob = await enter(cluster, other, 'bob', 'a');
    expect(await bob.control('presence')).toMatchObject({ count: 2, members: ['ann', 'bob'] });
    expect(await ann.control('member_joined')).toMatchObject({ room: 'a', user_id: 'bob' });
    using stream = await SseClient.open(cluster.url(one, 'events?room=a'));
    await stream.next();
    // A flow sends what the client says to the room, wherever its members are.
    ann.send({ type: 'message', data: { room: 'a', text: 'hello' } });
    expect(await bob.control('message')).toMatchObject({ room: 'a', data: { text: 'hello' } });
    for (const [to, name] of [
      ['room', 'a'],
      ['user', 'bob'],
      ['all', ''],
    ]) {
      await tell(one, { to, name, data: to });
      expect(await bob.control('message')).toMatchObject({ data: to });
    }
    await tell(other, { to: 'stream', name: 'a', data: 'streamed' });
    expect((await stream.next()).data).toContain('streamed');
    // Larger than one notification of PostgreSQL, with characters of all lengths.
    const text = 'aß€😀'.repeat(20_000);
    await tell(one, { to: 'room', name: 'a', data: { text } });
    expect((await bob.control('message')).data).toEqual({ text });
    const elsewhere = meanwhile(() =>
      Promise.all(Array.from({ length: 200 }, (_, n) => tell(one, { to: 'room', name: 'b', data: n }))),
    );
    bob.send({ type: 'leave_room', room: 'a' });
    expect(await ann.control('member_left')).toMatchObject({ room: 'a', user_id: 'bob' });
    expect(await members(one, 'a')).toBe('["ann"]');
    await elsewhere;
  });

  test('keep messages of one sender in their order', { timeout: 120_000 }, async () => {
    await using cluster = await startTwo();
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    using ann = await enter(cluster, one, 'ann', 'a');
    using bob = await enter(cluster, other, 'bob', 'a');
    // Of one, two and several notifications of PostgreSQL, and together less than a client may be behind.
    const pads = ['', 'x'.repeat(9000), '€'.repeat(6000)];
    for (let n = 0; n < 90; n++) ann.send({ type: 'message', data: { room: 'a', n, pad: pads[n % 3] } });
    for (const client of [ann, bob]) {
      const found: unknown[] = [];
      while (found.length < 90) {
        const { data } = await client.control('message');
        found.push((data as { n: number }).n);
      }
      expect(found).toEqual(Array.from({ length: 90 }, (_, n) => n));
    }
  });

  test('lose the members of a server that dies, and of one that stops', { timeout: 120_000 }, async () => {
    await using cluster = await startTwo();
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    using ann = await enter(cluster, one, 'ann', 'a');
    using bob = await enter(cluster, other, 'bob', 'a');
    expect(await ann.control('member_joined')).toMatchObject({ user_id: 'bob' });
    await other.server.kill();
    // Nothing says so: other servers wait for a sign of life.
    expect(await ann.control('member_left', undefined, 40_000)).toMatchObject({ user_id: 'bob' });
    expect(await members(one, 'a')).toBe('["ann"]');
    await other.server.restart();
    // A server that has just started asks the others for their members.
    await expect.poll(() => members(other, 'a')).toBe('["ann"]');
    using bobAgain = await enter(cluster, other, 'bob', 'a');
    expect(await bobAgain.control('presence')).toMatchObject({ count: 2 });
    expect(await ann.control('member_joined')).toMatchObject({ user_id: 'bob' });
    await other.server.stop();
    expect(await ann.control('member_left')).toMatchObject({ user_id: 'bob' });
    expect(bob.isOpen).toBe(false);
  });

  test('go on after the connections to the database were lost', { timeout: 120_000 }, async () => {
    await using cluster = await startTwo();
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    using ann = await enter(cluster, one, 'ann', 'a');
    using bob = await enter(cluster, other, 'bob', 'a');
    await ann.control('member_joined');
    for (const { proxy } of cluster.nodes) proxy.breakAll();
    // What is sent meanwhile is lost, and changes of the members are found.
    using cat = await enter(cluster, other, 'cat', 'a');
    expect(await ann.control('member_joined', undefined, 40_000)).toMatchObject({ user_id: 'cat' });
    await tell(one, { to: 'room', name: 'a', data: 'again' });
    for (const client of [bob, cat]) {
      expect(await client.controls.next(({ data }) => (data as unknown) === 'again')).toMatchObject({
        type: 'message',
      });
    }
  });

  test('a published message of a table reaches subscribers of both', { timeout: 120_000 }, async () => {
    await using cluster = await startTwo();
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    await ask('PUT', cluster.url(one, 'Note/a'), { json: { text: 'x' } });
    using table = await WsClient.subscribe(cluster.url(other, 'Note').replace('http', 'ws'));
    using record = await WsClient.subscribe(cluster.url(other, 'Note/a').replace('http', 'ws'));
    const sent = await ask('POST', cluster.url(one, 'Note/a?publish=true'), { json: { text: 'typing' } });
    expect(sent.status).toBe(202);
    for (const client of [table, record]) {
      const frame = await client.next(({ message_type }) => message_type === 'Publish');
      expect(frame).toMatchObject({ id: 'a', data: { text: 'typing' } });
    }
  });
});
