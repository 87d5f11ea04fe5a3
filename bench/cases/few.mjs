// Few writers and few subscribers, where most applications live, against two neighbours: a server written by hand that
// syncs each write (by hand, synced), and one that stores nothing and sends the frames of a turn with one write per
// socket (ws-batch), which is what sockets alone allow.
import { setTimeout as wait } from 'node:timers/promises';
import { cpuDuring } from '../lib/process.mjs';
import { atLeast, atMost, compare, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { startHandwritten } from '../servers/start.mjs';

const IDS = 1000;
const FEW = 100;
const MANY = 5000;
const BURST = 40;

export async function run(bench) {
  const servers = {
    ours: await bench.start('ours', () => bench.startOurs({ messages: IDS })),
    synced: await bench.start('synced', () => startHandwritten({ messages: IDS })),
    batch: await bench.start('batch', () => startHandwritten({ messages: IDS, bare: true, batch: true })),
  };
  await measureLoneWrites(bench, servers);
  await measureReadsBesideWrites(bench, servers.ours);
  await subscribeAll(bench, servers, FEW);
  await measureDeliveries(bench, servers, { count: FEW, inFlight: 8, against: { batch: 1.1 } });
  await measureDeliveries(bench, servers, { count: FEW, inFlight: 1, against: { synced: 1.2, batch: undefined } });
  await measureAge(bench, servers);
  if (bench.quick) return;
  await subscribeAll(bench, servers, MANY);
  await measureDeliveries(bench, servers, { count: MANY, inFlight: 8, against: { batch: 5 }, p99: 1.1 });
  await measureBurst(bench, servers);
}

async function subscribeAll(bench, servers, count) {
  for (const [group, server] of Object.entries(servers)) {
    if (count !== FEW) await bench.subs.call('close', { name: group });
    await bench.subscribe(group, server, { kind: 'ws', count });
  }
}

/** Latency of one durable PUT at a time, and processor time of a write when eight are under way. */
async function measureLoneWrites(bench, { ours, synced }) {
  const ms = bench.quick ? 500 : 2500;
  const put = ({ port }, connections) => bench.http.call('run', { port, connections, ms, kind: 'put', ids: IDS });
  for (const server of [ours, synced]) await put(server, 8);
  const lone = await interleave({ ours, synced }, bench.quick ? 3 : 5, (server) => put(server, 1));
  const p50 = compare(lone.ours, lone.synced, (result) => result.p50);
  const latency = [lone.ours, lone.synced].map(latencies);
  bench.row({
    name: 'A lone durable PUT : by hand, synced',
    unit: 'ms median',
    ...p50,
    ...atMost(p50.ratio, 1.05),
    latency,
  });

  const eight = await interleave({ ours, synced }, bench.quick ? 3 : 5, async (server) => {
    let writes;
    const cpu = await cpuDuring(server, async () => {
      writes = await put(server, 8);
    });
    return (cpu.cpu * 1000) / writes.count;
  });
  const cpu = compare(eight.ours, eight.synced, (micros) => micros);
  bench.row({
    name: 'CPU per write, 8 in flight : by hand, synced',
    unit: 'µs',
    ...cpu,
    ...atMost(cpu.ours, 130, 'µs'),
  });
}

/** What a reader waits for while others write: the same GETs with and without 64 durable writes in flight. */
async function measureReadsBesideWrites(bench, server) {
  const ms = bench.quick ? 500 : 2500;
  const read = () =>
    bench.probe.call('run', { port: server.port, connections: 4, ms, kind: 'get', ids: IDS, rate: 200 });
  const write = () => bench.http.call('run', { port: server.port, connections: 64, ms, kind: 'put', ids: IDS });
  const results = await interleave({ busy: true, quiet: false }, bench.quick ? 3 : 5, async (busy) => {
    const [reads] = await Promise.all([read(), ...(busy ? [write()] : [wait(ms)])]);
    return reads;
  });
  const p99 = compare(results.busy, results.quiet, (result) => result.p99);
  const latency = [results.busy, results.quiet].map(latencies);
  bench.row({ name: 'GET p99, 64 writes in flight : none', unit: 'ms', ...p99, ...atMost(p99.ratio, 1.2), latency });
}

/** `against`: the least ratio by neighbour, or undefined where none is asked for. */
async function measureDeliveries(bench, servers, { count, inFlight, against, p99 }) {
  for (const [other, target] of Object.entries(against)) {
    const sides = { ours: servers.ours, [other]: servers[other] };
    const results = await interleave(sides, bench.quick ? 3 : 5, (server, _round, group) =>
      deliver(bench, { server, group, count, inFlight, ms: bench.quick ? 300 : 2000 }),
    );
    const rate = compare(results.ours, results[other], (result) => result.perSecond);
    const latency = [results.ours, results[other]].map(latencies);
    const writes = [results.ours, results[other]].map((list) => Math.round(median(list.map((r) => r.writes))));
    const goal = target === undefined ? {} : atLeast(rate.ratio, target);
    const name = `${count} WebSockets, ${inFlight} in flight : ${NAMES[other]}`;
    bench.row({ name, unit: 'deliveries/s', ...rate, ...goal, latency, note: `writes/s ${writes.join(' : ')}` });
    if (p99 === undefined) continue;
    const slow = compare(results.ours, results[other], (result) => result.p99);
    bench.row({ name: '  … p99 of a write', unit: 'ms', ...slow, ...atMost(slow.ratio, p99) });
  }
}

/** Age of a change in the subscriber's hand at 20 writes a second. */
async function measureAge(bench, servers) {
  const sides = { ours: servers.ours, synced: servers.synced };
  const results = await interleave(sides, bench.quick ? 2 : 5, async (server, _round, group) => {
    await bench.subs.call('reset', { name: group, latency: true });
    const run = { port: server.port, ms: bench.quick ? 500 : 3000, connections: 8, kind: 'put', ids: IDS, rate: 20 };
    const writes = await bench.http.call('run', run);
    return bench.subs.call('settle', { name: group, expected: writes.count * FEW, each: writes.count });
  });
  const age = compare(results.ours, results.synced, (result) => result.p50);
  const latency = [results.ours, results.synced].map(latencies);
  const name = `Delivery, 20 writes/s to ${FEW} : by hand, synced`;
  bench.row({ name, unit: 'ms median', ...age, ...atMost(age.ratio, 0.9), latency });
}

/** Forty writes, eight at a time, until the last subscriber has the last frame. */
async function measureBurst(bench, { ours, batch }) {
  const results = await interleave({ ours, batch }, 9, (server, _round, group) =>
    deliver(bench, { server, group, count: MANY, inFlight: 8, requests: BURST }),
  );
  const rate = compare(results.ours, results.batch, (result) => result.perSecond);
  const name = `${MANY} WebSockets, a burst of ${BURST} : ws-batch`;
  bench.row({ name, unit: 'deliveries/s', ...rate, ...atLeast(rate.ratio, 2) });
}

async function deliver(bench, { server, group, count, inFlight, ms, requests }) {
  await bench.subs.call('reset', { name: group });
  const run = { port: server.port, connections: inFlight, kind: 'put', ids: IDS, ms: ms ?? 60_000, requests };
  const writes = await bench.http.call('run', run);
  const expected = writes.count * count;
  const got = await bench.subs.call('settle', { name: group, expected, each: writes.count });
  const perSecond = expected / ((got.lastUs - writes.startUs) / 1e6);
  return { perSecond, writes: writes.perSecond, p50: writes.p50, p99: writes.p99 };
}

function latencies(results) {
  return { p50: median(results.map(({ p50 }) => p50)), p99: median(results.map(({ p99 }) => p99)) };
}

const NAMES = { synced: 'by hand, synced', batch: 'ws-batch' };
