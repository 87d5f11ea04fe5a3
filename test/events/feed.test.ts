import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MemoryBus, ring } from '../../src/events/bus.ts';
import { Feed } from '../../src/events/feed.ts';
import type { TablePlan } from '../../src/schema/plan.ts';
import type { Change, CommitResult, LogReader } from '../../src/store/store.ts';
import { type OpenStore, StoreFolder } from '../store/stores.ts';

const SDL = 'type A @table { id: ID! @primaryKey } type B @table { id: ID! @primaryKey }';

/** Feed on a real store, with the changes that it delivered. */
class FeedBench {
  readonly opened: OpenStore;
  readonly bus = new MemoryBus();
  readonly delivered: Change[] = [];
  readonly missed: string[] = [];
  readonly faults: unknown[] = [];
  readonly feed: Feed;
  #written = 0;

  constructor({ maxCount = 100_000, wrap = (log: LogReader) => log } = {}) {
    this.opened = new StoreFolder().open(SDL, { events: { retention: 86_400_000, maxCount, replayPage: 500 } });
    const log = wrap(this.opened.store);
    const onError = (error: unknown) => void this.faults.push(error);
    this.feed = new Feed({ log, tables: this.opened.plan.tables, bus: this.bus, onError });
    this.feed.listen({
      changes: (changes) => this.delivered.push(...changes),
      missed: ({ name }) => this.missed.push(name),
    });
  }

  /** Commits records of the tables with these indexes without ringing a bell. */
  commit(...indexes: readonly number[]): CommitResult {
    const writes = indexes.map((index) => {
      const id = String(this.#written++);
      return { type: 'create', table: this.opened.plan.tables[index] as TablePlan, id, cells: [id] } as const;
    });
    return this.opened.store.commit([writes]);
  }

  ids(): (string | number | null)[] {
    return this.delivered.map(({ id }) => id);
  }

  /** Resolves when the feed is at the end of the log. */
  async caughtUp(): Promise<void> {
    for (let i = 0; i < 1000 && this.feed.head < this.opened.store.lastSeq; i++) await turn();
    expect(this.feed.head).toBe(this.opened.store.lastSeq);
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('the feed', () => {
  test('delivers a transaction whole, however many pages of the log it has', async () => {
    const bench = new FeedBench();
    const sizes: number[] = [];
    bench.feed.listen({ changes: (changes) => sizes.push(changes.length) });
    for (let count = 0; count < 3; count++) bench.commit(0);
    const large = bench.commit(...Array.from({ length: 1300 }, (_, index) => index % 2));
    bench.commit(1);
    bench.bus.ring({ after: bench.feed.head, head: bench.opened.store.lastSeq });
    await bench.caughtUp();
    expect(bench.ids()).toEqual([...Array(1304).keys()].map(String));
    const marks = new Set(large.changes.map(({ transaction }) => transaction));
    expect([...marks]).toEqual([large.changes.at(-1)?.seq]);
    expect([bench.delivered.findIndex(({ transaction }) => transaction !== undefined), sizes[0]]).toEqual([3, 1303]);
  });

  test('delivers the changes of a bell at once, to every listener, without reading the log', () => {
    const bench = new FeedBench({
      wrap: (log) => new Proxy(log, { get: (target, name) => (name === 'readLog' ? fail : Reflect.get(target, name)) }),
    });
    const second: unknown[] = [];
    bench.feed.listen({ changes: (changes) => second.push(...changes.map(({ id }) => id)) });
    ring(bench.bus, bench.commit(0, 1, 0));
    expect([bench.ids(), second]).toEqual([
      ['0', '1', '2'],
      ['0', '1', '2'],
    ]);
    expect(bench.feed.head).toBe(bench.opened.store.lastSeq);
  });

  test('reads the changes of a lost bell when the next one rings', async () => {
    const bench = new FeedBench();
    bench.commit(0, 1);
    bench.commit(1);
    ring(bench.bus, bench.commit(0));
    await bench.caughtUp();
    expect(bench.ids()).toEqual(['0', '1', '2', '3']);
  });

  test('reads the log for a bell without changes', async () => {
    const bench = new FeedBench();
    const { after } = bench.commit(0, 1, 0, 1);
    bench.bus.ring({ after, head: bench.opened.store.lastSeq });
    await bench.caughtUp();
    expect(bench.ids()).toEqual(['0', '1', '2', '3']);
  });

  test('reads more than a page of each of several tables in order', async () => {
    const bench = new FeedBench();
    for (let i = 0; i < 13; i++) bench.commit(...Array.from({ length: 100 }, (_, n) => (n + i) % 3 && 1));
    bench.bus.ring({ after: 0, head: bench.opened.store.lastSeq });
    await bench.caughtUp();
    expect(bench.ids()).toEqual(Array.from({ length: 1300 }, (_, n) => String(n)));
  });

  test('reports a log that it cannot read, and reads it at the next bell', async () => {
    let broken = true;
    const bench = new FeedBench({
      wrap: (log) =>
        new Proxy(log, {
          get: (target, name) => {
            if (name === 'readLog' && broken) return fail;
            const value = Reflect.get(target, name);
            return typeof value === 'function' ? value.bind(target) : value;
          },
        }),
    });
    bench.commit(0);
    ring(bench.bus, bench.commit(1));
    await turn();
    await turn();
    expect([bench.ids(), bench.faults.map(String)]).toEqual([[], ['Error: the log cannot be read']]);
    broken = false;
    ring(bench.bus, bench.commit(0));
    await bench.caughtUp();
    expect(bench.ids()).toEqual(['0', '1', '2']);
  });

  test('reports the tables whose changes left the log before it had read them', async () => {
    const bench = new FeedBench({ maxCount: 3 });
    for (let i = 0; i < 200; i++) bench.commit(0);
    bench.opened.store.trim(Date.now(), 1000);
    ring(bench.bus, bench.commit(1));
    await bench.caughtUp();
    expect([...new Set(bench.missed)]).toEqual(['A']);
    expect(bench.ids().slice(-4)).toEqual(['197', '198', '199', '200']);
  });

  test('delivers every change once and in order when bells are lost, doubled, swapped or without changes', async () => {
    const commit = fc.record({
      tables: fc.array(fc.nat(1), { minLength: 1, maxLength: 5 }),
      bell: fc.constantFrom('carries', 'empty', 'lost', 'twice', 'late'),
      waits: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(commit, { maxLength: 12 }), async (commits) => {
        const bench = new FeedBench();
        const late: CommitResult[] = [];
        let count = 0;
        for (const { tables, bell, waits } of commits) {
          const result = bench.commit(...tables);
          count += tables.length;
          if (bell === 'carries' || bell === 'twice') ring(bench.bus, result);
          if (bell === 'twice') ring(bench.bus, result);
          if (bell === 'empty') bench.bus.ring({ after: result.after, head: bench.opened.store.lastSeq });
          if (bell === 'late') late.push(result);
          if (waits) await turn();
        }
        for (const result of late.toReversed()) ring(bench.bus, result);
        bench.bus.ring({ after: 0, head: bench.opened.store.lastSeq });
        await bench.caughtUp();
        expect(bench.ids()).toEqual(Array.from({ length: count }, (_, n) => String(n)));
        expect(bench.faults).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test('delivers nothing after it was closed', async () => {
    const bench = new FeedBench();
    await bench.feed.close();
    ring(bench.bus, bench.commit(0));
    await turn();
    expect(bench.ids()).toEqual([]);
  });

  test.each([[[10]], [[9]], [[12, 12]], [[12, 11]]])('refuses a bell with the changes %j after 10', (seqs) => {
    const bus = new MemoryBus();
    const log = { lastSeq: 10 } as LogReader;
    const feed = new Feed({ log, tables: [], bus, onError: () => {} });
    let calls = 0;
    feed.listen({ changes: () => calls++ });
    const changes = seqs.map((seq) => ({ seq, op: 'publish', id: null, data: '1', before: null }) as unknown as Change);
    expect(() => bus.ring({ after: 10, head: 12, changes })).toThrow(/^The feed got seq \d+ after \d+\.$/);
    expect(calls).toBe(0);
  });
});

function fail(): never {
  throw new Error('the log cannot be read');
}
