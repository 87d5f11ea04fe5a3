import { describe, expect, test } from 'vitest';
import { runCommand } from '../support/cli.ts';
import { ask } from '../support/http.ts';
import { reason, TEST_URL, unreachable } from '../support/postgres/server.ts';
import { SseClient } from '../support/sse-client.ts';
import { SECRET } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { refusedUpgrade, WsClient } from '../support/ws-client.ts';
import { Cluster, type ClusterNode } from './nodes.ts';

const CONFIG = `auth:
  users: true
  signup: true
  jwt: {secret: ${SECRET}}
`;
const SCHEMA = `type Note @table @export @access(read: "authenticated", create: "authenticated") {
  id: ID! @primaryKey
  text: String
}`;
const PASSWORD = 'a long enough password';
/** Failed logins of a minute that are let through. */
const MAX_FAILURES = 10;

async function post(cluster: Cluster, node: ClusterNode, path: string, { json = {}, token = '' } = {}) {
  const headers = token === '' ? {} : { authorization: `Bearer ${token}` };
  return ask('POST', cluster.url(node, `auth/${path}`), { json, headers });
}

const noteOf = (cluster: Cluster, node: ClusterNode) => cluster.url(node, 'Note').replace('http', 'ws');
const bearer = (token: unknown) => ({ headers: { authorization: `Bearer ${token}` } });

async function signUp(cluster: Cluster, node: ClusterNode, name: string) {
  const { record, status } = await post(cluster, node, 'signup', { json: { name, password: PASSWORD } });
  expect(status).toBe(201);
  return record as { access_token: string; refresh_token: string };
}

/** Runs a command of the command line on the application of the cluster. */
async function command(cluster: Cluster, ...args: string[]): Promise<string> {
  const [{ server }] = cluster.nodes as [ClusterNode];
  const { code, stdout } = await runCommand([...args, server.dir], '', { DATABASE_URL: TEST_URL });
  expect(code).toBe(0);
  return stdout;
}

describe.skipIf(unreachable !== undefined)(`logins at two servers on one schema${reason}`, () => {
  test('are logins at both: users, refresh tokens, and tickets, which are used once', {
    timeout: 120_000,
  }, async () => {
    await using cluster = await Cluster.start(2, { schema: SCHEMA, config: CONFIG });
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    const { access_token: token, refresh_token } = await signUp(cluster, one, 'ann');
    expect((await ask('GET', cluster.url(other, 'Note'), bearer(token))).status).toBe(200);
    expect((await post(cluster, other, 'login', { json: { name: 'ann', password: PASSWORD } })).status).toBe(200);
    expect((await post(cluster, other, 'refresh', { json: { refresh_token } })).status).toBe(200);
    const issued = await post(cluster, one, 'ticket', { token });
    const url = `${noteOf(cluster, other)}?ticket=${issued.record.ticket}`;
    using socket = await WsClient.subscribe(url);
    expect(socket.isOpen).toBe(true);
    for (const node of [one, other]) {
      const again = `${noteOf(cluster, node)}?ticket=${issued.record.ticket}`;
      expect((await refusedUpgrade(again)).status).toBe(401);
    }
    // Of many servers that are asked at the same time one accepts it.
    const second = (await post(cluster, other, 'ticket', { token })).record.ticket;
    const opened = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) =>
        WsClient.open(`${noteOf(cluster, i % 2 === 0 ? one : other)}?ticket=${second}`),
      ),
    );
    const sockets = opened.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []));
    for (const client of sockets) client.terminate();
    expect(sockets).toHaveLength(1);
  });

  test('count failures together, however they are spread', { timeout: 120_000 }, async () => {
    await using cluster = await Cluster.start(2, {
      schema: SCHEMA,
      config: CONFIG,
      limits: `logins_per_minute: ${MAX_FAILURES}`,
    });
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    await signUp(cluster, one, 'bob');
    const tries = await Promise.all(
      Array.from({ length: 3 * MAX_FAILURES }, (_, i) =>
        post(cluster, i % 2 === 0 ? one : other, 'login', { json: { name: 'bob', password: 'wrong password' } }),
      ),
    );
    const statuses = tries.map(({ status }) => status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(MAX_FAILURES);
    expect(statuses.filter((status) => status === 429)).toHaveLength(2 * MAX_FAILURES);
    const right = { json: { name: 'bob', password: PASSWORD } };
    for (const node of [one, other]) {
      const refused = await post(cluster, node, 'login', right);
      expect(refused.record.code).toBe('TOO_MANY_ATTEMPTS');
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    }
  });

  test('end at a server that cannot know any more what a caller may do', { timeout: 120_000 }, async () => {
    const config = `${CONFIG}cluster: {poll: 100ms, grace: 1s}\n`;
    const schema = `${SCHEMA}\ntype Open @table @export(public: [read, subscribe]) { id: ID! @primaryKey }`;
    await using cluster = await Cluster.start(2, { schema, config });
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    const { access_token: token } = await signUp(cluster, one, 'dan');
    using socket = await WsClient.subscribe(noteOf(cluster, one), bearer(token));
    using stream = await SseClient.open(cluster.url(one, 'Note'), bearer(token));
    using anonymous = await WsClient.subscribe(cluster.url(one, 'Open').replace('http', 'ws'));
    using elsewhere = await WsClient.subscribe(noteOf(cluster, other), bearer(token));
    await one.proxy.goAway();
    expect((await socket.closed).code).toBe(1001);
    await stream.ended;
    expect((await ask('GET', `${one.server.origin}/health/ready`)).text).toBe('{"status":"behind"}');
    expect([anonymous.isOpen, elsewhere.isOpen]).toEqual([true, true]);
    await one.proxy.comeBack();
    await until(
      async () => (await ask('GET', `${one.server.origin}/health/ready`)).status,
      (status) => status === 200,
    );
    using again = await WsClient.subscribe(noteOf(cluster, one), bearer(token));
    expect(again.isOpen).toBe(true);
  });

  test('end everywhere: sessions, keys and users, also on open connections', { timeout: 120_000 }, async () => {
    await using cluster = await Cluster.start(2, { schema: SCHEMA, config: CONFIG });
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    const { access_token: token, refresh_token } = await signUp(cluster, one, 'cat');
    const key = /tck_\w+/.exec(await command(cluster, 'key', 'create', 'robot'))?.[0];
    const sockets = [
      await WsClient.subscribe(noteOf(cluster, one), bearer(token)),
      await WsClient.subscribe(noteOf(cluster, other), bearer(token)),
    ];
    const robots = [
      await WsClient.subscribe(noteOf(cluster, one), bearer(key)),
      await WsClient.subscribe(noteOf(cluster, other), bearer(key)),
    ];
    await command(cluster, 'key', 'revoke', String(key).split('_')[1] as string);
    for (const { closed } of robots) expect((await closed).code).toBe(4403);
    for (const node of [one, other]) {
      expect((await ask('GET', cluster.url(node, 'Note'), bearer(key))).status).toBe(401);
    }
    expect((await post(cluster, one, 'logout', { json: { refresh_token } })).status).toBe(204);
    expect((await post(cluster, other, 'refresh', { json: { refresh_token } })).status).toBe(401);
    await command(cluster, 'user', 'disable', 'cat');
    for (const { closed } of sockets) expect((await closed).code).toBe(4403);
    for (const node of [one, other]) {
      expect((await ask('GET', cluster.url(node, 'Note'), bearer(token))).status).toBe(401);
      const login = await post(cluster, node, 'login', { json: { name: 'cat', password: PASSWORD } });
      expect(login.status).toBe(401);
    }
  });
});
