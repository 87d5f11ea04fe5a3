import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask } from '../support/http.ts';
import { OwnPostgres } from '../support/postgres/own-server.ts';
import { reason, unreachable } from '../support/postgres/server.ts';
import { until } from '../support/wait.ts';
import { check, readEntries } from './check.ts';
import { type RunContext, RunHistory, type Snapshot, takeSnapshot, Wanderer, write, writeBySql } from './clients.ts';
import { FAULTS, type Fault, RUN_MS, several } from './faults.ts';
import { Cluster, type ClusterNode } from './nodes.ts';
import { Random } from './random.ts';

/**
 * Runs with each fault, and with several faults at once; `TABLECAST_CLUSTER_RUNS=20 TABLECAST_CLUSTER_RANDOM=200
 * TABLECAST_CLUSTER_NODES=2,3` for the long check, and `TABLECAST_CLUSTER_SEED` to make one again.
 */
const RUNS = Number(process.env.TABLECAST_CLUSTER_RUNS ?? 1);
const RANDOM_RUNS = Number(process.env.TABLECAST_CLUSTER_RANDOM ?? 2);
const SEED = Number(process.env.TABLECAST_CLUSTER_SEED ?? Date.now() % 1_000_000);
const SIZES = (process.env.TABLECAST_CLUSTER_NODES ?? '3').split(',').map(Number);
const WRITERS = 4;
const SQL_WRITERS = 2;
const WANDERERS = 3;
const SETTLE_MS = 30_000;
/** Acknowledged writes of a run; on a busy machine it lasts longer. */
const ENOUGH_WRITES = 20;
/** Milliseconds by which the clocks of the servers are wrong. */
const CLOCKS = [0, 3_600_000, -3_600_000];

describe.skipIf(unreachable !== undefined).each(SIZES)(
  `%i servers with wrong clocks and psql on one schema${reason}`,
  (size) => {
    let cluster: Cluster;
    const totals = { runs: 0, writes: 0, frames: 0 };

    beforeAll(async () => {
      cluster = await Cluster.start(size, { env: (place) => clockOf(CLOCKS[place]) });
    }, 120_000);

    afterAll(async () => {
      await cluster?.[Symbol.asyncDispose]();
      report(size, totals);
    });

    test.each(
      Object.keys(FAULTS).flatMap((name, place) =>
        Array.from({ length: RUNS }, (_, time) => [name, SEED + 1000 * place + time] as const),
      ),
    )('lose, double, invent and reorder nothing while %s (seed %d)', { timeout: 150_000 }, async (name, seed) => {
      expect(await runOnce({ cluster, seed, totals }, FAULTS[name] as Fault)).toEqual([]);
    });

    test.each(Array.from({ length: RANDOM_RUNS }, (_, time) => [SEED + 100_000 + time] as const))(
      'nor while several faults happen at once (seed %d)',
      { timeout: 200_000 },
      async (seed) => {
        expect(await runOnce({ cluster, seed, totals }, several)).toEqual([]);
      },
    );
  },
);

describe.skipIf(unreachable !== undefined || OwnPostgres.missing !== undefined)(
  `servers on a database that restarts${reason}`,
  () => {
    let postgres: OwnPostgres;
    let cluster: Cluster;
    const totals = { runs: 0, writes: 0, frames: 0 };

    beforeAll(async () => {
      postgres = await OwnPostgres.start();
      cluster = await Cluster.start(2, { database: postgres.url });
    }, 180_000);

    afterAll(async () => {
      await cluster?.[Symbol.asyncDispose]();
      await postgres?.[Symbol.asyncDispose]();
      report(2, totals);
    }, 60_000);

    test.each(
      (['fast', 'immediate'] as const).flatMap((how, place) =>
        Array.from({ length: RUNS }, (_, time) => [how, SEED + 200_000 + 1000 * place + time] as const),
      ),
    )('lose, double, invent and reorder nothing: %s (seed %d)', { timeout: 150_000 }, async (how, seed) => {
      expect(await runOnce({ cluster, seed, totals }, () => postgres.restart(how))).toEqual([]);
    });
  },
);

/** Returns the environment of a server whose clock is wrong. */
function clockOf(shift = 0): Readonly<Record<string, string>> {
  if (shift === 0) return {};
  const code = `const { now } = Date; const Own = Date;
globalThis.Date = class Date extends Own { constructor(...a) { if (a.length === 0) super(Own.now()); else super(...a); } };
Own.now = globalThis.Date.now = () => now() + ${shift};`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` };
}

interface Totals {
  runs: number;
  writes: number;
  frames: number;
}

function report(size: number, { runs, writes, frames }: Totals): void {
  console.log(`cluster: ${runs} runs of ${size} servers, ${writes} writes, ${frames} frames; first seed ${SEED}`);
}

async function runOnce(
  { cluster, seed, totals }: { readonly cluster: Cluster; readonly seed: number; readonly totals: Totals },
  fault: Fault,
): Promise<readonly string[]> {
  const context: RunContext = { cluster, random: new Random(seed), run: `r${seed}`, history: new RunHistory() };
  const { run, random, history } = context;
  const [first] = cluster.nodes as [ClusterNode];
  expect((await ask('PUT', cluster.url(first, `Counter/${run}`), { json: {} })).status).toBe(201);
  const paths = ['Note', `Note?run==${run}`, 'Note'];
  const wanderers = Array.from({ length: WANDERERS }, (_, i) => new Wanderer(context, paths[i % 3] as string));
  await until(
    async () => wanderers.every(({ start }) => start !== undefined),
    (isReady) => isReady,
  );
  const snapshots: Snapshot[] = [];
  const writers = [
    ...Array.from({ length: WRITERS }, (_, writer) => write(context, writer)),
    ...Array.from({ length: SQL_WRITERS }, (_, writer) => writeBySql(context, writer)),
  ];
  const reader = (async () => {
    while (!history.isStopped) {
      const snapshot = await takeSnapshot(context);
      if (snapshot !== undefined) snapshots.push(snapshot);
    }
  })();
  const work = Promise.all([...writers, reader]);
  // It is awaited at the end.
  work.catch(() => {});
  await pause(RUN_MS / 4);
  const harm = fault(random.of(cluster.nodes), cluster, random);
  await pause(RUN_MS);
  await harm;
  await until(
    async () => history.acked.length,
    (count) => count >= ENOUGH_WRITES,
    { what: 'the writes of a run' },
  );
  history.isStopped = true;
  try {
    await work;
    await settle(context, wanderers);
  } finally {
    for (const wanderer of wanderers) await wanderer.stop();
  }
  totals.runs++;
  totals.writes += history.acked.length;
  totals.frames += wanderers.reduce((sum, { frames }) => sum + frames.length, 0);
  return check(context, { wanderers, snapshots });
}

/** Waits until every subscriber has the end of the log; what is missing after that is lost. */
async function settle(context: RunContext, wanderers: readonly Wanderer[]): Promise<void> {
  const last = (await readEntries(context)).at(-1)?.seq ?? 0;
  const end = performance.now() + SETTLE_MS;
  while (performance.now() < end && !wanderers.every(({ position = 0 }) => position >= last)) await pause(50);
}
