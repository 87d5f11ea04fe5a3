import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import { AppError } from '../../src/errors.ts';
import type { WriteOutcome } from '../../src/store/store.ts';
import { turns } from '../support/engine.ts';
import { Client } from './client.ts';
import { PropertyHarness } from './harness.ts';
import { INTERESTS, stateAt } from './model.ts';

/**
 * More runs for a longer hunt: `PROPERTY_RUNS=5000 npx vitest run test/property`. A failure prints its seed and path;
 * `PROPERTY_FROM='{"seed":1,"path":"2"}'` runs it again.
 */
const RUNS = Number(process.env.PROPERTY_RUNS ?? 250);
const FROM = JSON.parse(process.env.PROPERTY_FROM ?? '{}') as fc.Parameters<unknown>;
const CLIENT_BUFFER = 500;

const SDL = `
  type Item @table @export { id: ID! @primaryKey n: Int s: String u: String @unique pad: String }
  type Other @table @export { id: ID! @primaryKey n: Int s: String }
`;

const KEYS = ['a', 'b', 'c', 'd', 'é'];
const key = fc.constantFrom(...KEYS);
const fields = fc.record(
  {
    n: fc.option(fc.integer({ min: 0, max: 6 })),
    s: fc.constantFrom('a', 'ab', 'b', null),
    u: fc.option(fc.constantFrom('x', 'y', 'z'), { freq: 1 }),
    pad: fc.constantFrom(null, 'p'.repeat(120), 'q'.repeat(300)),
  },
  { requiredKeys: [] },
);
const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), id: key, fields }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('patch' as const), id: key, fields }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), id: key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('create' as const),
      records: fc.array(fc.tuple(key, fields), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('publish' as const), id: fc.option(key), fields }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('other' as const), id: key }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('subscribe' as const),
      id: fc.option(key),
      interest: fc.nat({ max: INTERESTS.length - 1 }),
      retained: fc.boolean(),
      echo: fc.boolean(),
      fast: fc.boolean(),
      since: fc.option(fc.nat({ max: 1000 })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('own' as const), client: fc.nat(), id: key, fields }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('disconnect' as const), client: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('resume' as const), client: fc.nat() }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('read' as const), client: fc.nat(), size: fc.nat(1500) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('trim' as const), limit: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 3 }) }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

/** Operations of a run, and their outcomes. */
class Run {
  readonly rig: PropertyHarness;
  readonly clients: Client[] = [];
  readonly acknowledged: WriteOutcome[] = [];
  readonly #settings: Settings;
  readonly #writes: Promise<void>[] = [];

  constructor(settings: Settings) {
    this.#settings = settings;
    this.rig = new PropertyHarness({ sdl: SDL, clientBuffer: CLIENT_BUFFER, ...settings });
  }

  /** Writes records for a snapshot that does not fit the buffer of a client. */
  async prepare(): Promise<void> {
    const records = KEYS.slice(0, this.#settings.records).map((id, n) => ({ id, n, pad: 'r'.repeat(300) }));
    this.#write(this.rig.resource('Item').createMany(SERVER, records));
    await Promise.all(this.#writes);
  }

  async execute(step: Command): Promise<void> {
    const item = this.rig.resource('Item');
    switch (step.do) {
      case 'put':
        return this.#write(item.put(SERVER, step.id, step.fields));
      case 'patch':
        return this.#write(item.patch(SERVER, step.id, step.fields));
      case 'delete':
        return this.#write(item.delete(SERVER, step.id));
      case 'create':
        return this.#write(
          item.createMany(
            SERVER,
            step.records.map(([id, rest]) => ({ id, ...rest })),
          ),
        );
      case 'publish':
        return this.#write(item.publish(SERVER, step.id, step.fields));
      case 'other':
        return this.#write(this.rig.resource('Other').put(SERVER, step.id, { n: this.rig.history.length }));
      case 'turns':
        return turns(step.count);
      case 'trim':
        return void this.rig.outerStore.trim(Date.now(), step.limit);
      case 'restart':
        return this.#restart();
      case 'subscribe':
        return this.#subscribe(step);
      default:
        return this.#client(step);
    }
  }

  /** Reconnects all clients and lets them read until nothing is pending. */
  async settle(): Promise<void> {
    await Promise.all(this.#writes);
    for (const client of this.clients) if (!client.isOpen) client.connect();
    for (let quiet = 0, turn = 0; quiet < 4; turn++) {
      if (turn > 600)
        throw new Error(`it does not settle: ${this.clients.map(({ state }) => state).join('; ')}; ${this.rig.faults}`);
      for (const { sink } of this.clients) sink?.drain();
      await turns(1);
      quiet = this.clients.every(({ isSettled }) => isSettled) ? quiet + 1 : 0;
    }
  }

  #write(written: Promise<unknown>): void {
    const done = written.then(
      (outcome) => void this.acknowledged.push(...([outcome].flat() as WriteOutcome[])),
      (error: unknown) => {
        if (!(error instanceof AppError)) throw error;
        expect(['CONFLICT', 'NOT_FOUND', 'VALIDATION_ERROR']).toContain(error.code);
      },
    );
    this.#writes.push(done);
  }

  #subscribe(step: Extract<Command, { do: 'subscribe' }>): void {
    const { history } = this.rig;
    const [interest = INTERESTS[0]] = [INTERESTS[step.interest]];
    const since = step.since === null ? undefined : history[step.since % Math.max(1, history.length)]?.seq;
    const { retained, fast } = step;
    // A store that answers later may be read before the writer knows what its write became.
    const { commitTurns, flushed, later } = this.#settings;
    const echo = step.echo || later || (commitTurns > 0 && !flushed);
    if (interest === undefined || this.clients.length >= 12) return;
    const options = { table: 'Item', id: step.id ?? undefined, interest, retained, echo, fast };
    this.clients.push(new Client(this.rig, since === undefined ? options : { ...options, since }));
  }

  #client(step: Extract<Command, { client: number }>): void {
    const client = this.clients[step.client % Math.max(1, this.clients.length)];
    if (client === undefined) return;
    if (step.do === 'own') this.#write(client.write(step.id, step.fields).then(() => []));
    else if (step.do === 'disconnect') client.disconnect();
    else if (step.do === 'resume' && !client.isOpen) client.connect();
    else if (step.do === 'read') client.sink?.drain(step.size);
  }

  async #restart(): Promise<void> {
    await Promise.all(this.#writes);
    for (const client of this.clients) client.disconnect();
    await this.rig.restart();
  }
}

const settings = fc.record({
  maxCount: fc.constantFrom(4, 12, 100_000),
  replayPage: fc.integer({ min: 1, max: 6 }),
  commitTurns: fc.constantFrom(0, 0, 2),
  flushed: fc.boolean(),
  later: fc.constantFrom(false, false, true),
  records: fc.integer({ min: 0, max: 5 }),
});
type Settings = typeof settings extends fc.Arbitrary<infer T> ? T : never;

test('invariants 1 to 5: every subscriber receives exactly what was committed, in every sequence of events', {
  retry: 0,
  timeout: 120_000,
}, async () => {
  const property = fc.asyncProperty(
    settings,
    fc.array(command, { minLength: 5, maxLength: 80, size: 'max' }),
    async (how, steps) => {
      const run = new Run(how);
      using rig = run.rig;
      await run.prepare();
      for (const step of steps) await run.execute(step);
      await run.settle();
      for (const client of run.clients) client.checkAll();
      checkStore(run);
      expect(rig.faults).toEqual([]);
      expect(rig.hub.size).toBe(run.clients.length);
    },
  );
  await fc.assert(property, { numRuns: RUNS, ...(FROM as object) });
});

/** Checks invariants 1, 2 and 5: acknowledged writes are in the log, the log is in order, and it adds up to the table. */
function checkStore({ rig, acknowledged }: Run): void {
  const { history, store } = rig;
  expect(rig.delivered).toEqual(history);
  for (let i = 1; i < history.length; i++) expect(history[i]?.seq).toBeGreaterThan(history[i - 1]?.seq ?? 0);
  const known = new Map(history.map((change) => [change.seq, change]));
  for (const outcome of acknowledged) {
    const change = known.get(outcome.seq);
    expect(change).toBeDefined();
    if (outcome.json) expect(change?.data).toBe(outcome.json);
  }
  for (const table of rig.plan.tables) {
    const changes = history.filter((change) => change.table === table);
    const logged = store.readLog(table, store.resumeFloor(table), 100_000);
    expect(logged).toEqual(changes.filter(({ seq }) => seq > store.resumeFloor(table)));
    const stored = store.page(table, undefined, 1000);
    const expected = stateAt(changes, Number.POSITIVE_INFINITY).records;
    expect(new Map(stored.map(({ id, json }) => [id, JSON.parse(json)]))).toEqual(expected);
    // The seq of a record is that of its last change.
    for (const record of stored) {
      const { id, seq } = record;
      expect(store.get(table, id)).toEqual(record);
      expect(seq).toBe(changes.findLast((change) => change.id === id && change.op !== 'publish')?.seq);
    }
  }
}

test('invariant 6: the buffer of a slow reader is bounded, and it misses nothing', {
  retry: 0,
  timeout: 120_000,
}, async () => {
  const text = 'x'.repeat(2000);
  const property = fc.asyncProperty(
    fc.array(fc.record({ writes: fc.integer({ min: 1, max: 120 }), read: fc.nat(60_000) }), { maxLength: 12 }),
    async (rounds) => {
      using rig = new PropertyHarness({ sdl: SDL, clientBuffer: 16_384, replayPage: 8 });
      const [interest] = INTERESTS;
      if (interest === undefined) throw new Error('there is an interest in everything');
      const scope = { table: 'Item', id: undefined, interest, retained: false, echo: true };
      const slow = new Client(rig, { ...scope, fast: false });
      const fast = new Client(rig, { ...scope, fast: true });
      let count = 0;
      for (const { writes, read } of rounds) {
        const puts = Array.from({ length: writes }, () => {
          count++;
          return rig.resource('Item').put(SERVER, `k${count % 7}`, { n: count, pad: text });
        });
        await Promise.all(puts);
        // The fast reader receives everything, regardless of the slow one; how many slices that takes depends on the machine.
        for (let turn = 0; turn < 200 && !fast.isSettled; turn++) await turns(1);
        expect(fast.isSettled).toBe(true);
        slow.sink?.drain(read);
      }
      for (let turn = 0; turn < 2000 && !slow.isSettled; turn++) {
        slow.sink?.drain();
        await turns(1);
      }
      slow.checkAll();
      fast.checkAll();
      // One write of the shared buffer (128 KiB) or one page of the log, on top of a buffer that was not yet full.
      expect(slow.sink?.mostPending).toBeLessThanOrEqual(16_384 + 128 * 1024 + 2500);
    },
  );
  await fc.assert(property, { numRuns: Math.ceil(RUNS / 10) });
});
