/** The metric is the time between two ticks of a timer (Node's monitorEventLoopDelay): an idle process shows 10 ms. */
const TICK_MS = 10;

/** The p99 of the server's event loop delay in ms since the last time it was asked: how late the timer's ticks were. */
export async function readLag(server) {
  const response = await fetch(`http://127.0.0.1:${server.port}/metrics`);
  const text = await response.text();
  const match = text.match(/^nodejs_eventloop_lag_p99_seconds(?:\{[^}]*\})? (\S+)$/m);
  if (match === null) throw new Error(`${server.name} has no nodejs_eventloop_lag_p99_seconds in /metrics`);
  return Math.max(0, Number(match[1]) * 1000 - TICK_MS);
}
