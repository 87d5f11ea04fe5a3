import { setTimeout as pause } from 'node:timers/promises';
import type { Cluster, ClusterNode } from './nodes.ts';
import type { Random } from './random.ts';

/** Milliseconds in which the clients of a run work. */
export const RUN_MS = 2500;

/** Does its harm once, in the middle of a run, and resolves when all is well again. */
export type Fault = (node: ClusterNode, cluster: Cluster, random: Random) => Promise<void>;

const END_CONNECTIONS =
  'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port = ANY($1) AND pid <> pg_backend_pid()';

export const FAULTS: Readonly<Record<string, Fault>> = {
  'nothing happens': async () => {},
  'every notification is swallowed': async (_, { nodes }) => {
    for (const { proxy } of nodes) proxy.swallowsBells = true;
    await pause(RUN_MS);
    for (const { proxy } of nodes) proxy.swallowsBells = false;
  },
  'every notification comes twice': async (_, { nodes }) => {
    for (const { proxy } of nodes) proxy.doublesBells = true;
    await pause(RUN_MS);
    for (const { proxy } of nodes) proxy.doublesBells = false;
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
  'a server cannot reach the database': async ({ proxy }) => {
    await proxy.goAway();
    await pause(1500);
    await proxy.comeBack();
  },
  'the connections of a server are silent': async ({ proxy }) => {
    await proxy.stall(1500);
  },
  'the database ends the connections of a server, again and again': async ({ proxy }, cluster) => {
    for (let time = 0; time < 4; time++) {
      await cluster.sql(END_CONNECTIONS, [proxy.ports]);
      await pause(400);
    }
  },
  'answers to commits are lost': async ({ proxy }) => {
    for (let time = 0; time < 4; time++) {
      proxy.loseNextAnswer();
      await pause(400);
    }
  },
  'a transaction of another program holds records': async (_, cluster, random) => {
    const table = `"${cluster.schema}"."data/note"`;
    const end = random.below(2) === 0 ? 'COMMIT' : 'ROLLBACK';
    await cluster.sql(`BEGIN; UPDATE ${table} SET name = NULL; SELECT pg_sleep(1.5); ${end}`);
  },
  'another program truncates the table': async (_, cluster) => {
    await cluster.sql(`TRUNCATE "${cluster.schema}"."data/note"`);
  },
};

/** Does the harm of two or three faults at once, each to a server of its own where there are as many. */
export const several: Fault = async (_, cluster, random) => {
  const names = Object.keys(FAULTS);
  const harm = Array.from({ length: 2 + random.below(2) }, async () => {
    const fault = FAULTS[random.of(names)] as Fault;
    const node = random.of(cluster.nodes);
    await pause(random.below(RUN_MS / 2));
    await once(node, () => fault(node, cluster, random));
  });
  await Promise.all(harm);
};

const busy = new Map<ClusterNode, Promise<void>>();

/** Does one harm at a time to a server: a stopped one cannot be started again, too. */
function once(node: ClusterNode, harm: () => Promise<void>): Promise<void> {
  const done = (busy.get(node) ?? Promise.resolve()).then(harm);
  busy.set(
    node,
    done.catch(() => {}),
  );
  return done;
}
