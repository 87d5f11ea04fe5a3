import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { SeqReader } from '../support/seq-reader.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const UPDATES = 100_000;
const FAST = 50;
const WRITERS = 8;
/** Messages of one writer that are not acknowledged yet. */
const WINDOW = 100;
const MiB = 1024 * 1024;

const CONFIG = `${BASE_CONFIG}events: {max_count: 1000000}
limits: {messages_per_second: 1000000, messages_burst: 1000000}
`;

test('invariant 6: a stalled reader among 50 fast ones delays no other, costs little, and catches up when it wakes', {
  timeout: 180_000,
}, async () => {
  await using server = await startServer({
    config: `${CONFIG}channels: {slow_client_timeout: 150s, pong_timeout: 150s}\n`,
  });
  const path = '/my-app/Message';
  const fast = await Promise.all(Array.from({ length: FAST }, () => SeqReader.open(server.port, path)));
  const stalled = await SeqReader.open(server.port, path);
  stalled.socket.pause();
  const memory = watchMemory(server.pid);
  await writeUpdates(server, UPDATES);
  await until(
    async () => Math.min(...fast.map(({ count }) => count)),
    (count) => count === UPDATES,
    {
      timeout: 60_000,
      what: 'the last update of the slowest of the fast readers',
    },
  );
  const grown = memory.stop();
  expect(stalled.count).toBeLessThan(UPDATES);
  stalled.socket.resume();
  await until(
    async () => stalled.count,
    (count) => count === UPDATES,
    { timeout: 60_000, what: 'the last update' },
  );
  // The same seqs, in order, each once: for those who were there and for the one who slept.
  for (const { count, sum, outOfOrder } of [...fast, stalled]) {
    expect({ count, sum, outOfOrder }).toEqual({ count: UPDATES, sum: fast[0]?.sum, outOfOrder: 0 });
  }
  expect(grown, 'memory that the server took meanwhile').toBeLessThan(256 * MiB);
  for (const { socket } of [...fast, stalled]) socket.destroy();
});

test('a reader that makes no progress is closed with 4408 and can resume', { timeout: 120_000 }, async () => {
  await using server = await startServer({ config: `${CONFIG}channels: {slow_client_timeout: 2s}\n` });
  const stalled = await SeqReader.open(server.port, '/my-app/Message');
  stalled.socket.pause();
  await writeUpdates(server, 40_000);
  await until(
    () => server.metric(/^tablecast_subscriptions\{.*\} (\d+)/m),
    (open) => open === 0,
    {
      timeout: 30_000,
      what: 'the end of the subscription',
    },
  );
  stalled.socket.resume();
  await stalled.ended;
  expect(stalled.closeCode).toBe(4408);
  expect(stalled.outOfOrder).toBe(0);
  expect(stalled.count).toBeLessThan(40_000);
  const resumed = await SeqReader.open(server.port, `/my-app/Message?since=${stalled.last}`);
  await until(
    async () => resumed.count,
    (count) => count === 40_000 - stalled.count,
    { what: 'what was missed' },
  );
  expect(resumed.outOfOrder).toBe(0);
  resumed.socket.destroy();
});

/** Writes over several sockets at once, so that the load is on the server and not on HTTP clients. */
async function writeUpdates(server: TestServer, updates: number): Promise<void> {
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    // The channel of a record that nobody writes: this socket gets acks and nothing else.
    using client = await WsClient.subscribe(server.wsUrl('Message?title==nobody'));
    const share = updates / WRITERS;
    for (let sent = 0; sent < share; sent += WINDOW) {
      const size = Math.min(WINDOW, share - sent);
      for (let i = 0; i < size; i++) {
        const number = sent + i;
        const data = { title: `title ${number}`, content: `content ${number} of writer ${writer}` };
        client.send({ message_type: 'Update', id: `msg-${writer}-${number % 50}`, data, ref: number });
      }
      await client.control('ack', sent + size - 1, 30_000);
    }
  });
  await Promise.all(writers);
}

/** Resident memory of a process, looked at ten times a second; `stop` gives by how much it grew at most. */
function watchMemory(pid: number): { stop(): number } {
  const start = residentMemory(pid);
  let highest = start;
  const timer = setInterval(() => {
    highest = Math.max(highest, residentMemory(pid));
  }, 100);
  return {
    stop: () => {
      clearInterval(timer);
      return highest - start;
    },
  };
}

function residentMemory(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}
