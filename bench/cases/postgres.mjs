// PostgreSQL as store: one server against handlers written by hand with `pg`, against the embedded store, and with a second
// server beside it. All servers share one core, the database has no core of its own.
import { createConnection } from 'node:net';
import { runRound } from '../lib/load.mjs';
import { atLeast, atMost, compare, inEitherOrder, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { createDatabase, findObstacle, startByHand, startOnPostgres } from '../servers/postgres.mjs';

const CONNECTIONS = 64;
const IDS = 5000;
const NOTES = 10_000;
const RATE = 20;
const SUBSCRIBERS = 100;
const NATS_URL = process.env.BENCH_NATS ?? 'nats://127.0.0.1:4222';

const PUT = [
  { side: 'transaction', name: 'PUT on PostgreSQL : by hand, a transaction per write', target: 5 },
  { side: 'ordered', name: '  … : with a log in the order of the commits', target: 15 },
  { side: 'logged', name: '  … : with a log in any order', target: 5 },
  { side: 'statement', name: '  … : one statement, without a log' },
  { side: 'embedded', name: '  … : the embedded store', target: 0.25 },
  { side: 'refusing', name: '  … : without triggers for other programs', target: 0.95 },
];
const READS = [
  { kind: 'get', name: 'GET by id on PostgreSQL', byHand: 0.9, embedded: 0.4 },
  { kind: 'list', name: 'GET filtered list of 20 on PostgreSQL', byHand: 1, embedded: 0.5 },
];

export async function run(bench) {
  const obstacle = bench.self ? 'it has no baseline that could be measured against itself' : await findObstacle();
  if (obstacle !== undefined) return console.error(`postgres is left out: ${obstacle}`);
  await measureOne(bench);
  await measureTwo(bench);
  await measureNotices(bench);
}

async function measureOne(bench) {
  const seed = { messages: IDS, notes: NOTES };
  const fresh = { ...seed, listCache: 0 };
  const starts = {
    ours: () => startOnPostgres(fresh),
    refusing: () => startOnPostgres({ ...fresh, config: 'external_writes: refuse\n' }),
    embedded: () => bench.startOurs(fresh),
    ...Object.fromEntries(
      ['transaction', 'ordered', 'logged', 'statement'].map((writes) => [
        writes,
        () => startByHand({ ...seed, writes }),
      ]),
    ),
  };
  const cases = [{ kind: 'put' }, ...READS];
  const [put, ...reads] = await inEitherOrder(bench, starts, cases, (servers, one) => measure(bench, servers, one));
  for (const { side, name, target } of PUT) bench.row(makeRate(name, [put.ours, put[side]], target));
  for (const [index, { name, byHand, embedded }] of READS.entries()) {
    const { ours, ...others } = reads[index];
    bench.row(makeRate(`${name} : by hand`, [ours, others.transaction], byHand));
    bench.row(makeRate('  … : the embedded store', [ours, others.embedded], embedded));
  }
}

/** Reads are the same however writes are made. */
function measure(bench, servers, { kind }) {
  const { ours, embedded, transaction } = servers;
  const sides = kind === 'put' ? servers : { ours, embedded, transaction };
  return interleave(sides, bench.quick ? 2 : 3, (server, round) =>
    runRound(bench, server, { round, connections: CONNECTIONS, kind, ids: IDS }),
  );
}

/** The same writers at one server, and shared between two; then the age of a change at the other one. */
async function measureTwo(bench) {
  await withTwo(bench, '', async (one, two) => {
    const put = async (load, server, connections) =>
      load.call('run', { port: server.port, connections, ms: bench.quick ? 400 : 2500, kind: 'put', ids: IDS });
    for (const server of [one, two]) await put(bench.http, server, CONNECTIONS);
    const results = await interleave({ two: true, one: false }, bench.quick ? 3 : 6, async (isShared) => {
      if (!isShared) return (await put(bench.http, one, CONNECTIONS)).perSecond;
      const both = [put(bench.http, one, CONNECTIONS / 2), put(bench.probe, two, CONNECTIONS / 2)];
      return (await Promise.all(both)).reduce((sum, { perSecond }) => sum + perSecond, 0);
    });
    const rate = compare(results.two, results.one, (perSecond) => perSecond);
    bench.row({ name: 'PUT, two servers : one', unit: 'requests/s', ...rate, ...atLeast(rate.ratio, 0.95) });
  });
}

async function measureNotices(bench) {
  const ways = [{ way: 'PostgreSQL alone', config: '', target: 2 }];
  if (await isReachable(NATS_URL)) ways.push({ way: 'NATS', config: `cluster: {nats: '${NATS_URL}'}\n`, target: 1.3 });
  for (const { way, config, target } of ways) {
    await withTwo(bench, config, async (one, two) => {
      await bench.subscribe('here', one, { kind: 'ws', count: SUBSCRIBERS });
      await bench.subscribe('there', two, { kind: 'ws', count: SUBSCRIBERS });
      const results = await interleave({ there: 'there', here: 'here' }, bench.quick ? 2 : 5, async (group) => {
        await bench.subs.call('reset', { name: group, latency: true });
        const ms = bench.quick ? 500 : 3000;
        const load = { port: one.port, ms, connections: 8, kind: 'put', ids: IDS, rate: RATE };
        const writes = await bench.http.call('run', load);
        return bench.subs.call('settle', { name: group, expected: writes.count * SUBSCRIBERS, each: writes.count });
      });
      const age = compare(results.there, results.here, ({ p50 }) => p50);
      const latency = [results.there, results.here].map(latencies);
      const name = `Delivery at the other server, ${way} : at the same`;
      bench.row({ name, unit: 'ms median', ...age, ...atMost(age.ratio, target), latency });
      for (const name of ['here', 'there']) await bench.subs.call('close', { name });
    });
  }
}

async function withTwo(bench, config, work) {
  const database = await createDatabase();
  try {
    const one = await bench.start('one', () => startOnPostgres({ database, config, messages: IDS }));
    const two = await bench.start('two', () => startOnPostgres({ database, config }));
    await work(one, two);
  } finally {
    await bench.stop('one');
    await bench.stop('two');
    await database.drop();
  }
}

function isReachable(url) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = createConnection({ host: hostname, port: Number(port || 4222), timeout: 1000 });
    const end = (isOpen) => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', () => end(true));
    for (const event of ['error', 'timeout']) socket.once(event, () => end(false));
  });
}

function makeRate(name, [ours, baseline], target) {
  const rate = compare(ours, baseline, ({ perSecond }) => perSecond);
  const goal = target === undefined ? {} : atLeast(rate.ratio, target);
  return { name, unit: 'requests/s', ...rate, ...goal, latency: [latencies(ours), latencies(baseline)] };
}

function latencies(results) {
  return { p50: median(results.map(({ p50 }) => p50)), p99: median(results.map(({ p99 }) => p99)) };
}
