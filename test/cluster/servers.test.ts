import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { ask } from '../support/http.ts';
import { reason, runSql, unreachable } from '../support/postgres/server.ts';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';
import { Cluster, type ClusterNode } from './nodes.ts';

const HOOKS = `
export const tables = {
  Note: {
    async afterChange({ id, tables }) {
      await tables.Counter.patch('hook-' + id, { n: { $inc: 1 } });
    },
  },
};
`;

const FLOWS = `flows:
  tick:
    from: {connector: schedule, operation: tick, cron: "* * * * * *"}
    transform: '{"run": "tick", "token": input.time}'
    to: {connector: table, operation: create, target: Note}
  copy:
    from: {connector: table, operation: create, table: Counter}
    transform: '{"run": "copy", "token": input.id}'
    to: {connector: table, operation: create, target: Note}
`;

describe.skipIf(unreachable !== undefined)(`two servers on one schema${reason}`, () => {
  test('tell subscribers of either what was written at the other, and resume on either', {
    timeout: 120_000,
  }, async () => {
    await using cluster = await Cluster.start(2);
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    const put = (node: ClusterNode, id: string) =>
      ask('PUT', cluster.url(node, `Note/${id}`), { json: { run: 'r', token: id } });
    using socket = await WsClient.subscribe(cluster.url(other, 'Note').replace('http', 'ws'));
    const written = await put(one, 'a');
    const seq = Number(written.headers.get('etag')?.replaceAll('"', ''));
    expect(await socket.next()).toMatchObject({ id: 'a', seq, op: 'create' });
    await put(other, 'b');
    using resumed = await SseClient.open(cluster.url(one, 'Note'), { lastEventId: String(seq) });
    expect((await resumed.events.next((event) => event.data.includes('token'))).data).toContain('"b"');
    const read = (position: string) =>
      ask('GET', cluster.url(other, 'Note/a'), { headers: { 'x-min-position': position } });
    const found = await read(String(seq));
    expect([found.status, Number(found.headers.get('x-position')) >= seq]).toEqual([200, true]);
    expect((await read('soon')).record).toMatchObject({ code: 'BAD_REQUEST' });
    // One that no server has issued is waited for, and then what is there is answered.
    expect((await read(String(seq + 10 ** 9))).status).toBe(200);
    expect(await other.server.metric(/^tablecast_feed_lag_seconds\{/)).toBeLessThan(30);
  });

  test('bring changes to a subscriber that no notification reaches, and whose server nothing else asks', {
    timeout: 120_000,
  }, async () => {
    await using cluster = await Cluster.start(2);
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    using socket = await WsClient.subscribe(cluster.url(other, 'Note').replace('http', 'ws'));
    for (const { proxy } of cluster.nodes) proxy.swallowsBells = true;
    for (const id of ['a', 'b', 'c']) {
      await ask('PUT', cluster.url(one, `Note/${id}`), { json: { run: 'r', token: id } });
      expect(await socket.next()).toMatchObject({ id });
    }
  });

  test('are not ready while they cannot read what the others write', { timeout: 120_000 }, async () => {
    await using cluster = await Cluster.start(1, { config: 'cluster: {poll: 100ms}\n' });
    const [{ server, proxy }] = cluster.nodes as [ClusterNode];
    const ready = async () => (await ask('GET', `${server.origin}/health/ready`)).text;
    expect(await ready()).toBe('{"status":"ok"}');
    await proxy.goAway();
    await until(ready, (text) => text === '{"status":"behind"}');
    await proxy.comeBack();
    await until(ready, (text) => text === '{"status":"ok"}');
  });

  test('call the afterChange hooks once for each change, also over the end of the one that does', {
    timeout: 120_000,
  }, async () => {
    await using cluster = await Cluster.start(2, { config: 'hooks: hooks.js\n', files: { 'hooks.js': HOOKS } });
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    const ids: string[] = [];
    const put = async (node: ClusterNode) => {
      const id = randomBytes(4).toString('hex');
      ids.push(id);
      await ask('PUT', cluster.url(node, `Counter/hook-${id}`), { json: {} });
      const answer = await ask('PUT', cluster.url(node, `Note/${id}`), { json: { run: 'r', token: id } });
      expect(answer.status).toBe(201);
    };
    const counts = async () => {
      const rows = await runSql(`SELECT id, n FROM "${cluster.schema}"."data/counter" WHERE id LIKE 'hook-%'`);
      return Object.fromEntries(rows.map(({ id, n }) => [String(id).slice(5), Number(n)]));
    };
    const each = () => Object.fromEntries(ids.map((id) => [id, 1]));
    const done = (found: object) => Object.keys(found).length === ids.length && !Object.values(found).includes(0);
    for (let i = 0; i < 10; i++) await put(i % 2 === 0 ? one : other);
    await until(counts, done);
    await pause(300);
    expect(await counts()).toEqual(each());
    // The one that is stopped gives its task back, whichever has it.
    await one.server.stop();
    for (let i = 0; i < 5; i++) await put(other);
    await until(counts, done);
    await one.server.restart();
    // Until then the position is kept, and no change is passed on again.
    await pause(300);
    await other.server.kill();
    for (let i = 0; i < 5; i++) await put(one);
    await until(counts, done);
    expect(await counts()).toEqual(each());
  });

  test('run a flow of changes and a scheduled flow once for each event', { timeout: 120_000 }, async () => {
    await using cluster = await Cluster.start(2, { config: FLOWS });
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    for (let i = 0; i < 12; i++) {
      await ask('PUT', cluster.url(i % 2 === 0 ? one : other, `Counter/c${i}`), { json: {} });
    }
    const stored = async (run: string) =>
      (await runSql(`SELECT token FROM "${cluster.schema}"."data/note" WHERE run = $1`, [run])).map(
        ({ token }) => token,
      );
    const events = async (flow: string) => {
      const line = new RegExp(`^tablecast_flow_events_total\\{[^}]*flow="${flow}"`);
      return (await one.server.metric(line)) + (await other.server.metric(line));
    };
    await until(
      () => stored('copy'),
      (tokens) => tokens.length === 12,
    );
    await until(
      () => stored('tick'),
      (tokens) => tokens.length >= 4,
    );
    // Each event was one of one server.
    expect(await events('copy')).toBe(12);
    // The one that is under way may not be stored.
    expect(await events('tick')).toBeLessThanOrEqual((await stored('tick')).length + 1);
    await one.server.stop();
    const ticks = await stored('tick');
    expect(new Set(ticks).size).toBe(ticks.length);
    expect(ticks.every((time) => String(time).endsWith('.000Z'))).toBe(true);
    // The flow of changes goes on at the server that is left.
    await ask('PUT', cluster.url(other, 'Counter/last'), { json: {} });
    await until(
      () => stored('copy'),
      (tokens) => tokens.includes('last'),
    );
    const copies = await stored('copy');
    expect([copies.length, new Set(copies).size]).toEqual([13, 13]);
  });
});
