import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Write } from '../../../src/store/rows/write.ts';
import { logName } from '../../../src/store/sqlite/sql/table-names.ts';
import { type OpenStore, onlyTable, StoreFolder } from '../stores.ts';

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
