// The load generator for subscribers: thousands of raw sockets in one process that count what they are sent.
import { percentile } from '../lib/stats.mjs';
import { measureCpu, serveCommands } from './child.mjs';
import { Group } from './group.mjs';

const groups = new Map();
let cpu = measureCpu();

function find(name) {
  const group = groups.get(name);
  if (group === undefined) throw new Error(`no group ${name}`);
  return group;
}

serveCommands({
  async open({ name, ...options }) {
    const group = new Group(options);
    groups.set(name, group);
    await group.open();
    return { open: group.size };
  },
  /** Starts to count anew; with `latency` every delivery's age is kept too. */
  reset({ name, latency = false }) {
    find(name).reset(latency);
    cpu = measureCpu();
  },
  /** Waits until `expected` deliveries have come in all; each socket must then have had `each`, when that is given. */
  async settle({ name, expected, each, timeoutMs = 30_000 }) {
    const group = find(name);
    await group.settle(expected, timeoutMs);
    const result = { lastUs: group.lastUs, total: group.total, bytes: group.bytes, reads: group.reads, cpu: cpu() };
    const wrong = each === undefined ? 0 : group.counts.filter((count) => count !== each).length;
    if (wrong > 0) throw new Error(`${wrong} of ${group.size} subscribers did not get exactly ${each} frames`);
    const { ages } = group;
    return { ...result, p50: percentile(ages, 50), p99: percentile(ages, 99) };
  },
  async close({ name }) {
    await find(name).close();
    groups.delete(name);
  },
});
