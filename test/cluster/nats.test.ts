import { describe, expect, onTestFinished, test } from 'vitest';
import { ask } from '../support/http.ts';
import { NATS_PORT, natsUnreachable } from '../support/nats.ts';
import { reason, unreachable } from '../support/postgres/server.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';
import { Cluster, type ClusterNode } from './nodes.ts';

const CONFIG = `connectors:
  ws: {type: websocket, path: /ws, presence: true}
flows:
  said:
    from: {connector: ws, operation: message}
    transform: {n: input.n}
    to: {connector: ws, operation: send_to_room, target: "'a'"}
cluster:
  poll: 60s
  nats: \${NATS_URL}
`;

interface NatsCluster {
  readonly cluster: Cluster;
  /** Ways of the servers to NATS. */
  readonly ways: readonly [TcpProxy, TcpProxy];
}

/** Two servers, each with a way of its own to NATS, that look at the log by themselves once a minute. */
async function start(): Promise<NatsCluster> {
  const ways = [await TcpProxy.open(NATS_PORT), await TcpProxy.open(NATS_PORT)] as const;
  const env = (index: number) => ({ NATS_URL: `nats://127.0.0.1:${ways[index]?.port}` });
  const cluster = await Cluster.start(2, { config: CONFIG, env });
  onTestFinished(async () => {
    await cluster[Symbol.asyncDispose]();
    for (const way of ways) await way[Symbol.asyncDispose]();
  }, 60_000);
  await areConnected(cluster, [1, 1]);
  return { cluster, ways };
}

const areConnected = (cluster: Cluster, expected: readonly number[]) =>
  until(
    () => Promise.all(cluster.nodes.map(({ server }) => server.metric(/^tablecast_nats_connected\{/))),
    (found) => String(found) === String(expected),
  );

async function enter(cluster: Cluster, node: ClusterNode, user: string): Promise<WsClient> {
  const client = await WsClient.open(`${cluster.url(node, 'ws').replace('http', 'ws')}?user_id=${user}`);
  client.send({ type: 'join_room', room: 'a' });
  await client.control('joined');
  return client;
}

/** Writes at one server, and expects the change at a subscriber of the other. */
async function expectChange(cluster: Cluster, from: ClusterNode, client: WsClient, id: string): Promise<void> {
  const answer = await ask('PUT', cluster.url(from, `Note/${id}`), { json: { run: 'r', token: id } });
  expect(answer.status).toBe(201);
  expect(await client.next()).toMatchObject({ id });
}

async function expectMessages(from: WsClient, clients: readonly WsClient[], first: number): Promise<void> {
  const expected = Array.from({ length: 20 }, (_, i) => first + i);
  for (const n of expected) from.send({ type: 'message', data: { n } });
  for (const client of clients) {
    const found: unknown[] = [];
    while (found.length < expected.length) found.push(((await client.control('message')).data as { n: number }).n);
    expect(found).toEqual(expected);
  }
}

describe.skipIf(unreachable !== undefined || natsUnreachable !== undefined)(`two servers with NATS${reason}`, () => {
  test('notify each other by NATS alone, and share rooms', { timeout: 120_000 }, async () => {
    const { cluster } = await start();
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    using socket = await WsClient.subscribe(cluster.url(other, 'Note').replace('http', 'ws'));
    using ann = await enter(cluster, one, 'ann');
    using bob = await enter(cluster, other, 'bob');
    await ann.control('member_joined');
    for (const { proxy } of cluster.nodes) proxy.swallowsBells = true;
    for (const id of ['a', 'b', 'c']) await expectChange(cluster, one, socket, id);
    await expectMessages(ann, [ann, bob], 0);
    await expectMessages(bob, [ann, bob], 100);
  });

  test('go on by the database while NATS is away for both, or for one, and return', { timeout: 180_000 }, async () => {
    const { cluster, ways } = await start();
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    using socket = await WsClient.subscribe(cluster.url(other, 'Note').replace('http', 'ws'));
    using back = await WsClient.subscribe(cluster.url(one, 'Note').replace('http', 'ws'));
    using ann = await enter(cluster, one, 'ann');
    using bob = await enter(cluster, other, 'bob');
    await ann.control('member_joined');
    for (const way of ways) await way.goAway();
    await areConnected(cluster, [0, 0]);
    await expectChange(cluster, one, socket, 'a');
    await back.next();
    await expectMessages(ann, [ann, bob], 0);
    await ways[0].comeBack();
    await areConnected(cluster, [1, 0]);
    // The one without NATS is heard by the database; what it says tells the other where to reach it.
    await expectMessages(bob, [ann, bob], 100);
    await expectMessages(ann, [ann, bob], 200);
    await expectChange(cluster, one, socket, 'b');
    await back.next();
    await expectChange(cluster, other, back, 'c');
    await ways[1].comeBack();
    await areConnected(cluster, [1, 1]);
    await expectMessages(bob, [ann, bob], 300);
    await expectMessages(ann, [ann, bob], 400);
    expect((await ask('GET', `${one.server.origin}/health/ready`)).text).toBe('{"status":"ok"}');
  });
});
