// Messages to one room, which an HTTP handler sends and nothing stores, delivered to each of its members; and the same
// number of subscribers of a table channel, which are told of durable writes.
import { atLeast, compare, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { startHandwritten } from '../servers/start.mjs';

const IDS = 1000;
const HELLO = '{"type":"join_room","room":"bench"}';
const TARGET = 8;

export async function run(bench) {
  const count = bench.quick ? 1000 : 5000;
  const ours = await bench.start('ours', () => bench.startOurs({ messages: IDS, rooms: true }));
  const loop = await bench.start('loop', () => startHandwritten({ messages: IDS }));
  const room = { kind: 'ws', count, path: '/my-app/ws', hello: HELLO };
  await bench.subscribe('room', ours, room);
  await bench.subscribe('loop', loop, room);
  await bench.subscribe('table', ours, { kind: 'ws', count });
  const sides = {
    room: { server: ours, group: 'room', kind: 'tell', count },
    loop: { server: loop, group: 'loop', kind: 'tell', count },
    table: { server: ours, group: 'table', kind: 'put', count },
  };
  for (const inFlight of [1, 8]) {
    const measure = (side) => deliver(bench, side, inFlight);
    const rounds = bench.quick ? 3 : 4;
    const first = await interleave({ ours: sides.room, loop: sides.loop }, rounds, measure);
    report(bench, `${count} members of a room : ws loop, ${inFlight} in flight`, first, TARGET);
    const second = await interleave({ ours: sides.room, loop: sides.table }, rounds, measure);
    report(bench, `  ${count} members : table channel, ${inFlight} in flight`, second, 0.9);
  }
}

function report(bench, name, { ours, loop }, target) {
  const rate = compare(ours, loop, (result) => result.perSecond);
  const middle = (results, key) => median(results.map((result) => result[key]));
  const latency = [ours, loop].map((results) => ({ p50: middle(results, 'p50'), p99: middle(results, 'p99') }));
  const note = `requests/s ${Math.round(middle(ours, 'requests'))} : ${Math.round(middle(loop, 'requests'))}`;
  bench.row({ name, unit: 'deliveries/s', ...rate, ...atLeast(rate.ratio, target), latency, note });
}

async function deliver(bench, { server, group, kind, count }, inFlight) {
  await bench.subs.call('reset', { name: group });
  const ms = bench.quick ? 250 : 1500;
  const sent = await bench.http.call('run', { port: server.port, connections: inFlight, ms, kind, ids: IDS });
  const expected = sent.count * count;
  const got = await bench.subs.call('settle', { name: group, expected, each: sent.count });
  return {
    perSecond: expected / ((got.lastUs - sent.startUs) / 1e6),
    requests: sent.perSecond,
    p50: sent.p50,
    p99: sent.p99,
  };
}
