// A whole table of 10,000 records in one list, and what those wait for who read one record meanwhile.
import { cpuDuring } from '../lib/process.mjs';
import { atMost, compare, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { startHandwritten } from '../servers/start.mjs';

const RECORDS = 10_000;
const MESSAGES = 100;

export async function run(bench) {
  const options = { products: RECORDS, messages: MESSAGES };
  const servers = {
    ours: await bench.start('ours', () => bench.startOurs({ ...options, listCache: 0, pageMax: RECORDS })),
    baseline: await bench.start('baseline', () => startHandwritten(options)),
  };
  await checkSame(Object.values(servers));
  const ms = bench.quick ? 500 : 2500;
  const paths = [`/my-app/Product?limit=${RECORDS}`];
  const results = await interleave(servers, bench.quick ? 3 : 5, async (server) => {
    let lists;
    let reads;
    const used = await cpuDuring(server, async () => {
      lists = await bench.http.call('run', { port: server.port, connections: 1, ms, kind: 'paths', paths });
    });
    await Promise.all([
      bench.http.call('run', { port: server.port, connections: 1, ms, kind: 'paths', paths }),
      bench.probe
        .call('run', { port: server.port, connections: 4, ms, kind: 'get', ids: MESSAGES, rate: 200 })
        .then((result) => {
          reads = result;
        }),
    ]);
    return { cpu: (used.cpu * 1000) / lists.count, reads, lists };
  });
  const cpu = compare(results.ours, results.baseline, (result) => result.cpu);
  bench.row({ name: 'CPU per list of 10,000 : by hand', unit: 'µs', ...cpu, ...atMost(cpu.ratio, 1.1) });
  const p99 = compare(results.ours, results.baseline, ({ reads }) => reads.p99);
  const latency = [results.ours, results.baseline].map((rounds) => ({
    p50: median(rounds.map(({ reads }) => reads.p50)),
    p99: median(rounds.map(({ reads }) => reads.p99)),
  }));
  bench.row({ name: 'GET p99 beside lists of 10,000', unit: 'ms', ...p99, ...atMost(p99.ours, 5, 'ms'), latency });
}

/** Both must give the same number of records, or there is nothing to compare. */
async function checkSame(servers) {
  const counts = await Promise.all(
    servers.map(async ({ port }) => {
      const response = await fetch(`http://127.0.0.1:${port}/my-app/Product?limit=${RECORDS}`);
      return (await response.json()).length;
    }),
  );
  if (counts.some((count) => count !== RECORDS)) throw new Error(`lists of ${RECORDS} have ${counts} records`);
}
