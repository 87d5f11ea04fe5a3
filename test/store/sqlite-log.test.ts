import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { logName } from '../../src/store/sqlite/sql/table-names.ts';
import type { Write } from '../../src/store/store.ts';
import { type OpenStore, onlyTable, StoreFolder } from './stores.ts';

const SDL = 'type T @table { id: ID! @primaryKey }';
const HOUR = 3_600_000;

interface Bench extends OpenStore {
  readonly folder: StoreFolder;
  reopen(): OpenStore;
  /** Writes that many entries, each in a commit of its own; gives their seqs. */
  publish(count: number, id?: string | null): number[];
}

/** A store whose clock stands still until the test moves it. */
function open(events: { retention?: number; maxCount?: number }): Bench {
  vi.useFakeTimers({ toFake: ['Date'], now: new Date('2100-01-01T00:00:00Z') });
  onTestFinished(() => void vi.useRealTimers());
  const folder = new StoreFolder();
  const options = { events: { retention: 24 * HOUR, maxCount: 1000, replayPage: 500, ...events } };
  const opened = folder.open(SDL, options);
  const table = onlyTable(opened);
  const publish = (count: number, id: string | null = null) =>
    Array.from({ length: count }, () => {
      const entry: Write = { type: 'publish', table, id, data: '1' };
      return opened.store.commit([[entry]]).changes[0]?.seq as number;
    });
  return { ...opened, folder, publish, reopen: () => folder.open(SDL, options) };
}

function seqs(open: OpenStore, after = 0): number[] {
  return open.store.readLog(onlyTable(open), after, 10_000).map(({ seq }) => seq);
}

describe('trimming', () => {
  test('takes nothing that is within retention and count', () => {
    const bench = open({ maxCount: 5 });
    const { store } = bench;
    const floor = store.resumeFloor(onlyTable(bench));
    const written = bench.publish(5);
    expect(store.trim(Date.now() + 24 * HOUR, 100)).toBe(false);
    expect(seqs(bench)).toEqual(written);
    expect(store.resumeFloor(onlyTable(bench))).toBe(floor);
  });

  test('of an empty log is nothing', () => {
    const { store } = open({ maxCount: 0, retention: 0 });
    expect(store.trim(Date.now() + HOUR, 100)).toBe(false);
  });

  test('by count keeps the newest, in small batches', () => {
    const bench = open({ maxCount: 4 });
    const { store } = bench;
    const table = onlyTable(bench);
    const written = bench.publish(11);
    const steps = Array.from({ length: 4 }, () => [
      store.trim(Date.now(), 3),
      seqs(bench).length,
      store.resumeFloor(table),
    ]);
    expect(steps).toEqual([
      [true, 8, written[2]],
      [true, 5, written[5]],
      [false, 4, written[6]],
      [false, 4, written[6]],
    ]);
    expect(seqs(bench)).toEqual(written.slice(7));
    written.push(...bench.publish(1));
    expect(store.trim(Date.now(), 3)).toBe(false);
    expect(seqs(bench)).toEqual(written.slice(8));
  });

  test('by time keeps what is young enough, in small batches', () => {
    const bench = open({ retention: HOUR });
    const { store } = bench;
    const old = bench.publish(5);
    vi.setSystemTime(Date.now() + HOUR / 2);
    const young = bench.publish(2);
    vi.setSystemTime(Date.now() + HOUR / 2 + 1);
    expect([store.trim(Date.now(), 3), seqs(bench)]).toEqual([true, [...old.slice(3), ...young]]);
    expect([store.trim(Date.now(), 3), seqs(bench)]).toEqual([false, young]);
    expect(store.resumeFloor(onlyTable(bench))).toBeGreaterThanOrEqual(old.at(-1) as number);
    expect(store.resumeFloor(onlyTable(bench))).toBeLessThan(young[0] as number);
  });

  test('of everything leaves the head and the floor where they were, also after a restart', () => {
    const bench = open({ retention: HOUR });
    const table = onlyTable(bench);
    const [first = 0, last = 0] = [bench.publish(3)[0], bench.publish(1)[0]];
    vi.setSystemTime(Date.now() + 2 * HOUR);
    expect(bench.store.trim(Date.now(), 100)).toBe(false);
    expect(seqs(bench)).toEqual([]);
    expect([bench.store.lastSeq, bench.store.lastTableSeq(table), bench.store.resumeFloor(table)]).toEqual([
      last,
      last,
      last,
    ]);
    const again = bench.reopen();
    expect([again.store.lastSeq, again.store.resumeFloor(onlyTable(again))]).toEqual([last, last]);
    expect(first).toBeLessThan(last);
  });

  test('is remembered after a restart, and goes on there', () => {
    const bench = open({ maxCount: 2 });
    const written = bench.publish(8);
    bench.store.trim(Date.now(), 3);
    const again = bench.reopen();
    expect(again.store.resumeFloor(onlyTable(again))).toBe(written[2]);
    expect(seqs(again)).toEqual(written.slice(3));
    again.store.trim(Date.now(), 100);
    expect(seqs(again)).toEqual(written.slice(6));
  });
});

describe('commits to a log that is too long', () => {
  /** As housekeeping does once a second; from then on the store knows how long its logs are. */
  function openTrimmed(maxCount: number): Bench {
    const bench = open({ maxCount });
    bench.store.trim(Date.now(), 100);
    return bench;
  }

  test('take the oldest entries away, in their own transactions, and tell of it', () => {
    const bench = openTrimmed(50);
    const table = onlyTable(bench);
    const written = bench.publish(400);
    const kept = seqs(bench);
    expect(kept.length).toBeLessThanOrEqual(50 + 100);
    expect(kept).toEqual(written.slice(-kept.length));
    expect(bench.store.resumeFloor(table)).toBe(written.at(-kept.length - 1));
    const again = bench.reopen();
    expect(again.store.resumeFloor(onlyTable(again))).toBe(written.at(-kept.length - 1));
    expect(again.store.trim(Date.now(), 1000)).toBe(false);
    expect(seqs(again)).toEqual(written.slice(-50));
  });

  test('take nothing away when they fail', () => {
    const bench = openTrimmed(50);
    const table = onlyTable(bench);
    bench.publish(150);
    const [before, floor] = [seqs(bench), bench.store.resumeFloor(table)];
    expect(before).toHaveLength(150);
    const other = new Database(bench.folder.file);
    // A foreign key that is checked when the transaction ends.
    other.exec(`CREATE TABLE parent (id INTEGER PRIMARY KEY);
      CREATE TABLE child (id REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
      CREATE TRIGGER late AFTER INSERT ON ${logName(table)} BEGIN INSERT INTO child VALUES (1); END`);
    expect(() => bench.publish(1)).toThrow('FOREIGN KEY constraint failed');
    expect([seqs(bench), bench.store.resumeFloor(table)]).toEqual([before, floor]);
    other.exec('DROP TRIGGER late');
    other.close();
    bench.publish(1);
    expect(seqs(bench)).toHaveLength(51);
  });
});

describe('entries of one record', () => {
  test('are found after others were trimmed, and after very many records were seen', () => {
    const bench = open({ maxCount: 2 });
    const table = onlyTable(bench);
    const early = bench.publish(1, 'early')[0] ?? 0;
    expect(bench.store.readLog(table, 0, 10, 'early')).toHaveLength(1);
    for (const id of ['b', 'c', 'd', 'e', 'f']) bench.publish(1, id);
    bench.store.trim(Date.now(), 100);
    expect(bench.store.readLog(table, early - 1, 10, 'early')).toEqual([]);
    expect(bench.store.readLog(table, early, 10, 'f')).toHaveLength(1);
    const [seq = 0] = bench.publish(1, 'early');
    expect(bench.store.readLog(table, early, 10, 'early').map((entry) => entry.seq)).toEqual([seq]);
  });
});
