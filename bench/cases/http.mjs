// Requests per second and latency of the five handlers, 64 connections, against the hand-written ones.
import { atLeast, atMost, compare, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { startHandwritten, TITLES } from '../servers/start.mjs';

const CONNECTIONS = 64;
const IDS = 5000;
const NOTES = 10_000;

const READS = [
  { kind: 'get', title: 'GET by id', target: 0.9 },
  { kind: 'list', title: 'GET filtered list of 20', target: 1.0 },
];
const WRITES = [
  { kind: 'put', title: 'PUT' },
  { kind: 'patch', title: 'PATCH' },
  { kind: 'post', title: 'POST' },
];

export async function run(bench) {
  const seed = { messages: IDS, notes: NOTES };
  // Without its memory of lists that have not changed: each is made anew, as the baseline makes it.
  const ours = await bench.start('ours', () => bench.startOurs({ ...seed, listCache: 0 }));
  const full = await bench.start('full', () => startHandwritten({ ...seed, synchronous: 'FULL' }));
  const normal = await bench.start('normal', () => startHandwritten({ ...seed, synchronous: 'NORMAL' }));

  const measure = (kind) => (server, round, name) =>
    bench.http.call('run', {
      port: server.port,
      connections: CONNECTIONS,
      ms: bench.quick ? 250 : 2000,
      // The first round also lets the compiler of each server see its code.
      warmupMs: round === 0 ? (bench.quick ? 500 : 1500) : 0,
      kind,
      ids: IDS,
      titles: TITLES,
      prefix: `${kind}-${name}-${round}-${Date.now()}`,
      listQuery: server.listQuery,
    });
  const rounds = bench.quick ? 3 : 4;

  for (const { kind, title, target } of READS) {
    const results = await interleave({ ours, normal }, rounds, measure(kind));
    bench.row(makeRate(`${title} : hand-written`, results.ours, results.normal, target));
  }
  for (const { kind, title } of WRITES) {
    const results = await interleave({ ours, full, normal }, rounds, measure(kind));
    bench.row(makeRate(`${title}, durable : fsync per write`, results.ours, results.full, 5));
    bench.row(makeRate(`${title}, durable : no fsync`, results.ours, results.normal, 1.3));
    bench.row(makeTail(`${title} p99 : fsync per write`, results.ours, results.full));
    bench.row(makeTail(`${title} p99 : no fsync`, results.ours, results.normal));
  }
}

function makeRate(name, ours, baseline, target) {
  const rate = compare(ours, baseline, (result) => result.perSecond);
  const latency = (results) => ({ p50: median(results.map((r) => r.p50)), p99: median(results.map((r) => r.p99)) });
  const load = median(ours.map((result) => result.cpu));
  const note = `load at ${Math.round(load * 100)} % of its core`;
  return {
    name,
    unit: 'requests/s',
    ...rate,
    ...atLeast(rate.ratio, target),
    latency: [latency(ours), latency(baseline)],
    note,
  };
}

function makeTail(name, ours, baseline) {
  const tail = compare(ours, baseline, (result) => result.p99);
  return { name, unit: 'ms', ...tail, ...atMost(tail.ratio, 1) };
}
