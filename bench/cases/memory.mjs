// Resident memory per idle subscriber: 500 connections come and go first, then 5,000 stay. A fresh server each time.
// The judged figure is without a garbage collection forced from outside; the second one is with it before both readings.
import { setTimeout as wait } from 'node:timers/promises';
import { readRss } from '../lib/process.mjs';
import { atMost } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { startHandwritten } from '../servers/start.mjs';

const WARM_UP = 500;
const COUNT = 5000;
const KINDS = [
  { kind: 'ws', title: 'idle WebSocket', target: 10 },
  { kind: 'sse', title: 'idle SSE', target: 14 },
];

export async function run(bench) {
  for (const { kind, title, target } of KINDS) {
    const plain = await measure(bench, kind, false);
    bench.row({
      name: `Memory per ${title}`,
      unit: 'KB',
      ...plain,
      ...atMost(plain.ours, target, 'KB'),
      note: 'no forced GC',
    });
    if (bench.quick) continue;
    const collected = await measure(bench, kind, true);
    bench.row({
      name: `  per ${title} after GC`,
      unit: 'KB',
      ...collected,
      note: '--expose-gc, both readings after gc()',
    });
  }
}

async function measure(bench, kind, collect) {
  const take = async (start, times) => {
    const results = [];
    for (let i = 0; i < times; i++) {
      const server = await bench.start('memory', () => start({ messages: 1000, collect }));
      results.push(await measureServer(bench, server, kind, collect));
      await bench.stop('memory');
    }
    return median(results);
  };
  const ours = await take(bench.startOurs, bench.quick || collect ? 1 : 3);
  // The target is a number, not a ratio: the baseline stands beside it for the reader, once and in the full run only.
  const baseline = await take(startHandwritten, bench.quick || collect ? 0 : 1);
  return { ours, baseline, ratio: ours / baseline };
}

async function measureServer(bench, server, kind, collect) {
  await bench.subscribe('warm-up', server, { kind, count: WARM_UP });
  await bench.subs.call('close', { name: 'warm-up' });
  await wait(bench.quick ? 300 : 700);
  const before = await read(server, collect);
  await bench.subscribe('idle', server, { kind, count: COUNT });
  // In the full run past the first heartbeat of the WebSockets, which must not cost memory that stays.
  await wait(bench.quick ? 500 : 5500);
  const after = await read(server, collect);
  await bench.subs.call('close', { name: 'idle' });
  return (after - before) / COUNT;
}

async function read(server, collect) {
  if (collect) {
    server.child.kill('SIGWINCH');
    await wait(700);
  }
  return readRss(server.pid);
}
