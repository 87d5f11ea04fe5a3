import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { afterCommit } from '../../src/runtime/event-loop.ts';
import type { Write } from '../../src/store/rows/write.ts';
import type { Change, CommitResult, Store, WriteGroup } from '../../src/store/store.ts';
import { WriteQueue } from '../../src/store/write-queue.ts';
import { type OpenStore, onlyTable, records, StoreFolder } from './stores.ts';

const SDL = 'type T @table { id: ID! @primaryKey name: String @unique }';

interface Bench extends OpenStore {
  readonly folder: StoreFolder;
  readonly commits: WriteQueue;
  /** Groups of each call of the store, and what was handed on. */
  readonly calls: number[];
  readonly committed: Change[][];
  create(id: string, name?: string): Write;
}

interface Options {
  readonly busyTimeout?: number;
  /** Stands between the group commit and the store. */
  wrap?(commit: Store['commit']): Store['commit'];
}

function open({ busyTimeout = 2000, wrap = (commit) => commit }: Options = {}): Bench {
  const folder = new StoreFolder();
  const opened = folder.open(SDL);
  const { store } = opened;
  const table = onlyTable(opened);
  const calls: number[] = [];
  const committed: Change[][] = [];
  const commit = wrap((groups) => {
    calls.push(groups.length);
    return store.commit(groups);
  });
  const seen = new Proxy<Store>(store, {
    get: (target, name) => (name === 'commit' ? commit : Reflect.get(target, name)),
  });
  const onCommitted = ({ changes }: CommitResult) => void committed.push([...changes]);
  const commits = new WriteQueue({ store: seen, busyTimeout, onCommitted });
  const create = (id: string, name = id): Write => ({ type: 'create', table, id, cells: [id, name] });
  return { ...opened, folder, commits, calls, committed, create };
}

/** A second connection that holds the database until it is let go. */
function hold(file: string): () => void {
  const db = new Database(file, { timeout: 0 });
  onTestFinished(() => void db.close());
  db.exec('BEGIN IMMEDIATE');
  return () => void db.exec('ROLLBACK');
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Writes so many in each of these turns. */
async function writeInTurns({ commits, create }: Bench, counts: readonly number[]): Promise<void> {
  const writes: Promise<unknown>[] = [];
  for (const count of counts) {
    for (let n = 0; n < count; n++) writes.push(commits.submit([create(`r${writes.length}`)]));
    await turn();
  }
  await Promise.all(writes);
}

describe('writes that arrive in one turn after the other', () => {
  test('share a commit as long as each turn brings some', async () => {
    const bench = open();
    await writeInTurns(bench, [20, 3, 1]);
    expect(bench.calls).toEqual([24]);
  });

  test('do so for a few turns only', async () => {
    const bench = open();
    await writeInTurns(bench, new Array(10).fill(5));
    expect(bench.calls.every((groups) => groups <= 20)).toBe(true);
    expect(bench.calls.reduce((sum, groups) => sum + groups)).toBe(50);
  });

  test('do not wait when one is alone, nor for a turn that brings none', async () => {
    const bench = open();
    const { commits, calls, create } = bench;
    const alone = commits.submit([create('a')]);
    await turn();
    expect(calls).toEqual([1]);
    const both = [commits.submit([create('b')]), commits.submit([create('c')])];
    await turn();
    expect(calls).toEqual([1]);
    await turn();
    expect(calls).toEqual([1, 2]);
    await Promise.all([alone, ...both]);
  });

  test('do not wait while deliveries do', async () => {
    const bench = open();
    const { commits, calls, create } = bench;
    const order: string[] = [];
    const writes = ['a', 'b'].map((id) => commits.submit([create(id)]).then(() => order.push(id)));
    afterCommit(() => order.push('delivery'));
    await turn();
    expect(calls).toEqual([2]);
    await Promise.all(writes);
    await turn();
    expect(order).toEqual(['a', 'b', 'delivery']);
  });
});

describe('writes that arrive together', () => {
  test('share a commit, and are answered in their order after they were handed on', async () => {
    const { commits, calls, committed, create } = open();
    const order: string[] = [];
    const writes = ['a', 'b', 'c'].map((id) => commits.submit([create(id)]).then(() => order.push(id)));
    expect(commits.waiting).toBe(3);
    expect(calls).toEqual([]);
    await Promise.all(writes);
    expect(calls).toEqual([3]);
    expect(order).toEqual(['a', 'b', 'c']);
    expect(committed.map((changes) => changes.map(({ id }) => id))).toEqual([['a', 'b', 'c']]);
  });

  test('are handed on before any writer goes on', async () => {
    const { commits, committed, create } = open();
    let seen = 0;
    await commits.submit([create('a')]).then(() => {
      seen = committed.length;
    });
    expect(seen).toBe(1);
  });

  test('do not fail with a neighbour, and what failed is not handed on', async () => {
    const bench = open();
    const { commits, calls, committed, create } = bench;
    const results = await Promise.allSettled([
      commits.submit([create('a')]),
      commits.submit([create('b'), create('c', 'a')]),
      commits.submit([create('a', 'other')]),
      commits.submit([create('d'), create('e')]),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { code: 'CONFLICT', errors: [{ field: 'name' }] } });
    expect(results[2]).toMatchObject({ reason: { code: 'CONFLICT', errors: [{ field: 'id' }] } });
    expect(calls).toEqual([4]);
    expect(committed.flat().map(({ id }) => id)).toEqual(['a', 'd', 'e']);
    expect(records(bench)).toMatchObject([{ id: 'a' }, { id: 'd' }, { id: 'e' }]);
  });

  test('are committed in several transactions when there are very many, all in order', async () => {
    const { commits, calls, committed, create } = open();
    const groups = Array.from({ length: 7 }, (_, group) =>
      Array.from({ length: 100 }, (_, index) => create(`${group}-${String(index).padStart(3, '0')}`)),
    );
    await Promise.all(groups.map((group) => commits.submit(group)));
    expect(calls).toEqual([3, 3, 1]);
    expect(committed.flat().map(({ id }) => id)).toEqual(groups.flat().map((write) => 'id' in write && write.id));
  });

  test('of one group larger than a transaction stay together', async () => {
    const { commits, calls, create } = open();
    const outcomes = await commits.submit(Array.from({ length: 300 }, (_, index) => create(`${index}`)));
    expect(outcomes).toHaveLength(300);
    expect(calls).toEqual([1]);
  });
});

describe('a database that another process holds', () => {
  test('is tried again until it is free, without blocking the event loop', async () => {
    const { folder, commits, calls, create } = open();
    const release = hold(folder.file);
    const written = commits.submit([create('a')]);
    while (calls.length < 3) await turn();
    expect(commits.waiting).toBe(1);
    const second = commits.submit([create('b')]);
    release();
    const [[first], [other]] = await Promise.all([written, second]);
    expect(first?.seq).toBeLessThan(other?.seq ?? 0);
    expect(calls.at(-1)).toBe(2);
  });

  test('is given up with STORAGE_BUSY after the time for it, and written to again later', async () => {
    const bench = open({ busyTimeout: 100 });
    const { folder, commits, committed, create } = bench;
    const release = hold(folder.file);
    const started = performance.now();
    await expect(commits.submit([create('a')])).rejects.toMatchObject({
      code: 'STORAGE_BUSY',
      status: 503,
      headers: { 'retry-after': '1' },
    });
    expect(performance.now() - started).toBeGreaterThanOrEqual(100);
    expect(committed).toEqual([]);
    expect(records(bench)).toEqual([]);
    release();
    await commits.submit([create('a')]);
    expect(records(bench)).toEqual([{ id: 'a', name: 'a' }]);
  });

  test('gives each write its own time', async () => {
    const { folder, commits, calls, create } = open({ busyTimeout: 150 });
    const release = hold(folder.file);
    const first = commits.submit([create('a')]).catch((error: unknown) => error);
    const tries = calls.length;
    while (calls.length < tries + 4) await turn();
    const second = commits.submit([create('b')]);
    expect(await first).toMatchObject({ code: 'STORAGE_BUSY' });
    release();
    expect(await second).toMatchObject([{ id: 'b', created: true }]);
  });

  test('lets only so many writes wait', async () => {
    const { folder, commits, create } = open();
    const release = hold(folder.file);
    const group: WriteGroup = [create('a')];
    const waiting = Array.from({ length: 10_000 }, () => commits.submit(group).catch(() => undefined));
    await expect(commits.submit(group)).rejects.toMatchObject({ code: 'OVERLOADED', status: 503 });
    release();
    const outcomes = await Promise.all(waiting);
    expect(outcomes.filter((outcome) => outcome !== undefined)).toHaveLength(1);
    expect(await commits.submit([create('b')])).toMatchObject([{ id: 'b' }]);
  });
});

describe('a failure of the whole transaction', () => {
  test('is reported to all of its writers, and the next writes are tried', async () => {
    let fails = true;
    const broken = new Error('the disk is gone');
    const { commits, committed, create } = open({
      wrap: (commit) => (groups) => {
        if (fails) throw broken;
        return commit(groups);
      },
    });
    const results = await Promise.allSettled([commits.submit([create('a')]), commits.submit([create('b')])]);
    expect(results).toEqual([
      { status: 'rejected', reason: broken },
      { status: 'rejected', reason: broken },
    ]);
    fails = false;
    await commits.submit([create('a')]);
    expect(committed.flat()).toHaveLength(1);
  });
});

describe('drain', () => {
  test('resolves at once when nothing waits', async () => {
    const { commits, calls } = open();
    await commits.drain();
    expect(calls).toEqual([]);
  });

  test('waits for what is waiting, also for a store that answers later', async () => {
    const answers: (() => void)[] = [];
    const { commits, committed, create } = open({
      wrap: (commit) => (groups) =>
        new Promise<CommitResult>((resolve) => answers.push(() => resolve(commit(groups) as CommitResult))),
    });
    const written = [commits.submit([create('a')])];
    while (answers.length === 0) await turn();
    // The next one waits while the store is at work.
    written.push(commits.submit([create('b')]));
    let drained = false;
    const drain = commits.drain().then(() => {
      drained = true;
    });
    await turn();
    expect([drained, answers.length]).toEqual([false, 1]);
    answers[0]?.();
    while (answers.length < 2) await turn();
    expect(drained).toBe(false);
    answers[1]?.();
    await drain;
    await Promise.all(written);
    expect(committed.map((changes) => changes.map(({ id }) => id))).toEqual([['a'], ['b']]);
  });
});
