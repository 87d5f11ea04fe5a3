// Subscriptions with an equality each: a write must cost what it is told to, not what is not told of it. Both sides of
// the ratio are ours, with few and with many subscriptions, on servers that are measured in turn.
import { setTimeout as wait } from 'node:timers/promises';
import { cpuDuring } from '../lib/process.mjs';
import { atMost, compare, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { post, startTablecast } from '../servers/start.mjs';

const CONNECTIONS = 16;
const IDS = 10_000;

export async function run(bench) {
  // The baseline has no filters.
  if (bench.startOurs !== startTablecast) return;
  const most = bench.quick ? 1000 : 10_000;
  const [left, right] = [await bench.start('left', startTablecast), await bench.start('right', startTablecast)];
  const few = await subscribe(bench, left, { count: 10, rooms: 10 });
  // Compiles the paths of a write, so that the first figure is not the one that pays for it.
  for (const server of [left, right]) await write(bench, server, 1, bench.quick ? 500 : 2000);
  for (const count of bench.quick ? [100, most] : [1000, most]) {
    const many = await subscribe(bench, right, { count, rooms: count });
    const row = await compareSides(bench, { ours: many, baseline: few }, 1.5);
    bench.row({ name: `CPU per write, ${count} subscriptions : 10`, ...row });
    await bench.subs.call('close', { name: many.group });
  }
  await bench.subs.call('close', { name: few.group });
  // Both groups are open at once: half as many, so that the generator has files for them.
  const half = most / 2;
  const one = await subscribe(bench, left, { count: half, rooms: half });
  const hundred = await subscribe(bench, right, { count: half, rooms: half / 100 });
  const row = await compareSides(bench, { ours: hundred, baseline: one });
  bench.row({ name: `CPU per write, 100 matches : 1 (of ${half})`, ...row });
}

function write(bench, { port }, rooms, ms) {
  return bench.http.call('run', { port, connections: CONNECTIONS, ms, kind: 'chat', ids: IDS, rooms });
}

/** `count` subscriptions in `rooms` rooms: a write is for `count / rooms` of them. */
async function subscribe(bench, server, { count, rooms }) {
  const group = `${count} in ${rooms} of ${server.port}`;
  await post(server, 'Chat', IDS, (i) => ({
    id: `chat-${rooms}-${i}`,
    roomId: `room-${i % rooms}`,
    content: 'seed',
  }));
  await bench.subscribe(group, server, { kind: 'ws', count, path: `/my-app/Chat?roomId==room-{i%${rooms}}` });
  return { server, group, rooms, matches: count / rooms };
}

async function compareSides(bench, { ours, baseline }, target) {
  const rounds = bench.quick ? 3 : 5;
  const results = await interleave({ ours, baseline }, rounds, (side) => measure(bench, side));
  const cpu = compare(results.ours, results.baseline, (result) => result.cpu);
  const latency = (list) => ({ p50: median(list.map((r) => r.p50)), p99: median(list.map((r) => r.p99)) });
  const [many, few] = [results.ours, results.baseline].map((list) => Math.round(median(list.map((r) => r.perSecond))));
  const row = { unit: 'µs', ...cpu, latency: [latency(results.ours), latency(results.baseline)] };
  return { ...row, note: `${many} and ${few} writes/s`, ...(target === undefined ? {} : atMost(cpu.ratio, target)) };
}

async function measure(bench, { server, group, rooms, matches }) {
  const ms = bench.quick ? 500 : 2000;
  const idle = await cpuDuring(server, () => wait(ms));
  await bench.subs.call('reset', { name: group });
  let writes;
  const busy = await cpuDuring(server, async () => {
    writes = await write(bench, server, rooms, ms);
    await bench.subs.call('settle', { name: group, expected: writes.count * matches });
  });
  const heartbeat = (idle.cpu / idle.ms) * busy.ms;
  return { ...writes, cpu: ((busy.cpu - heartbeat) * 1000) / writes.count };
}
