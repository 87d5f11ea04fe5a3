// npm run bench [-- names…] [--quick] [--self] [--json file]: see README.md.
import { existsSync, statfsSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { CORE_OF_LOAD, killAll, pinSelf } from './lib/process.mjs';
import { printTable } from './lib/table.mjs';
import { startLoad } from './load/child.mjs';
import { CLI, parentDir, startHandwritten, startTablecast } from './servers/start.mjs';

const CASES = [
  'http',
  'fanout',
  'few',
  'latency',
  'own-record',
  'rooms',
  'live',
  'memory',
  'start',
  'lists',
  'whole-lists',
  'filters',
  'rules',
  'checks',
  'windows',
  'totals',
  'postgres',
];
const TMPFS = 0x01021994;

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    self: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const unknown = names.filter((name) => !CASES.includes(name));
if (unknown.length > 0) stop(`unknown case ${unknown.join(', ')}; there are: ${CASES.join(', ')}`);
if (!options.self && !existsSync(CLI)) stop(`${CLI} is missing: npm run build`);
if (statfsSync(parentDir()).type === TMPFS) {
  stop('the temporary directory is in memory, where fsync costs nothing: set BENCH_DIR to a directory on a disk');
}

process.on('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
if (!pinSelf(CORE_OF_LOAD)) console.log('taskset is not available: server and load are not pinned apart');

const [busyBefore] = loadavg();
const began = performance.now();
const rows = [];
const failures = [];
for (const name of CASES) {
  if (names.length > 0 && !names.includes(name)) continue;
  const from = performance.now();
  await runCase(name);
  console.error(`${name}: ${((performance.now() - from) / 1000).toFixed(1)} s`);
}
console.log(
  `\nours : ${options.self ? 'the baseline itself (every ratio should be near 1)' : 'Tablecast, durability full'}`,
);
console.log(`${options.quick ? 'quick' : 'full'} run, ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
if (busyBefore > 1) console.log(`Load average before: ${busyBefore.toFixed(1)}. Do not quote these figures.\n`);
printTable(rows);
for (const failure of failures) console.log(`\nNOT MEASURED ${failure}`);
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ rows, failures }, null, 2)}\n`);
process.exit(failures.length > 0 ? 1 : 0);

/** Runs one case with fresh generators and servers; a failure is noted and the other cases still run. */
async function runCase(name) {
  const servers = new Map();
  const [http, probe, subs] = [startLoad('http.mjs'), startLoad('http.mjs'), startLoad('subscribers.mjs')];
  const bench = {
    quick: options.quick,
    self: options.self,
    http,
    probe,
    subs,
    startOurs: options.self ? startHandwritten : startTablecast,
    row: (row) => rows.push(row),
    async start(key, make) {
      const server = await make();
      servers.set(key, server);
      return server;
    },
    async stop(key) {
      await servers.get(key)?.stop();
      servers.delete(key);
    },
    async subscribe(group, server, { path = '/my-app/Message', ...options }) {
      const { port, heartbeat } = server;
      await subs.call('open', { ...options, name: group, port, path, heartbeat });
    },
  };
  try {
    const { run } = await import(`./cases/${name}.mjs`);
    await run(bench);
  } catch (error) {
    failures.push(`${name}: ${error.stack}`);
  } finally {
    await Promise.allSettled([http.stop(), probe.stop(), subs.stop()]);
    await Promise.allSettled([...servers.values()].map((server) => server.stop()));
  }
}

function stop(message) {
  console.error(message);
  process.exit(2);
}
