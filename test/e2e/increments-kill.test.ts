import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `type Counter @table @export @check(rule: "n == twice / 2") {
  id: ID! @primaryKey n: Int! @default(value: 0) @constraint(min: 0) twice: Int @computed(from: "n * 2") names: [String!]
}`;
const CONFIG = `${BASE_CONFIG}limits: {messages_per_second: 100000, messages_burst: 100000, anonymous_requests_per_second: 0}\n`;
const WRITERS = 4;
const KILLS = 3;
const PAUSE = 20;
const GIVE_UP = 60_000;

interface Run {
  stopped: boolean;
  /** Acknowledged increments. */
  done: number;
}

/** Increments with keys, each until it is acknowledged, and every third one twice. */
async function writeByRest(server: TestServer, run: Run, writer: number): Promise<void> {
  for (let number = 0; !run.stopped; number++) {
    const key = `rest-${writer}-${number}`;
    for (let time = 0; time <= Number(number % 3 === 0); time++) await incrementOnce(server, key);
    run.done++;
  }
}

async function incrementOnce(server: TestServer, key: string): Promise<void> {
  const deadline = Date.now() + GIVE_UP;
  while (Date.now() < deadline) {
    try {
      const json = { n: { $inc: 1 }, names: { $addToSet: key } };
      const { status, text } = await server.ask('PATCH', 'Counter/c', { json, headers: { 'idempotency-key': key } });
      if (status === 200) return;
      // While the server starts and stops.
      if (status !== 503) throw new Error(`${key}: ${status} ${text}`);
    } catch (error) {
      // What fetch throws when the connection is refused or breaks.
      if (!(error instanceof TypeError)) throw error;
    }
    await pause(PAUSE);
  }
  throw new Error(`${key} was not answered within ${GIVE_UP} ms`);
}

/** The same over WebSocket: after every reconnect what was not acknowledged is sent again. */
async function writeBySocket(server: TestServer, run: Run, writer: number): Promise<void> {
  let number = 0;
  let isPending = false;
  const deadline = Date.now() + 2 * GIVE_UP;
  while (!run.stopped || isPending) {
    try {
      using client = await WsClient.open(server.wsUrl(`Counter/c?client=writer-${writer}`));
      while (!run.stopped || isPending) {
        const ref = `ws-${writer}-${number}`;
        isPending = true;
        client.send({ message_type: 'Patch', data: { n: { $inc: 1 }, names: { $addToSet: ref } }, ref });
        const answer = await client.controls.next((frame) => frame.ref === ref);
        if (answer.type !== 'ack') throw new Error(JSON.stringify(answer));
        isPending = false;
        number++;
        run.done++;
      }
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await pause(PAUSE);
    }
  }
}

test('increments of 8 writers over REST and WebSocket give the exact sum, also over kill -9 and retries', {
  timeout: 180_000,
}, async () => {
  await using server = await startServer({ schema: SCHEMA, config: CONFIG });
  await server.put('Counter/c', {});
  const run: Run = { stopped: false, done: 0 };
  const writers = Array.from({ length: WRITERS }, (_, writer) => [
    writeByRest(server, run, writer),
    writeBySocket(server, run, writer),
  ]).flat();
  for (let kills = 0; kills < KILLS; kills++) {
    const enough = run.done + 60;
    await until(
      async () => run.done,
      (done) => done >= enough,
      { timeout: 30_000, what: 'acknowledged increments before the kill' },
    );
    await server.kill();
    await server.restart();
  }
  run.stopped = true;
  await Promise.all(writers);
  const { record } = await server.ask('GET', 'Counter/c');
  expect(run.done).toBeGreaterThan(KILLS * 60);
  expect(record).toMatchObject({ n: run.done, twice: 2 * run.done });
  expect(new Set(record.names as string[]).size).toBe(run.done);
});
