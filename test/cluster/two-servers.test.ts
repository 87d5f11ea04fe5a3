import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ask } from '../support/http.ts';
import { Mailbox } from '../support/mailbox.ts';
import { reason, runSql, TEST_URL, unreachable } from '../support/postgres/server.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const SCRIPT = fileURLToPath(new URL('../../apps/realtime-demo/two-servers/start.mjs', import.meta.url));
const START_TIMEOUT = 60_000;

interface Example {
  /** Address of the demo at the balancer. */
  readonly url: string;
  readonly lines: Mailbox<string>;
  readonly child: ChildProcess;
}

async function start(): Promise<Example> {
  const app = `demo-${randomBytes(5).toString('hex')}`;
  const env = { ...process.env, DATABASE_URL: TEST_URL, APP_ID: app, PORT: '0' };
  const child = spawn(process.execPath, [SCRIPT], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = new Mailbox<string>('lines');
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  onTestFinished(async () => {
    child.kill('SIGTERM');
    expect((await exited)[0]).toBe(0);
    await runSql(`DROP SCHEMA IF EXISTS "tablecast_${app}" CASCADE`);
  }, START_TIMEOUT);
  const line = await lines.next((text) => text.startsWith('open '), START_TIMEOUT);
  return { url: /http\S+/.exec(line)?.[0] ?? '', lines, child };
}

describe.skipIf(unreachable !== undefined)(`the demo at two servers${reason}`, () => {
  test('is one application behind the balancer, and goes on when a server is killed', {
    timeout: 180_000,
  }, async () => {
    const { url, lines } = await start();
    const servers = lines.items
      .flatMap((line) => /^server \d: \S+ \(process (\d+)\)/.exec(line)?.[1] ?? [])
      .map(Number);
    expect(servers).toHaveLength(2);
    expect((await ask('GET', url)).text).toContain('<html');
    const write = (id: string) => ask('PUT', `${url}Message/${id}`, { json: { title: id, content: 'x' } });
    const open = () => WsClient.subscribe(`${url}Message`.replace('http', 'ws'));
    using one = await open();
    using other = await open();
    for (const id of ['a', 'b', 'c']) {
      expect((await write(id)).status).toBe(201);
      for (const client of [one, other]) expect(await client.next()).toMatchObject({ id });
    }
    process.kill(servers[0] as number, 'SIGKILL');
    // The connections went to the two servers in turn: that of the dead one breaks, and its client connects again.
    await Promise.race([one.closed, other.closed]);
    await until(
      async () => [one, other].filter(({ isOpen }) => isOpen).length,
      (count) => count === 1,
    );
    await until(
      async () => (await write('d').catch(() => ({ status: 0 }))).status,
      (status) => status === 201 || status === 200,
    );
    const left = one.isOpen ? one : other;
    expect(await left.next()).toMatchObject({ id: 'd' });
    using again = await WsClient.open(`${url}Message?since=${left.changes.items[0]?.seq}`.replace('http', 'ws'));
    for (const id of ['b', 'c', 'd']) expect(await again.next()).toMatchObject({ id });
    await lines.next((line) => line.startsWith('server 1: '), START_TIMEOUT);
  });
});
