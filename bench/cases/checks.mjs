// What the checks of a schema cost a write: a table with one of each, and the same fields without. Both sides are one server
// of ours, whose code is warm for both.
import { cpuDuring } from '../lib/process.mjs';
import { atLeast, atMost, compare, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { post, startTablecast } from '../servers/start.mjs';

const WRITERS = 64;
const IDS = 5000;
const OWNERS = 1000;

const fields = (content, relation) => `  id: ID! @primaryKey
  ownerId: ID! @indexed
  begin: Int!
  end: Int!
  content: String!${content}
${relation}}
`;
const SCHEMA = `type Owner @table(database: "bench") @export(rest: true) { id: ID! @primaryKey }
type Plain @table(database: "bench") @export(rest: true) {
${fields('', '')}
type Checked @table(database: "bench") @export(rest: true) @check(rule: "end > begin") {
${fields(' @constraint(maxLength: 1000)', '  owner: Owner @relationship(from: "ownerId", onDelete: RESTRICT)\n')}`;

export async function run(bench) {
  // The baseline has no checks.
  if (bench.startOurs !== startTablecast) return;
  const server = await bench.start('checks', () => startTablecast({ schema: SCHEMA }));
  await post(server, 'Owner', OWNERS, (i) => ({ id: `owner-${i}` }));
  const make = (i) => ({ id: `entry-${i}`, ownerId: `owner-${i % OWNERS}`, begin: i, end: i + 1, content: 'seed' });
  for (const table of ['Plain', 'Checked']) await post(server, table, IDS, make);
  const sides = { ours: 'Checked', baseline: 'Plain' };
  for (const table of Object.values(sides)) await measure(bench, server, table);
  const results = await interleave(sides, bench.quick ? 3 : 9, (table) => measure(bench, server, table));
  const { ours, baseline } = results;
  const rate = compare(ours, baseline, ({ perSecond }) => perSecond);
  const latency = [ours, baseline].map((list) => ({
    p50: median(list.map(({ p50 }) => p50)),
    p99: median(list.map(({ p99 }) => p99)),
  }));
  const name = 'one of each check : none';
  bench.row({ name: `PUT, ${name}`, unit: 'req/s', ...rate, ...atLeast(rate.ratio, 0.85), latency });
  const cpu = compare(ours, baseline, (result) => result.cpu);
  bench.row({ name: `CPU per PUT, ${name}`, unit: 'µs', ...cpu, ...atMost(cpu.ratio, 1.15) });
}

async function measure(bench, server, table) {
  const load = { kind: 'entry', table, ids: IDS, owners: OWNERS, connections: WRITERS, ms: bench.quick ? 500 : 1500 };
  let writes;
  const busy = await cpuDuring(server, async () => {
    writes = await bench.http.call('run', { port: server.port, ...load });
  });
  return { ...writes, cpu: (busy.cpu * 1000) / writes.count };
}
