import { describe, expect, test } from 'vitest';
import { codeOf, type EngineUnderTest, pass, START, StoreHarness, stopClock } from './harness.ts';

const BY_TABLE = 'type T @table(expiration: 60) { id: ID! @primaryKey n: Int }';
const BY_FIELD = 'type T @table { id: ID! @primaryKey at: Date @expiresAt }';

export function expirySuite(subject: EngineUnderTest): void {
  async function open(sdl: string): Promise<StoreHarness> {
    stopClock();
    return StoreHarness.open(subject, sdl);
  }

  const expired = async ({ store, table }: StoreHarness, now: number, limit = 100) => store.expired(table, now, limit);

  describe('a record that expires', () => {
    test('is not found in a table without expiration', async () => {
      const harness = await open('type T @table { id: ID! @primaryKey n: Int }');
      const { seq } = await harness.put('a', 1);
      expect(await expired(harness, Number.MAX_SAFE_INTEGER)).toEqual([]);
      expect(await codeOf(harness.write({ type: 'delete', id: 'a', expiredAt: seq }))).toBe('NOT_FOUND');
    });

    test('with its table is found when its time has passed since it was last written', async () => {
      const harness = await open(BY_TABLE);
      await harness.put('a', 1);
      pass(1000);
      await harness.put('b', 1);
      expect(await expired(harness, START + 59_999)).toEqual([]);
      expect(await expired(harness, START + 60_000)).toEqual(['a']);
      expect(await expired(harness, START + 61_000)).toEqual(['a', 'b']);
      expect(await expired(harness, START + 61_000, 1)).toEqual(['a']);
      await harness.put('a', 2);
      expect(await expired(harness, START + 60_999)).toEqual([]);
      expect((await expired(harness, START + 61_000)).toSorted()).toEqual(['a', 'b']);
    });

    test('by its own time is found then, or never', async () => {
      const harness = await open(BY_FIELD);
      await harness.put('late', '2100-01-01T00:00:09.000Z');
      await harness.put('soon', '2100-01-01T00:00:01.000Z');
      await harness.put('never', null);
      expect(await expired(harness, START + 8999)).toEqual(['soon']);
      expect(await expired(harness, START + 9000)).toEqual(['soon', 'late']);
      expect(await expired(harness, START * 2)).toEqual(['soon', 'late']);
    });

    test('is removed as by an ordinary delete', async () => {
      const harness = await open(BY_FIELD);
      await harness.put('a', '2100-01-01T00:00:01.000Z');
      const remove = (expiredAt: number) => harness.write({ type: 'delete', id: 'a', expiredAt });
      expect(await codeOf(remove(START + 999))).toBe('NOT_FOUND');
      expect(await remove(START + 1000)).toMatchObject({ id: 'a', changed: true });
      expect(await harness.records()).toEqual([]);
      expect((await harness.log()).at(-1)).toMatchObject({ op: 'delete', id: 'a' });
      expect(await expired(harness, START * 2)).toEqual([]);
    });

    test('stays when it was written again after it was found', async () => {
      const harness = await open(BY_TABLE);
      await harness.put('a', 1);
      pass(60_000);
      const now = Date.now();
      expect(await expired(harness, now)).toEqual(['a']);
      await harness.put('a', 2);
      expect(await codeOf(harness.write({ type: 'delete', id: 'a', expiredAt: now }))).toBe('NOT_FOUND');
      expect(await harness.records()).toEqual([{ id: 'a', n: 2 }]);
    });

    test('that was found can be removed, also when the clock went back before it was written', async () => {
      const harness = await open(BY_TABLE);
      await harness.put('first', 1);
      pass(-3_600_000);
      await harness.put('a', 1);
      const now = Date.now() + 60_000;
      expect(await expired(harness, now)).toEqual(['a']);
      expect(await harness.write({ type: 'delete', id: 'a', expiredAt: now })).toMatchObject({ changed: true });
    });

    test('expires after the store was opened again', async () => {
      const harness = await open(BY_TABLE);
      await harness.put('a', 1);
      await harness.open(BY_TABLE);
      expect(await expired(harness, START + 60_000)).toEqual(['a']);
    });
  });
}
