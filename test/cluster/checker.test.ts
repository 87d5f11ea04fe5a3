import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask } from '../support/http.ts';
import { reason, runSql, unreachable } from '../support/postgres/server.ts';
import { until } from '../support/wait.ts';
import { check, readEntries } from './check.ts';
import { type RunContext, RunHistory, type Snapshot, takeSnapshot, Wanderer, write } from './clients.ts';
import { Cluster, type ClusterNode } from './nodes.ts';
import { Random } from './random.ts';

/** Runs with each fault; `TABLECAST_CLUSTER_RUNS=20` for a long check, and `TABLECAST_CLUSTER_SEED` to make one again. */
const RUNS = Number(process.env.TABLECAST_CLUSTER_RUNS ?? 1);
const SEED = Number(process.env.TABLECAST_CLUSTER_SEED ?? Date.now() % 1_000_000);
const NODES = Number(process.env.TABLECAST_CLUSTER_NODES ?? 2);
const RUN_MS = 2500;
const WRITERS = 4;
const WANDERERS = 3;
const SETTLE_MS = 30_000;
/** Acknowledged writes of a run; on a busy machine it lasts longer. */
const ENOUGH_WRITES = 20;

/** Does its harm once, in the middle of a run, and resolves when all is well again. */
type Fault = (node: ClusterNode, cluster: Cluster) => Promise<void>;

const FAULTS: Readonly<Record<string, Fault>> = {
  'nothing happens': async () => {},
  'every notification is swallowed': async (_, { nodes }) => {
    for (const { proxy } of nodes) proxy.swallowsBells = true;
    await pause(RUN_MS);
    for (const { proxy } of nodes) proxy.swallowsBells = false;
  },
  'a server is killed': async ({ server }) => {
    await server.kill();
    await server.restart();
  },
  'a server is stopped and goes on': async ({ server }) => {
    process.kill(server.pid, 'SIGSTOP');
    await pause(1500);
    process.kill(server.pid, 'SIGCONT');
  },
  'the database ends the connections of a server, again and again': async ({ proxy }) => {
    for (let time = 0; time < 4; time++) {
      await runSql(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port = ANY($1) AND pid <> pg_backend_pid()',
        [proxy.ports],
      );
      await pause(400);
    }
  },
  'answers to commits are lost': async ({ proxy }) => {
    for (let time = 0; time < 4; time++) {
      proxy.loseNextAnswer();
      await pause(400);
    }
  },
};

let cluster: Cluster;
let runs = 0;

describe.skipIf(unreachable !== undefined)(`${NODES} servers on one schema${reason}`, () => {
  beforeAll(async () => {
    cluster = await Cluster.start(NODES);
  });

  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    console.log(`cluster: ${runs} runs of ${NODES} servers, first seed ${SEED}`);
  });

  const names = Object.keys(FAULTS);
  test.each(
    names.flatMap((name, place) =>
      Array.from({ length: RUNS }, (_, time) => [name, SEED + 1000 * place + time] as const),
    ),
  )('lose, double, invent and reorder nothing while %s (seed %d)', { timeout: 150_000 }, async (name, seed) => {
    const random = new Random(seed);
    const context: RunContext = { cluster, random, run: `r${seed}`, history: new RunHistory() };
    const faults = await runOnce(context, FAULTS[name] as Fault);
    expect(faults).toEqual([]);
    runs++;
  });
});

async function runOnce(context: RunContext, fault: Fault): Promise<readonly string[]> {
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
  const writers = Array.from({ length: WRITERS }, (_, writer) => write(context, writer));
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
  const harm = fault(random.of(cluster.nodes), cluster);
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
  return check(context, { wanderers, snapshots });
}

/** Waits until every subscriber has the end of the log; what is missing after that is lost. */
async function settle(context: RunContext, wanderers: readonly Wanderer[]): Promise<void> {
  const last = (await readEntries(context)).at(-1)?.seq ?? 0;
  const end = performance.now() + SETTLE_MS;
  while (performance.now() < end && !wanderers.every(({ position = 0 }) => position >= last)) await pause(50);
}
