import { expect, test } from 'vitest';
import { BASE_CONFIG, MESSAGE_SCHEMA, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { KeyLedger, writeWithKeys, writeWithRefs } from '../support/retrying.ts';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const KILLS = 20;
const WRITERS = 4;
const IDS = 40;
const SCHEMA = `${MESSAGE_SCHEMA}type Order @table @export { id: ID! @primaryKey title: String! }`;
// Clients that send again what was not answered come in bursts.
const CONFIG = `${BASE_CONFIG}limits: {messages_per_second: 100000, messages_burst: 100000}\n`;

/** What was sent, and what of it was acknowledged, by everybody who writes. */
interface Ledger {
  sent: number;
  readonly bodies: Set<string>;
  /** seq of every acknowledged write, and what it wrote. */
  readonly acknowledged: Map<number, string>;
  stopped: boolean;
}

interface Told {
  /** Undefined for an event of a stream in the middle of a transaction. */
  readonly seq: number | undefined;
  readonly body: string;
}

/** A subscriber's whole life: over all its connections. */
interface Life {
  readonly told: Told[];
  position: number;
}

test('20 times kill -9 under writes, retries and resuming subscribers loses, invents and repeats nothing', {
  timeout: 180_000,
}, async () => {
  await using server = await startServer({ schema: SCHEMA, config: CONFIG });
  const lives: Life[] = [];
  for (const _ of ['ws', 'sse']) lives.push({ told: [], position: await firstPosition(server) });
  const [ws, sse] = lives as [Life, Life];
  const orders: Life = { told: [], position: await firstPosition(server) };
  const keys = new KeyLedger();
  const ledger: Ledger = { sent: 0, bodies: new Set(), acknowledged: new Map(), stopped: false };
  const writers = Array.from({ length: WRITERS }, (_, writer) => write(server, ledger, writer));
  const retrying = [writeWithKeys(server, 'Order', keys), writeWithRefs(server, 'Order', keys)];
  for (let round = 0; round < KILLS; round++) {
    using shop = await WsClient.subscribe(server.wsUrl(`Order?since=${orders.position}`));
    using socket = await WsClient.subscribe(server.wsUrl(`Message?since=${ws.position}`));
    using stream = await SseClient.subscribe(server.url('Message'), { lastEventId: String(sse.position) });
    const enough = ledger.acknowledged.size + 20 + Math.random() * 60;
    const what = 'acknowledged writes before the kill';
    await until(
      async () => ledger.acknowledged.size,
      (size) => size >= enough,
      { timeout: 30_000, what },
    );
    await server.kill();
    await Promise.all([socket.closed, stream.ended, shop.closed]);
    takeFromSocket(shop, orders);
    takeFromSocket(socket, ws);
    takeFromStream(stream, sse);
    await server.restart();
  }
  ledger.stopped = true;
  keys.stopped = true;
  await Promise.all([...writers, ...retrying]);
  using shop = await WsClient.subscribe(server.wsUrl(`Order?since=${orders.position}`));
  takeFromSocket(shop, orders);
  checkKeys(keys, orders, await stored(server, 'Order'));
  using socket = await WsClient.subscribe(server.wsUrl(`Message?since=${ws.position}`));
  using stream = await SseClient.subscribe(server.url('Message'), { lastEventId: String(sse.position) });
  takeFromSocket(socket, ws);
  takeFromStream(stream, sse);
  check(ws, sse, ledger);
  expect(fold(ws)).toEqual(await stored(server, 'Message'));
});

async function firstPosition(server: TestServer): Promise<number> {
  return Number((await server.ask('GET', 'Message')).headers.get('x-position'));
}

/** Writes until told to stop; while the server is down, it waits and goes on. */
async function write(server: TestServer, ledger: Ledger, writer: number): Promise<void> {
  while (!ledger.stopped) {
    const first = nextRecord(ledger);
    try {
      if (writer === 0) {
        const answer = await server.ask('POST', 'Message', { json: [fresh(first), fresh(nextRecord(ledger))] });
        // The answer of an array has no seqs; that all of it is there is checked through the stored records.
        if (answer.status !== 201) throw new Error(`${answer.status}: ${answer.text}`);
        continue;
      }
      const answer = await server.ask('PUT', `Message/${first.id}`, { json: first });
      if (answer.status !== 200 && answer.status !== 201) throw new Error(`${answer.status}: ${answer.text}`);
      ledger.acknowledged.set(Number(answer.headers.get('etag')?.replaceAll('"', '')), JSON.stringify(first));
    } catch (error) {
      if (!isDown(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function isDown(error: unknown): boolean {
  // What fetch throws when the connection is refused or breaks, also in the middle of an answer.
  return error instanceof TypeError;
}

function nextRecord(ledger: Ledger): Json & { id: string } {
  const number = ledger.sent++;
  const record = { id: `msg-${number % IDS}`, title: `title ${number}`, content: `content ${number}` };
  ledger.bodies.add(JSON.stringify(record));
  ledger.bodies.add(JSON.stringify(fresh(record)));
  return record;
}

/** The same with an id of its own, which a POST can create. */
function fresh(record: Json & { id: string }): Json & { id: string } {
  return { ...record, id: `new-${String(record.title).slice(6)}` };
}

function takeFromSocket({ changes }: WsClient, life: Life): void {
  for (const { seq, data } of changes.items) life.told.push({ seq, body: JSON.stringify(data) });
  life.position = life.told.at(-1)?.seq ?? life.position;
}

function takeFromStream({ events }: SseClient, life: Life): void {
  // Events without an id belong to a transaction, which is sent again when its last event, which has one, did not come.
  let unfinished: Told[] = [];
  for (const { event, data, id } of events.items) {
    if (event !== 'update') continue;
    const seq = id === undefined || id === '' ? undefined : Number(id);
    unfinished.push({ seq, body: data });
    if (seq === undefined) continue;
    life.told.push(...unfinished);
    unfinished = [];
    life.position = seq;
  }
}

function check(ws: Life, sse: Life, ledger: Ledger): void {
  const seqs = ws.told.map(({ seq }) => seq ?? Number.NaN);
  // Invariants 2 and 3: in order, none twice, over all connections.
  expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
  // Two subscribers on two transports that were cut off at different moments were told the same.
  expect(sse.told.map(({ body }) => body)).toEqual(ws.told.map(({ body }) => body));
  const known = new Map(ws.told.map(({ seq, body }) => [body, seq]));
  for (const { seq, body } of sse.told) if (seq !== undefined) expect(known.get(body)).toBe(seq);
  const told = new Map(ws.told.map(({ seq, body }) => [seq, body]));
  // Invariants 4 and 5: nothing that was acknowledged is missing.
  for (const [seq, body] of ledger.acknowledged) expect(told.get(seq)).toBe(body);
  // Invariant 1: nothing was told that nobody sent.
  for (const { body } of ws.told) expect(ledger.bodies.has(body), body).toBe(true);
  expect(ledger.acknowledged.size).toBeGreaterThan(KILLS * 20);
}

/** F4: one record, one event and one answer for every key, however often it was sent. */
function checkKeys(
  { answers, contradictions, replayed }: KeyLedger,
  { told }: Life,
  records: Map<unknown, Json>,
): void {
  expect(contradictions).toEqual([]);
  const titles = [...records.values()].map(({ title }) => title);
  expect(titles.sort()).toEqual([...answers.keys()].sort());
  const events = told.map(({ seq, body }) => [(JSON.parse(body) as Json).title, (JSON.parse(body) as Json).id, seq]);
  const expected = [...answers].map(([key, { id, seq }]) => [key, id, seq] as const).sort((a, b) => a[2] - b[2]);
  expect(events).toEqual(expected);
  expect(replayed).toBeGreaterThan(KILLS);
}

function fold(life: Life): Map<unknown, Json> {
  return new Map(life.told.map(({ body }) => JSON.parse(body) as Json).map((record) => [record.id, record]));
}

async function stored(server: TestServer, table: string): Promise<Map<unknown, Json>> {
  const records = new Map<unknown, Json>();
  for (let offset = 0; ; offset += 1000) {
    const page = (await server.ask('GET', `${table}?limit=1000&offset=${offset}`)).records;
    for (const record of page) records.set(record.id, record);
    if (page.length < 1000) return records;
  }
}
