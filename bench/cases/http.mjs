// Requests per second and latency of the five handlers, 64 connections, against the hand-written ones.
import { measureFlush, SHORTEST_FLUSH } from '../lib/disk.mjs';
import { runRound } from '../lib/load.mjs';
import { atLeast, atMost, compare, inEitherOrder, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { parentDir, startHandwritten } from '../servers/start.mjs';

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
  const starts = {
    // Without its memory of lists that have not changed: each is made anew, as the baseline makes it.
    ours: () => bench.startOurs({ ...seed, listCache: 0 }),
    full: () => startHandwritten({ ...seed, synchronous: 'FULL' }),
    normal: () => startHandwritten({ ...seed, synchronous: 'NORMAL' }),
    logged: () => startHandwritten({ ...seed, synchronous: 'NORMAL', log: true }),
    bare: () => startHandwritten({ ...seed, bare: true }),
  };
  const flush = measureFlush(parentDir());
  const isDisk = flush >= SHORTEST_FLUSH;
  const results = await inEitherOrder(bench, starts, [...READS, ...WRITES], (servers, one) =>
    measure(bench, servers, one),
  );
  for (const [index, { title, target }] of READS.entries()) {
    const { ours, normal } = results[index];
    bench.row(makeRate(`${title} : hand-written`, ours, normal, target));
  }
  for (const [index, { title }] of WRITES.entries()) {
    const { ours, full, normal, logged, bare } = results[READS.length + index];
    const perWrite = makeRate(`${title}, durable : fsync per write`, ours, full, 5);
    bench.row({ ...perWrite, note: `a flush takes ${flush.toFixed(2)} ms${isDisk ? '' : ': no disk is waited for'}` });
    bench.row(makeRate(`${title}, durable : no fsync`, ours, normal, 1.3));
    bench.row(makeRate('  … : no fsync, with a log', ours, logged));
    bench.row(makeRate('  the baseline without a database : no fsync', bare, normal));
    bench.row(makeTail(`${title} p99 : fsync per write`, ours, full));
    bench.row(makeTail(`${title} p99 : no fsync`, ours, normal));
  }
}

/** Reads cost the same whether or not writes wait for the disk: they have one baseline. */
function measure(bench, servers, { kind, target }) {
  const { ours, normal } = servers;
  const sides = target === undefined ? servers : { ours, normal };
  return interleave(sides, bench.quick ? 2 : 3, (server, round, name) =>
    runRound(bench, server, {
      round,
      connections: CONNECTIONS,
      kind,
      ids: IDS,
      prefix: `${kind}-${name}-${round}-${Date.now()}`,
    }),
  );
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
    ...(target === undefined ? {} : atLeast(rate.ratio, target)),
    latency: [latency(ours), latency(baseline)],
    note,
  };
}

function makeTail(name, ours, baseline) {
  const tail = compare(ours, baseline, (result) => result.p99);
  return { name, unit: 'ms', ...tail, ...atMost(tail.ratio, 1) };
}
