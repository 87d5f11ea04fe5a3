// How old a change is when a subscriber has it: 20 durable writes a second to 1,000 subscribers. The stamp is taken when
// the request is made, so commit, encoding and the way through 1,000 sockets are in it.
import { readLag } from '../lib/lag.mjs';
import { atMost, compare, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { startHandwritten } from '../servers/start.mjs';

const SUBSCRIBERS = 1000;
const RATE = 20;

export async function run(bench) {
  const ours = await bench.start('ours', () => bench.startOurs({ messages: 1000 }));
  const baseline = await bench.start('baseline', () => startHandwritten({ messages: 1000 }));
  await bench.subscribe('ours', ours, { kind: 'ws', count: SUBSCRIBERS });
  await bench.subscribe('loop', baseline, { kind: 'ws', count: SUBSCRIBERS });
  const sides = { ours: { server: ours, group: 'ours' }, baseline: { server: baseline, group: 'loop' } };
  const results = await interleave(sides, 3, (side) => deliver(bench, side));

  const age = compare(results.ours, results.baseline, (result) => result.p50);
  const pick = (list) => ({ p50: median(list.map((r) => r.p50)), p99: median(list.map((r) => r.p99)) });
  const latency = [pick(results.ours), pick(results.baseline)];
  const name = `Delivery, ${RATE} writes/s to ${SUBSCRIBERS} : ws loop`;
  bench.row({ name, unit: 'ms median', ...age, ...atMost(age.ratio, 1.3), latency });
  const lag = compare(results.ours, results.baseline, (result) => result.lagMs);
  bench.row({ name: '  event loop p99 meanwhile', unit: 'ms', ...lag, ...atMost(lag.ours, 20, 'ms') });
  const probe = compare(results.ours, results.baseline, (result) => result.probe.p99);
  bench.row({ name: '  GET /health/live p99 meanwhile', unit: 'ms', ...probe, ...atMost(probe.ours, 20, 'ms') });
}

async function deliver(bench, { server, group }) {
  await bench.subs.call('reset', { name: group, latency: true });
  await readLag(server);
  const run = { port: server.port, ms: bench.quick ? 500 : 5000, connections: 8 };
  // A second generator asks for something small meanwhile: what any other client of the server would feel.
  const [writes, probe] = await Promise.all([
    bench.http.call('run', { ...run, kind: 'put', ids: 1000, rate: RATE }),
    bench.probe.call('run', { ...run, kind: 'live', rate: 97 }),
  ]);
  const expected = writes.count * SUBSCRIBERS;
  const got = await bench.subs.call('settle', { name: group, expected, each: writes.count });
  return { p50: got.p50, p99: got.p99, lagMs: await readLag(server), probe };
}
