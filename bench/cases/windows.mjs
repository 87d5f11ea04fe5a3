// Windows of a sorted list, each of one room: a write must cost what its own window costs, not what the others do. Both sides
// are ours, with few and with many windows, on servers that are measured in turn.
import { setTimeout as wait } from 'node:timers/promises';
import { cpuDuring } from '../lib/process.mjs';
import { atMost, compare, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { startTablecast } from '../servers/start.mjs';

const CONNECTIONS = 16;
const FEW = 10;

export async function run(bench) {
  // The baseline has no windows.
  if (bench.startOurs !== startTablecast) return;
  const most = bench.quick ? 1000 : 10_000;
  const records = bench.quick ? 20_000 : 1_000_000;
  const few = await open(bench, 'left', { count: FEW, records });
  const many = await open(bench, 'right', { count: most, records });
  // Compiles the paths of a write, so that the first figure is not the one that pays for it.
  for (const side of [few, many]) await measure(bench, side);
  const results = await interleave({ ours: many, baseline: few }, bench.quick ? 3 : 5, (side) => measure(bench, side));
  const cpu = compare(results.ours, results.baseline, (result) => result.cpu);
  const latency = (list) => ({ p50: median(list.map((r) => r.p50)), p99: median(list.map((r) => r.p99)) });
  const [quick, slow] = [results.ours, results.baseline].map((list) => median(list.map((r) => r.perSecond)));
  bench.row({
    name: `CPU per write, ${most} windows : ${FEW} (${records} records)`,
    unit: 'µs',
    ...cpu,
    ...atMost(cpu.ratio, 1.5),
    latency: [latency(results.ours), latency(results.baseline)],
    note: `${Math.round(quick)} and ${Math.round(slow)} writes/s`,
  });
}

/** A server with `count` windows, each of a room of its own; a write is for one of them. */
async function open(bench, name, { count, records }) {
  const make = (i) => ({ id: `line-${count}-${i}`, roomId: `room-${i % count}`, made: i, content: 'seed' });
  const server = await bench.start(name, startTablecast, { lines: { count: records, make } });
  const group = `${count} windows of ${server.port}`;
  const path = `/my-app/Line?roomId==room-{i}&sort=-made&limit=50&retained=false`;
  await bench.subscribe(group, server, { kind: 'ws', count, path });
  return { server, group, rooms: count, ids: records };
}

async function measure(bench, { server, group, rooms, ids }) {
  const ms = bench.quick ? 500 : 2000;
  const idle = await cpuDuring(server, () => wait(ms));
  await bench.subs.call('reset', { name: group });
  let writes;
  const busy = await cpuDuring(server, async () => {
    const load = { kind: 'line', ids, rooms };
    writes = await bench.http.call('run', { port: server.port, connections: CONNECTIONS, ms, ...load });
    await bench.subs.call('settle', { name: group, expected: writes.count });
  });
  const heartbeat = (idle.cpu / idle.ms) * busy.ms;
  return { ...writes, cpu: ((busy.cpu - heartbeat) * 1000) / writes.count };
}
