// Durable writes to the table, delivered to every subscriber of the table channel. A delivery is one frame received by
// one subscriber; the clock runs from the first write to the last delivery, so what lags behind the writes is paid for.
import { readLag } from '../lib/lag.mjs';
import { atLeast, atMost, compare, interleave } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { startHandwritten } from '../servers/start.mjs';

const IDS = 1000;

/**
 * The quick run has only the small ones. Each scenario subscribes a group on both servers; a group is named by its side
 * and kept while the next scenario has the same.
 */
function makeScenarios(quick) {
  const many = 5000;
  const scenarios = [
    { title: `${many} WebSockets : ws loop`, count: many, ours: 'ws', loop: 'ws', targets: { 1: 8, 8: 8 } },
    { title: `${many} SSE : ws loop`, count: many, ours: 'sse', loop: 'ws', targets: { 1: 8, 8: 8 } },
    { title: `${many} SSE : res.write loop`, count: many, ours: 'sse', loop: 'sse', targets: { 1: 8, 8: 8 } },
    { title: '1000 WebSockets : ws loop', count: 1000, ours: 'ws', loop: 'ws', targets: { 1: 3, 8: 8 } },
    { title: '1000 SSE : ws loop', count: 1000, ours: 'sse', loop: 'ws', targets: { 1: 3, 8: 8 } },
  ];
  return quick ? scenarios.filter(({ count }) => count < many) : scenarios;
}

export async function run(bench) {
  const servers = {
    ours: await bench.start('ours', () => bench.startOurs({ messages: IDS })),
    loop: await bench.start('loop', () => startHandwritten({ messages: IDS })),
  };
  const open = { ours: undefined, loop: undefined };
  for (const scenario of makeScenarios(bench.quick)) {
    for (const side of ['ours', 'loop']) {
      const wanted = `${scenario[side]} ${scenario.count}`;
      if (open[side] === wanted) continue;
      if (open[side] !== undefined) await bench.subs.call('close', { name: side });
      await bench.subscribe(side, servers[side], { kind: scenario[side], count: scenario.count });
      open[side] = wanted;
    }
    await measureScenario(bench, servers, scenario);
  }
}

async function measureScenario(bench, servers, { title, count, targets }) {
  const sides = { ours: { server: servers.ours, group: 'ours' }, loop: { server: servers.loop, group: 'loop' } };
  for (const inFlight of [1, 8]) {
    const rounds = bench.quick ? 3 : 4;
    const { ours, loop } = await interleave(sides, rounds, (side) => deliver(bench, side, { inFlight, count }));
    const rate = compare(ours, loop, (result) => result.perSecond);
    const middle = (results, key) => median(results.map((result) => result[key]));
    const latency = [ours, loop].map((results) => ({ p50: middle(results, 'p50'), p99: middle(results, 'p99') }));
    const writes = `writes/s ${Math.round(middle(ours, 'writes'))} : ${Math.round(middle(loop, 'writes'))}`;
    const load = `load at ${Math.round(middle(ours, 'cpu') * 100)} : ${Math.round(middle(loop, 'cpu') * 100)} %`;
    const note = `${writes}; ${middle(ours, 'framesPerRead').toFixed(1)} frames a read; ${load}`;
    const name = `${title}, ${inFlight} in flight`;
    bench.row({ name, unit: 'deliveries/s', ...rate, ...atLeast(rate.ratio, targets[inFlight]), latency, note });
    const lag = compare(ours, loop, (result) => result.lagMs);
    bench.row({ name: '  event loop p99 meanwhile', unit: 'ms', ...lag, ...atMost(lag.ours, 20, 'ms') });
  }
}

async function deliver(bench, { server, group }, { inFlight, count }) {
  await bench.subs.call('reset', { name: group });
  await readLag(server);
  const ms = bench.quick ? 250 : 1500;
  const writes = await bench.http.call('run', { port: server.port, connections: inFlight, ms, kind: 'put', ids: IDS });
  const expected = writes.count * count;
  const got = await bench.subs.call('settle', { name: group, expected, each: writes.count });
  const lagMs = await readLag(server);
  return {
    perSecond: expected / ((got.lastUs - writes.startUs) / 1e6),
    writes: writes.perSecond,
    framesPerRead: got.total / got.reads,
    lagMs,
    p50: writes.p50,
    p99: writes.p99,
    cpu: got.cpu,
  };
}
