// Totals of 100 groups that 1,000 clients follow, at 1,000 writes a second: what a write costs more than without clients. Each
// client follows one of the groups, or all of them; the latter on the plain channel show what so many deliveries alone
// cost. All sides are ours.
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
const TOTALS = 'aggregate=count,sum(made)&retained=false';
/** For the deliveries of the last writes. */
const REST_MS = 500;

export async function run(bench) {
  // The baseline has no totals.
  if (bench.startOurs !== startTablecast) return;
  const none = await open(bench, 'none');
  const rooms = Array.from({ length: GROUPS }, (_, i) => `?roomId==room-${i}&${TOTALS}`);
  const one = await open(bench, 'one', rooms);
  const all = await open(bench, 'all', [`?${TOTALS}&group=roomId`]);
  const plain = await open(bench, 'plain', ['']);
  const sides = { none, one, all, plain };
  for (const side of Object.values(sides)) await measure(bench, side);
  const results = await interleave(sides, bench.quick ? 3 : 5, (side) => measure(bench, side));
  report(bench, results, { side: 'one', name: `${SUBSCRIBERS} on one of ${GROUPS} groups each`, target: 2 });
  report(bench, results, { side: 'all', name: `${SUBSCRIBERS} on all ${GROUPS} groups`, target: 2 });
  report(bench, results, { side: 'plain', name: `${SUBSCRIBERS} on the plain channel` });
}

/** Starts a server; `queries`: of the subscriptions, as many of each. */
async function open(bench, name, queries = []) {
  const server = await bench.start(name, startTablecast);
  const make = (i) => ({ id: `line-${GROUPS}-${i}`, roomId: `room-${i % GROUPS}`, made: i, content: 'seed' });
  await post(server, 'Line', IDS, make);
  const count = SUBSCRIBERS / queries.length;
  for (const [i, query] of queries.entries())
    await bench.subscribe(`${name} ${i}`, server, { kind: 'ws', count, path: `/my-app/Line${query}` });
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
