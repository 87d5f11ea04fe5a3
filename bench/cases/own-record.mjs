// Subscribers that each follow one record; writes are spread over the records, so each is delivered to one socket.
import { readLag } from '../lib/lag.mjs';
import { atLeast, atMost, compare, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { startHandwritten } from '../servers/start.mjs';

const CONNECTIONS = 64;

export async function run(bench) {
  const count = bench.quick ? 1000 : 5000;
  const ours = await bench.start('ours', () => bench.startOurs({ messages: count }));
  const baseline = await bench.start('baseline', () => startHandwritten({ messages: count }));
  const path = '/my-app/Message/msg-{i}';
  await bench.subscribe('ours', ours, { kind: 'ws', count, path });
  await bench.subscribe('loop', baseline, { kind: 'ws', count, path });
  const sides = { ours: { server: ours, group: 'ours' }, baseline: { server: baseline, group: 'loop' } };
  const results = await interleave(sides, bench.quick ? 3 : 5, (side) => deliver(bench, side, count));

  const rate = compare(results.ours, results.baseline, (result) => result.perSecond);
  const pick = (list) => ({ p50: median(list.map((r) => r.p50)), p99: median(list.map((r) => r.p99)) });
  const latency = [pick(results.ours), pick(results.baseline)];
  const name = `${count} on a record each : Map of sockets`;
  bench.row({ name, unit: 'deliveries/s', ...rate, ...atLeast(rate.ratio, 2.5), latency });
  const lag = compare(results.ours, results.baseline, (result) => result.lagMs);
  bench.row({ name: '  event loop p99 meanwhile', unit: 'ms', ...lag, ...atMost(lag.ours, 20, 'ms') });
}

async function deliver(bench, { server, group }, ids) {
  await bench.subs.call('reset', { name: group });
  await readLag(server);
  const ms = bench.quick ? 300 : 2000;
  const writes = await bench.http.call('run', { port: server.port, connections: CONNECTIONS, ms, kind: 'put', ids });
  const got = await bench.subs.call('settle', { name: group, expected: writes.count });
  const perSecond = writes.count / ((got.lastUs - writes.startUs) / 1e6);
  return { perSecond, p50: writes.p50, p99: writes.p99, lagMs: await readLag(server) };
}
