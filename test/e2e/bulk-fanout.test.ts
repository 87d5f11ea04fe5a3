import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { SeqReader } from '../support/seq-reader.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

/** The default of `limits.bulk`. */
const RECORDS = 10_000;
const FAST = 20;
const BATCH = 1000;
const MiB = 1024 * 1024;
const CONFIG = `${BASE_CONFIG}channels: {slow_client_timeout: 100s, pong_timeout: 100s}\n`;

test('PATCH and DELETE of 10,000 records reach fast and stalled subscribers in order, each once, in bounded memory', {
  timeout: 120_000,
}, async () => {
  await using server = await startServer({ config: CONFIG });
  await fill(server);
  const all = await Promise.all(Array.from({ length: FAST }, () => SeqReader.open(server.port, '/my-app/Message')));
  const filtered = await SeqReader.open(server.port, '/my-app/Message?title==old');
  const stalled = await SeqReader.open(server.port, '/my-app/Message');
  stalled.socket.pause();
  using witness = await WsClient.subscribe(server.wsUrl('Message?select=title'));
  const before = residentMemory(server.pid);
  const patched = await server.ask('PATCH', 'Message?title==old', { json: { title: 'new' } });
  expect(patched.record).toEqual({ matched: RECORDS, changed: RECORDS });
  await told([...all, filtered], RECORDS);
  const gone = await server.ask('DELETE', 'Message?title==new');
  expect(gone.record).toEqual({ matched: RECORDS, changed: RECORDS });
  await told(all, 2 * RECORDS);
  const frames = await witness.changes.atLeast(2 * RECORDS, 30_000);
  const grown = residentMemory(server.pid) - before;
  expect(stalled.count).toBeLessThan(2 * RECORDS);
  stalled.socket.resume();
  await told([stalled], 2 * RECORDS);
  // In the order of the keys, all updates and then all deletes.
  const ids = Array.from({ length: RECORDS }, (_, number) => idOf(number));
  expect(frames.map(({ id }) => id)).toEqual([...ids, ...ids]);
  expect(frames.map(({ op }) => op)).toEqual([...ids.map(() => 'update'), ...ids.map(() => 'delete')]);
  // Who asked for title==old saw all of them leave, and nothing of what came later.
  expect([filtered.count, filtered.outOfOrder]).toEqual([RECORDS, 0]);
  for (const { count, sum, outOfOrder } of [...all, stalled]) {
    expect({ count, sum, outOfOrder }).toEqual({ count: 2 * RECORDS, sum: all[0]?.sum, outOfOrder: 0 });
  }
  expect(grown, 'memory that the server took meanwhile').toBeLessThan(128 * MiB);
  for (const { socket } of [...all, filtered, stalled]) socket.destroy();
});

async function fill(server: TestServer): Promise<void> {
  for (let from = 0; from < RECORDS; from += BATCH) {
    const json = Array.from({ length: BATCH }, (_, i) => ({
      id: idOf(from + i),
      title: 'old',
      content: 'x'.repeat(100),
    }));
    const { status } = await server.ask('POST', 'Message', { json });
    expect(status).toBe(201);
  }
}

function idOf(number: number): string {
  return `msg-${String(number).padStart(5, '0')}`;
}

async function told(readers: readonly SeqReader[], count: number): Promise<void> {
  const what = `change ${count} of the slowest`;
  await until(
    async () => Math.min(...readers.map((reader) => reader.count)),
    (least) => least === count,
    { timeout: 30_000, what },
  );
}

function residentMemory(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}
