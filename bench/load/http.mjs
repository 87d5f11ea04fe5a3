// The load generator for requests: N connections, each with one request in flight, as fast as they are answered.
// With `requests` it ends after so many of them, otherwise after `ms`.
// With `rate` it is an open loop instead: that many requests per second, on time whether or not answers have come.
import { percentile } from '../lib/stats.mjs';
import { measureCpu, nowUs, serveCommands } from './child.mjs';
import { Connection } from './connection.mjs';
import { makers } from './requests.mjs';

serveCommands({ run });

async function run({ port, connections, ms, kind, rate = 0, warmupMs = 0, requests, ...options }) {
  const make = makers[kind](options);
  const pool = await openPool(port, connections);
  try {
    if (warmupMs > 0) await load({ pool, ms: warmupMs, make, rate: 0 });
    return await load({ pool, ms, make, rate, requests });
  } finally {
    for (const connection of pool) connection.close();
  }
}

/**
 * Every connection has had one answer before the clock starts: a server busy with the first ones accepts the others
 * late (one per turn of its event loop), and that would be measured as latency.
 */
function openPool(port, connections) {
  const ask = makers.live({});
  const open = () =>
    new Promise((resolve, reject) => {
      const connection = new Connection(port);
      connection.onAnswer = () => resolve(connection);
      connection.onEnd = reject;
      connection.send(ask());
    });
  return Promise.all(Array.from({ length: connections }, open));
}

function load({ pool, ms, make, rate, requests = Number.POSITIVE_INFINITY }) {
  return new Promise((resolve, reject) => {
    const idle = new Set(pool);
    const late = [];
    const latencies = [];
    const startUs = nowUs();
    const cpu = measureCpu();
    const end = performance.now() + ms;
    let sent = 0;
    const mayGoOn = (now) => now < end && sent < requests;
    const timer = rate > 0 ? setInterval(tick, 1000 / rate) : undefined;
    const guard = setTimeout(() => finish(new Error('no answer for 20 s after the end')), ms + 20_000);

    function finish(error) {
      clearTimeout(guard);
      clearInterval(timer);
      for (const connection of pool) connection.onEnd = () => {};
      if (error !== undefined) return reject(error);
      const seconds = (nowUs() - startUs) / 1e6;
      const [p50, p99] = [percentile(latencies, 50), percentile(latencies, 99)];
      resolve({
        count: latencies.length,
        seconds,
        perSecond: latencies.length / seconds,
        p50,
        p99,
        startUs,
        cpu: cpu(),
      });
    }
    function send(connection, due) {
      idle.delete(connection);
      sent += 1;
      connection.due = due;
      connection.send(make());
    }
    function answer(connection, status) {
      const now = performance.now();
      latencies.push(now - connection.due);
      idle.add(connection);
      if (status < 200 || status > 299) return finish(new Error(`the server answered ${status}`));
      if (late.length > 0) send(connection, late.shift());
      else if (mayGoOn(now) && rate === 0) send(connection, now);
      else if (!mayGoOn(now) && idle.size === pool.length) finish();
    }
    // A request that finds no free connection waits, and its wait counts: the rate does not bend to a slow server.
    function tick() {
      const now = performance.now();
      const [connection] = idle;
      if (mayGoOn(now)) return connection === undefined ? late.push(now) : send(connection, now);
      clearInterval(timer);
      if (idle.size === pool.length) finish();
    }

    for (const connection of pool) {
      connection.onAnswer = (status) => answer(connection, status);
      connection.onEnd = finish;
      if (rate === 0 && mayGoOn(0)) send(connection, performance.now());
    }
  });
}
