import { describe, expect, test } from 'vitest';
import { type EngineUnderTest, pass, StoreHarness, stopClock } from './harness.ts';

const SDL = 'type T @table { id: ID! @primaryKey }';
const HOUR = 3_600_000;

export function trimSuite(subject: EngineUnderTest): void {
  /** A store of messages whose clock stands still. */
  async function open(events: { retention?: number; maxCount?: number }) {
    stopClock();
    const options = { events: { retention: 24 * HOUR, maxCount: 1000, replayPage: 500, ...events } };
    const harness = await StoreHarness.open(subject, SDL, options);
    /** Writes that many entries, each in a commit of its own; gives their seqs. */
    const publish = async (count: number, id: string | null = null) => {
      const seqs: number[] = [];
      for (let n = 0; n < count; n++) seqs.push((await harness.write({ type: 'publish', id, data: '1' })).seq);
      return seqs;
    };
    return { harness, publish, reopen: () => harness.open(SDL, options) };
  }

  const seqsOf = async (harness: StoreHarness) => (await harness.log()).map(({ seq }) => seq);

  describe('trimming the log', () => {
    test('takes nothing that is within retention and count', async () => {
      const { harness, publish } = await open({ maxCount: 5 });
      const floor = harness.store.resumeFloor(harness.table);
      const written = await publish(5);
      expect(await harness.store.trim(Date.now() + 24 * HOUR, 100)).toBe(false);
      expect(await seqsOf(harness)).toEqual(written);
      expect(harness.store.resumeFloor(harness.table)).toBe(floor);
    });

    test('of an empty log is nothing', async () => {
      const { harness } = await open({ maxCount: 0, retention: 0 });
      expect(await harness.store.trim(Date.now() + HOUR, 100)).toBe(false);
    });

    test('by count keeps the newest, in small batches', async () => {
      const { harness, publish } = await open({ maxCount: 4 });
      const { store, table } = harness;
      const written = await publish(11);
      const steps = [];
      for (let step = 0; step < 4; step++) {
        steps.push([await store.trim(Date.now(), 3), (await seqsOf(harness)).length, store.resumeFloor(table)]);
      }
      expect(steps).toEqual([
        [true, 8, written[2]],
        [true, 5, written[5]],
        [false, 4, written[6]],
        [false, 4, written[6]],
      ]);
      expect(await seqsOf(harness)).toEqual(written.slice(7));
      expect(await harness.log(0, 2)).toHaveLength(2);
      written.push(...(await publish(1)));
      expect(await store.trim(Date.now(), 3)).toBe(false);
      expect(await seqsOf(harness)).toEqual(written.slice(8));
      expect(store.logStart(table)).toBe(written[7]);
    });

    test('by time keeps what is young enough, in small batches', async () => {
      const { harness, publish } = await open({ retention: HOUR });
      const { store, table } = harness;
      const old = await publish(5);
      pass(HOUR / 2);
      const young = await publish(2);
      pass(HOUR / 2 + 1);
      expect([await store.trim(Date.now(), 3), await seqsOf(harness)]).toEqual([true, [...old.slice(3), ...young]]);
      expect([await store.trim(Date.now(), 3), await seqsOf(harness)]).toEqual([false, young]);
      expect(store.resumeFloor(table)).toBeGreaterThanOrEqual(old.at(-1) as number);
      expect(store.resumeFloor(table)).toBeLessThan(young[0] as number);
    });

    test('of everything leaves the last position and the floor where they were, also when it is opened again', async () => {
      const { harness, publish, reopen } = await open({ retention: HOUR });
      const last = (await publish(4)).at(-1);
      pass(2 * HOUR);
      expect(await harness.store.trim(Date.now(), 100)).toBe(false);
      for (const _ of ['running', 'opened again']) {
        const { store, table } = harness;
        expect(await seqsOf(harness)).toEqual([]);
        expect([store.lastSeq, store.lastTableSeq(table), store.resumeFloor(table)]).toEqual([last, last, last]);
        await reopen();
      }
    });

    test('goes on when the store is opened again', async () => {
      const { harness, publish, reopen } = await open({ maxCount: 2 });
      const written = await publish(8);
      await harness.store.trim(Date.now(), 3);
      await reopen();
      expect(harness.store.resumeFloor(harness.table)).toBe(written[2]);
      expect(await seqsOf(harness)).toEqual(written.slice(3));
      await harness.store.trim(Date.now(), 100);
      expect(await seqsOf(harness)).toEqual(written.slice(6));
    });

    test('leaves the entries of one record to be found', async () => {
      const { harness, publish } = await open({ maxCount: 2 });
      const [early = 0] = await publish(1, 'early');
      expect(await harness.log(0, 10, 'early')).toHaveLength(1);
      for (const id of ['b', 'c', 'd', 'e', 'f']) await publish(1, id);
      await harness.trimAll();
      expect(await harness.log(early - 1, 10, 'early')).toEqual([]);
      expect(await harness.log(early, 10, 'f')).toHaveLength(1);
      const [seq] = await publish(1, 'early');
      expect((await harness.log(early, 10, 'early')).map((entry) => entry.seq)).toEqual([seq]);
    });

    test('leaves the records', async () => {
      const { harness } = await open({ maxCount: 0 });
      await harness.create('a');
      await harness.trimAll();
      expect(await harness.log()).toEqual([]);
      expect(await harness.records()).toEqual([{ id: 'a' }]);
    });
  });
}
