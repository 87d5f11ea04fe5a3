// What rules of access cost: for each write that subscribers are told of, and for each record or list that is read.
// Both sides of every ratio are ours, with a rule and without, measured in turn.
import { setTimeout as wait } from 'node:timers/promises';
import { cpuDuring } from '../lib/process.mjs';
import { atMost, compare, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { makeToken, SECRET } from '../lib/tokens.mjs';
import { post, startTablecast } from '../servers/start.mjs';

const WRITERS = 16;
const READERS = 64;
const IDS = 5000;
const SUBSCRIBERS = 1000;
const ADMIN = makeToken('writer', { roles: ['admin'] });
const MEMBER = makeToken('member', { team: 'a' });

export async function run(bench) {
  // The baseline has no rules.
  if (bench.startOurs !== startTablecast) return;
  const start = () => startTablecast({ secret: SECRET });
  const [left, right] = [await bench.start('left', start), await bench.start('right', start)];
  for (const server of [left, right]) await seed(server);
  const tokensOf = (make) => Array.from({ length: SUBSCRIBERS }, (_, i) => make(`user-${i}`));
  const members = tokensOf((sub) => makeToken(sub, { team: 'a' }));
  const free = { server: left, table: 'Free', tokens: members, matches: SUBSCRIBERS };
  const team = { server: right, table: 'Team', tokens: members, matches: SUBSCRIBERS };
  const shared = `CPU per write, one rule for ${SUBSCRIBERS} : none`;
  await compareWrites(bench, { name: shared, ours: team, baseline: free, target: 1.5 });
  const owners = tokensOf((sub) => makeToken(sub));
  const own = { server: right, table: 'Own', tokens: owners, matches: 1 };
  const filtered = { server: left, table: 'Free', query: '?ownerId==user-{i}', tokens: owners, matches: 1 };
  const each = `CPU per write, ${SUBSCRIBERS} rules : as many filters`;
  await compareWrites(bench, { name: each, ours: own, baseline: filtered });
  const related = { server: right, table: 'Card', tokens: owners, matches: 1 };
  const plain = { server: left, table: 'Own', tokens: owners, matches: 1 };
  const relation = `CPU per write, ${SUBSCRIBERS} relation rules : as many plain`;
  await compareWrites(bench, { name: relation, ours: related, baseline: plain, target: 2 });
  await compareReads(bench, right);
}

async function seed({ port }) {
  const make = (i) => ({ id: `note-${i}`, team: 'a', ownerId: `user-${i % SUBSCRIBERS}`, content: 'seed' });
  for (const table of ['Free', 'Team', 'Own', 'Card']) await post({ port, token: ADMIN }, table, IDS, make);
  const user = (i) => `user-${i}`;
  await post({ port, token: ADMIN }, 'Board', SUBSCRIBERS, (i) => ({ id: user(i) }));
  const member = (i) => ({ id: user(i), boardId: user(i), userId: user(i) });
  await post({ port, token: ADMIN }, 'Member', SUBSCRIBERS, member);
}

async function compareWrites(bench, { name, ours, baseline, target }) {
  for (const side of [ours, baseline]) {
    const { server, table, tokens, query = '' } = side;
    side.group = `${table}${query} of ${server.port}`;
    await bench.subscribe(side.group, server, {
      kind: 'ws',
      count: SUBSCRIBERS,
      path: `/my-app/${table}${query}`,
      tokens,
    });
    // Compiles the paths of a write, so that the first figure is not the one that pays for it.
    await measureWrites(bench, side);
  }
  const results = await interleave({ ours, baseline }, bench.quick ? 3 : 5, (side) => measureWrites(bench, side));
  for (const { group } of [ours, baseline]) await bench.subs.call('close', { name: group });
  const note = `${rateOf(results.ours)} and ${rateOf(results.baseline)} writes/s`;
  report(bench, { name, results, target, note });
}

async function measureWrites(bench, { server, table, group, matches }) {
  const ms = bench.quick ? 500 : 1000;
  const idle = await cpuDuring(server, () => wait(ms));
  await bench.subs.call('reset', { name: group });
  let writes;
  const busy = await cpuDuring(server, async () => {
    const load = { kind: 'note', table, ids: IDS, owners: SUBSCRIBERS, token: ADMIN };
    writes = await bench.http.call('run', { port: server.port, connections: WRITERS, ms, ...load });
    await bench.subs.call('settle', { name: group, expected: writes.count * matches });
  });
  const heartbeat = (idle.cpu / idle.ms) * busy.ms;
  return { ...writes, cpu: ((busy.cpu - heartbeat) * 1000) / writes.count };
}

/** By one server, whose code is warm for both sides. */
async function compareReads(bench, server) {
  const record = Array.from({ length: IDS }, (_, i) => `note-${i}`);
  const reads = [
    ['GET by id', (table) => record.map((id) => `/my-app/${table}/${id}`)],
    ['List of 20', (table) => [`/my-app/${table}?limit=20`]],
  ];
  for (const [what, pathsOf] of reads) {
    const plain = { paths: pathsOf('Free') };
    const known = { paths: pathsOf('Free'), token: MEMBER };
    const ruled = { paths: pathsOf('Team'), token: MEMBER };
    await compareSides(bench, server, { name: `CPU per ${what}, rule : none`, ours: ruled, baseline: known });
    await compareSides(bench, server, { name: `CPU per ${what}, token : none`, ours: known, baseline: plain });
  }
}

async function compareSides(bench, server, { name, ours, baseline }) {
  const measure = async (side, round) => {
    const ask = (ms) => bench.http.call('run', { port: server.port, connections: READERS, ms, kind: 'paths', ...side });
    if (round === 0) await ask(bench.quick ? 300 : 1000);
    let reads;
    const busy = await cpuDuring(server, async () => {
      reads = await ask(bench.quick ? 500 : 1000);
    });
    return { ...reads, cpu: (busy.cpu * 1000) / reads.count };
  };
  const results = await interleave({ ours, baseline }, bench.quick ? 3 : 5, measure);
  report(bench, { name, results, note: `${rateOf(results.ours)} and ${rateOf(results.baseline)} requests/s` });
}

function rateOf(results) {
  return Math.round(median(results.map(({ perSecond }) => perSecond)));
}

function report(bench, { name, results: { ours, baseline }, target, note }) {
  const cpu = compare(ours, baseline, (result) => result.cpu);
  const latency = (results) => ({ p50: median(results.map((r) => r.p50)), p99: median(results.map((r) => r.p99)) });
  const wanted = target === undefined ? {} : atMost(cpu.ratio, target);
  bench.row({ name, unit: 'µs', ...cpu, ...wanted, latency: [latency(ours), latency(baseline)], note });
}
