// Protocol v1: fan-out of one plain subscription against the table channel, and a connection with many subscriptions
// against one with a single one. All sides are of one server of ours, measured in turn.
import { setTimeout as wait } from 'node:timers/promises';
import { cpuDuring } from '../lib/process.mjs';
import { atLeast, atMost, compare, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { startTablecast } from '../servers/start.mjs';

const IDS = 1000;
const PATH = '/my-app/_/live';
const MANY = 1000;
const CONNECTIONS = 20;
// The server refuses requests while it is behind, and thousands of subscriptions at once are work: it measures itself every second.
const SETTLE_MS = 2500;

export async function run(bench) {
  // The baseline has no protocol v1.
  if (bench.startOurs !== startTablecast) return;
  const server = await bench.start('ours', () => startTablecast({ messages: IDS, subscriptions: MANY }));
  await compareFanOut(bench, server);
  await compareMany(bench, server);
}

async function compareFanOut(bench, server) {
  const count = bench.quick ? 1000 : 5000;
  const live = { server, group: 'v1', count, each: 1 };
  const table = { server, group: 'table', count, each: 1 };
  for (const inFlight of [1, 8]) {
    const measure = async (side) => {
      await open(bench, side);
      const result = await deliver(bench, side, inFlight);
      await bench.subs.call('close', { name: side.group });
      return result;
    };
    // Warm on both sides, so that no figure pays for the compiler.
    if (inFlight === 1) for (const side of [live, table]) await measure(side);
    const { ours, baseline } = await interleave({ ours: live, baseline: table }, bench.quick ? 3 : 6, measure);
    const name = `${count} subscriptions on v1 : table channel, ${inFlight} in flight`;
    const rate = compare(ours, baseline, (result) => result.perSecond);
    bench.row({ name, unit: 'deliveries/s', ...rate, ...atLeast(rate.ratio, 0.95), ...notes(ours, baseline) });
    const cpu = compare(ours, baseline, (result) => result.cpuPerDelivery);
    bench.row({ name: '  CPU per delivery', unit: 'µs', ...cpu, ...atMost(cpu.ratio, 1.05) });
  }
}

async function compareMany(bench, server) {
  const one = { server, group: 'one', count: CONNECTIONS, subscriptions: 1 };
  const many = { server, group: 'many', count: CONNECTIONS, subscriptions: MANY };
  const measure = async (side) => {
    await open(bench, side);
    const result = await deliver(bench, side, 8);
    await bench.subs.call('close', { name: side.group });
    return result;
  };
  for (const side of [many, one]) await measure(side);
  const { ours, baseline } = await interleave({ ours: many, baseline: one }, bench.quick ? 3 : 6, measure);
  const name = `CPU per write, ${CONNECTIONS} × ${MANY} subscriptions on v1 : ${CONNECTIONS} × 1`;
  const cpu = compare(ours, baseline, (result) => result.cpuPerWrite);
  bench.row({ name, unit: 'µs', ...cpu, ...atMost(cpu.ratio, 2), ...notes(ours, baseline) });
}

async function open(bench, { server, group, count, subscriptions = 1 }) {
  if (group === 'table') return bench.subscribe(group, server, { kind: 'ws', count });
  const hello = Array.from({ length: subscriptions }, (_, i) =>
    JSON.stringify({ type: 'subscribe', id: i + 1, query: 'Message', snapshot: false }),
  );
  const expected = `{"s":[${subscriptions}],"seq"`;
  await bench.subscribe(group, server, { kind: 'ws', count, path: PATH, hello, expected });
  if (subscriptions > 1) await wait(SETTLE_MS);
}

async function deliver(bench, { server, group, count }, inFlight) {
  const ms = bench.quick ? 300 : 1500;
  const idle = await cpuDuring(server, () => wait(ms));
  await bench.subs.call('reset', { name: group });
  let [writes, got] = [];
  const busy = await cpuDuring(server, async () => {
    writes = await bench.http.call('run', { port: server.port, connections: inFlight, ms, kind: 'put', ids: IDS });
    got = await bench.subs.call('settle', { name: group, expected: writes.count * count, each: writes.count });
  });
  const cpuUs = (busy.cpu - (idle.cpu / idle.ms) * busy.ms) * 1000;
  return {
    perSecond: (writes.count * count) / ((got.lastUs - writes.startUs) / 1e6),
    cpuPerDelivery: cpuUs / (writes.count * count),
    cpuPerWrite: cpuUs / writes.count,
    writes: writes.perSecond,
    p50: writes.p50,
    p99: writes.p99,
  };
}

function notes(ours, baseline) {
  const middle = (results, key) => median(results.map((result) => result[key]));
  const latency = [ours, baseline].map((results) => ({ p50: middle(results, 'p50'), p99: middle(results, 'p99') }));
  return {
    latency,
    note: `writes/s ${Math.round(middle(ours, 'writes'))} : ${Math.round(middle(baseline, 'writes'))}`,
  };
}
