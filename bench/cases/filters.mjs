// Subscriptions with an equality each: a write must cost what it is told to, not what is not told of it. Both sides of
// the ratio are ours, with few and with many subscriptions.
import { setTimeout as wait } from 'node:timers/promises';
import { readCpu } from '../lib/process.mjs';
import { atMost } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { startTablecast } from '../servers/start.mjs';

const CONNECTIONS = 16;
const IDS = 10_000;

export async function run(bench) {
  // The baseline has no filters.
  if (bench.startOurs !== startTablecast) return;
  const most = bench.quick ? 1000 : 10_000;
  const server = await bench.start('ours', startTablecast);
  // Compiles the paths of a write, so that the first figure is not the one that pays for it.
  await write(bench, server, 1000, bench.quick ? 500 : 2000);
  const few = await measure(bench, server, { count: 10, rooms: 10 });
  for (const count of bench.quick ? [100, most] : [1000, most]) {
    const many = await measure(bench, server, { count, rooms: count });
    bench.row(makeRow(`CPU per write, ${count} subscriptions : 10`, many, few, 1.5));
    if (count < most) continue;
    const matches = await measure(bench, server, { count, rooms: count / 100 });
    bench.row(makeRow(`CPU per write, 100 matches : 1 (of ${count})`, matches, many));
  }
}

function write(bench, { port }, rooms, ms) {
  return bench.http.call('run', { port, connections: CONNECTIONS, ms, kind: 'chat', ids: IDS, rooms });
}

/** With `count` subscriptions in `rooms` rooms: `matches` is for how many of them a write is. */
async function measure(bench, server, { count, rooms }) {
  const matches = count / rooms;
  const group = `${count} in ${rooms}`;
  // Rooms beyond those that are subscribed to would be writes without a match.
  await write(bench, server, rooms, 500);
  await bench.subscribe(group, server, { kind: 'ws', count, path: `/my-app/Chat?roomId==room-{i%${rooms}}` });
  const results = [];
  for (let round = 0; round < (bench.quick ? 2 : 4); round++) {
    results.push(await measureOnce(bench, server, { group, rooms, matches }));
  }
  await bench.subs.call('close', { name: group });
  const pick = (name) => median(results.map((result) => result[name]));
  return { cpu: pick('cpu'), perSecond: pick('perSecond'), p50: pick('p50'), p99: pick('p99') };
}

async function measureOnce(bench, server, { group, rooms, matches }) {
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

async function cpuDuring({ pid }, work) {
  const [cpu, from] = [readCpu(pid), performance.now()];
  await work();
  return { cpu: readCpu(pid) - cpu, ms: performance.now() - from };
}

function makeRow(name, ours, baseline, target) {
  const ratio = ours.cpu / baseline.cpu;
  const note = `${Math.round(ours.perSecond)} and ${Math.round(baseline.perSecond)} writes/s`;
  const figures = { name, unit: 'µs', ours: ours.cpu, baseline: baseline.cpu, ratio, latency: [ours, baseline], note };
  return target === undefined ? figures : { ...figures, ...atMost(ratio, target) };
}
