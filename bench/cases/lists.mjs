// Filtered and sorted lists from 100,000 records, and one with a record of another table in each.
import { readCpu } from '../lib/process.mjs';
import { atLeast, atMost, compare, inEitherOrder, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { KINDS } from '../servers/products.mjs';
import { startHandwritten } from '../servers/start.mjs';

const CONNECTIONS = 64;
const PRODUCTS = 100_000;
const LISTS = [
  { title: 'List of 20 from 100,000', by: 'shelf', query: 'limit=20' },
  { title: 'List of 100 from 100,000', by: 'shelf', query: 'limit=100' },
  { title: 'List of 20, 500 to sort', query: 'limit=20' },
  { title: 'List of 100, 500 to sort', query: 'limit=100' },
  { title: 'List of 20, name,author{name}', query: 'limit=20&select=name,author{name}' },
];

export async function run(bench) {
  // `anew` is ours without its memory of pages that have not changed: it makes each answer from the tables.
  const starts = {
    ours: () => bench.startOurs({ products: PRODUCTS }),
    anew: () => bench.startOurs({ products: PRODUCTS, listCache: 0 }),
    baseline: () => startHandwritten({ products: PRODUCTS }),
  };
  const results = await inEitherOrder(bench, starts, LISTS, (servers, list) => measureList(bench, servers, list));
  for (const [index, { title }] of LISTS.entries()) {
    const { ours, anew, baseline } = results[index];
    for (const row of makeRows(title, { ours: anew, baseline })) bench.row(row);
    const rate = compare(ours, baseline, (result) => result.perSecond);
    bench.row({ name: '  when it has not changed since', unit: 'requests/s', ...rate });
  }
}

async function measureList(bench, servers, { title, by = 'kind', query }) {
  const pathsOf = ({ heartbeat }) =>
    makePaths(heartbeat ? `${by}==${by}` : `${by}=${by}`, heartbeat ? '&sort=-price' : '', query);
  await checkSame(title, Object.values(servers), pathsOf);
  const load = { connections: CONNECTIONS, kind: 'paths' };
  const ask = (server, ms) => bench.http.call('run', { ...load, port: server.port, ms, paths: pathsOf(server) });
  const measure = async (server, round) => {
    if (round === 0) await ask(server, bench.quick ? 300 : 1500);
    const before = readCpu(server.pid);
    const result = await ask(server, bench.quick ? 300 : 1500);
    return { ...result, cpu: ((readCpu(server.pid) - before) * 1000) / result.count };
  };
  const { ours, anew, baseline } = servers;
  return interleave({ ours, anew, baseline }, bench.quick ? 2 : 3, measure);
}

function makePaths(condition, sort, query) {
  const rest = `${sort}&${query}`.replace('{', '%7B').replace('}', '%7D');
  return Array.from({ length: KINDS }, (_, i) => `/my-app/Product?${condition}-${i}${rest}`);
}

/** Both must give the same records, or there is nothing to compare. */
async function checkSame(title, servers, pathsOf) {
  const answers = await Promise.all(
    servers.map(async (server) => {
      const response = await fetch(`http://127.0.0.1:${server.port}${pathsOf(server)[0]}`);
      return JSON.stringify((await response.json()).map(sortMembers));
    }),
  );
  if (answers[0] !== answers[1]) throw new Error(`${title}: ${answers.map((text) => text.slice(0, 300)).join('\n')}`);
}

function sortMembers(record) {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function makeRows(title, { ours, baseline }) {
  const rate = compare(ours, baseline, (result) => result.perSecond);
  const tail = compare(ours, baseline, (result) => result.p99);
  const cpu = compare(ours, baseline, (result) => result.cpu);
  const latency = (results) => ({ p50: median(results.map((r) => r.p50)), p99: median(results.map((r) => r.p99)) });
  return [
    {
      name: title,
      unit: 'requests/s',
      ...rate,
      ...atLeast(rate.ratio, 1),
      latency: [latency(ours), latency(baseline)],
    },
    { name: '  CPU per request', unit: 'µs', ...cpu, ...atMost(cpu.ratio, 1) },
    { name: '  p99', unit: 'ms', ...tail, ...atMost(tail.ratio, 1) },
  ];
}
