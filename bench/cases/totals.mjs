// Totals of 100 groups that 1,000 clients follow, at 1,000 writes a second: what a write costs more than without clients. The
// same clients on the plain channel show what the deliveries alone cost. All sides are ours.
import { setTimeout as wait } from 'node:timers/promises';
import { cpuDuring } from '../lib/process.mjs';
import { atMost, compare, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { post, startTablecast } from '../servers/start.mjs';

const CONNECTIONS = 16;
const GROUPS = 100;
const IDS = 10_000;
const RATE = 1000;
const SUBSCRIBERS = 1000;
/** For the deliveries of the last writes. */
const REST_MS = 500;

export async function run(bench) {
  // The baseline has no totals.
  if (bench.startOurs !== startTablecast) return;
  const none = await open(bench, 'none');
  const totals = await open(bench, 'totals', '?aggregate=count,sum(made)&group=roomId&retained=false');
  const plain = await open(bench, 'plain', '');
  for (const side of [none, totals, plain]) await measure(bench, side);
  const results = await interleave({ none, totals, plain }, bench.quick ? 3 : 5, (side) => measure(bench, side));
  report(bench, results, { side: 'totals', name: `${SUBSCRIBERS} on totals of ${GROUPS} groups`, target: 2 });
  report(bench, results, { side: 'plain', name: `${SUBSCRIBERS} on the plain channel` });
}

async function open(bench, name, query) {
  const server = await bench.start(name, startTablecast);
  const make = (i) => ({ id: `line-${GROUPS}-${i}`, roomId: `room-${i % GROUPS}`, made: i, content: 'seed' });
  await post(server, 'Line', IDS, make);
  if (query !== undefined)
    await bench.subscribe(name, server, { kind: 'ws', count: SUBSCRIBERS, path: `/my-app/Line${query}` });
  return { server };
}

async function measure(bench, { server }) {
  const ms = bench.quick ? 1000 : 3000;
  const idle = await cpuDuring(server, () => wait(ms));
  let writes;
  const busy = await cpuDuring(server, async () => {
    const load = { kind: 'line', ids: IDS, rooms: GROUPS, rate: RATE };
    writes = await bench.http.call('run', { port: server.port, connections: CONNECTIONS, ms, ...load });
    await wait(REST_MS);
  });
  const heartbeat = (idle.cpu / idle.ms) * busy.ms;
  return { ...writes, cpu: ((busy.cpu - heartbeat) * 1000) / writes.count };
}

function report(bench, results, { side, name, target }) {
  const cpu = compare(results[side], results.none, (result) => result.cpu);
  const latency = (list) => ({ p50: median(list.map((r) => r.p50)), p99: median(list.map((r) => r.p99)) });
  const rates = [results[side], results.none].map((list) => Math.round(median(list.map((r) => r.perSecond))));
  bench.row({
    name: `CPU per write at ${RATE}/s, ${name} : none`,
    unit: 'µs',
    ...cpu,
    ...(target === undefined ? {} : atMost(cpu.ratio, target)),
    latency: [latency(results[side]), latency(results.none)],
    note: `${rates[0]} and ${rates[1]} writes/s`,
  });
}
