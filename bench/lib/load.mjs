// One round of requests of the benchmark.
import { TITLES } from '../servers/start.mjs';

/** Sends requests to a server for one round; the first one also lets the compiler of each server see its code. */
export function runRound(bench, server, { round, ...options }) {
  return bench.http.call('run', {
    port: server.port,
    ms: bench.quick ? 250 : 1500,
    warmupMs: round === 0 ? (bench.quick ? 400 : 1500) : 0,
    titles: TITLES,
    listQuery: server.listQuery,
    ...options,
  });
}
