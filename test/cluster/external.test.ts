import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { ChangeFrame } from '../support/frames.ts';
import { ask } from '../support/http.ts';
import { reason, TEST_URL, unreachable } from '../support/postgres/server.ts';
import { SseClient } from '../support/sse-client.ts';
import { WsClient } from '../support/ws-client.ts';
import { Cluster, type ClusterNode } from './nodes.ts';

const run = promisify(execFile);

const SCHEMA = `
type Task @table(database: "data") @export @access(read: "shared==true", create: "shared==true") {
  id: ID! @primaryKey
  listId: ID
  list: List @relationship(from: "listId", onDelete: CASCADE)
  title: String! @default(value: "untitled")
  done: Boolean! @default(value: false)
  shared: Boolean! @default(value: true)
}
type List @table(database: "data") @export { id: ID! @primaryKey name: String }
type Seen @table(database: "data") @export { id: ID! @primaryKey op: String }
`;

const FLOWS = `flows:
  seen:
    from: {connector: table, operation: create, table: Task}
    transform: '{"id": input.id, "op": "create"}'
    to: {connector: table, operation: create, target: Seen}
`;

/** Runs commands of psql in the schema of the cluster; each is a transaction unless they say otherwise. */
async function psql({ schema }: Cluster, ...commands: readonly string[]): Promise<string> {
  const args = ['-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1', '-c', `SET search_path TO "${schema}"`];
  const { stdout } = await run('psql', [TEST_URL, ...args, ...commands.flatMap((command) => ['-c', command])]);
  return stdout.trim();
}

function start(size: number): Promise<Cluster> {
  return Cluster.start(size, { schema: SCHEMA, config: FLOWS });
}

function ws(cluster: Cluster, node: ClusterNode, path: string): Promise<WsClient> {
  return WsClient.subscribe(cluster.url(node, path).replace('http', 'ws'));
}

/** What a frame says to a subscriber: a record that it no longer sees is gone for it. */
function shown({ message_type, op, id }: ChangeFrame): string {
  return `${message_type === 'Delete' ? 'without' : op} ${id}`;
}

describe.skipIf(unreachable !== undefined)(`psql beside two servers${reason}`, () => {
  test('reaches the subscribers of both, in one order, by their filters and rules', { timeout: 120_000 }, async () => {
    await using cluster = await start(2);
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    using open = await ws(cluster, one, 'Task?done==false');
    using all = await ws(cluster, other, 'Task');
    using events = await SseClient.open(cluster.url(other, 'Task'));
    await events.events.next();
    await psql(
      cluster,
      `INSERT INTO "data/task" (id, title) VALUES ('a', 'one'), ('b', 'two')`,
      `INSERT INTO "data/task" (id, shared) VALUES ('secret', false)`,
      `UPDATE "data/task" SET done = true WHERE id = 'a'`,
      `UPDATE "data/task" SET shared = false WHERE id = 'b'`,
      `DELETE FROM "data/task"`,
    );
    const ops = async (client: WsClient, count: number) => {
      const frames = [];
      for (let i = 0; i < count; i++) frames.push(await client.next());
      return frames;
    };
    const seen = await ops(all, 5);
    expect(seen.map(shown)).toEqual(['create a', 'create b', 'update a', 'without b', 'without a']);
    expect(seen[0]?.data).toEqual({ id: 'a', listId: null, title: 'one', done: false, shared: true });
    expect([seen[0]?.tx, seen[1]?.tx]).toEqual([seen[1]?.seq, seen[1]?.seq]);
    expect(seen.map(({ seq }) => seq)).toEqual([...seen].map(({ seq }) => seq).sort((a, b) => a - b));
    expect((await ops(open, 4)).map(shown)).toEqual(['create a', 'create b', 'without a', 'without b']);
    const changed = await events.events.next((event) => event.data.includes('"done":true'));
    expect(changed.id).toBe(String(seen[2]?.seq));
    // A client resumes from the position of a change of psql, on the other server.
    using resumed = await SseClient.open(cluster.url(one, 'Task'), { lastEventId: String(seen[3]?.seq) });
    expect((await resumed.events.next((event) => event.data.includes('"a"'))).id).toBe(String(seen[4]?.seq));
  });

  test('writes several tables in one transaction, by COPY too, and its records are as any other', {
    timeout: 120_000,
  }, async () => {
    await using cluster = await start(2);
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    using lists = await ws(cluster, one, 'List');
    using tasks = await ws(cluster, other, 'Task');
    await psql(
      cluster,
      `BEGIN; INSERT INTO "data/list" VALUES ('l', 'home'); INSERT INTO "data/task" (id, "listId") VALUES ('t1', 'l'); COMMIT`,
      `COPY "data/task" (id, "listId") FROM PROGRAM 'printf "t2\\tl\\nt3\\tl\\n"'`,
    );
    const [list, first] = [await lists.next(), await tasks.next()];
    expect([list.tx, first.tx]).toEqual([first.seq, first.seq]);
    expect((await tasks.next()).id).toBe('t2');
    const copied = await tasks.next();
    const record = await ask('GET', cluster.url(one, 'Task/t3'));
    expect(record.headers.get('etag')).toBe(`"${copied.seq}"`);
    // The flow of the table runs for each, once.
    using seen = await ws(cluster, one, 'Seen?retained=true');
    const ids = new Set<unknown>();
    while (ids.size < 3) ids.add((await seen.next()).id);
    // What the API refuses, psql is refused too; and a key that is taken is a conflict on either side.
    await expect(psql(cluster, `INSERT INTO "data/task" (id, "listId") VALUES ('t4', 'none')`)).rejects.toMatchObject({
      stderr: expect.stringContaining('Task.listId must be the key of a record of List.'),
    });
    await expect(psql(cluster, `INSERT INTO "data/task" (id) VALUES ('t1')`)).rejects.toMatchObject({
      stderr: expect.stringContaining('duplicate key'),
    });
    expect((await ask('POST', cluster.url(other, 'Task'), { json: { id: 't1' } })).status).toBe(409);
    await psql(cluster, `DELETE FROM "data/list"`);
    const removed = [await tasks.next(), await tasks.next(), await tasks.next()];
    expect(removed.map(({ op }) => op)).toEqual(['delete', 'delete', 'delete']);
    expect((await lists.next()).tx).toBe(removed[0]?.tx);
  });

  test('is not heard by servers whose notifications are lost until they look, and then whole', {
    timeout: 120_000,
  }, async () => {
    await using cluster = await start(1);
    const [one] = cluster.nodes as [ClusterNode];
    one.proxy.swallowsBells = true;
    using tasks = await ws(cluster, one, 'Task');
    for (const id of ['a', 'b']) {
      await psql(cluster, `INSERT INTO "data/task" (id) VALUES ('${id}')`);
      expect((await tasks.next()).id).toBe(id);
    }
  });
});
