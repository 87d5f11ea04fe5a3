import { describe, expect, test } from 'vitest';
import { StoreOpenError } from '../../../src/store/open-errors.ts';
import { planOf } from '../../schema/mistakes.ts';
import { codeOf, type EngineUnderTest, pass, StoreHarness, stopClock } from './harness.ts';

const SDL = 'type T @table { id: ID! @primaryKey name: String @unique l: Long j: JSON }';

export function reopeningSuite(subject: EngineUnderTest): void {
  describe('a store that is opened again', () => {
    test('has everything that it had', async () => {
      const harness = await StoreHarness.open(subject, SDL);
      await harness.create('a', 'x', 2n ** 60n, '{"a":[1]}');
      await harness.create('b', 'y', 5);
      await harness.patch('a', 'z');
      await harness.delete('b');
      await harness.write({ type: 'publish', id: null, data: '1' });
      const state = async () => {
        const { store, table } = harness;
        return {
          positions: [store.lastSeq, store.lastTableSeq(table), store.resumeFloor(table), store.logStart(table)],
          records: await store.page(table, undefined, 9),
          log: (await harness.log()).map(({ table: _, ...entry }) => entry),
        };
      };
      const before = await state();
      expect(before.records).toHaveLength(1);
      expect(before.log).toHaveLength(5);
      for (let time = 0; time < 2; time++) {
        await harness.open(SDL);
        expect(await state()).toEqual(before);
      }
      expect(harness.notices).toEqual([]);
      expect(await codeOf(harness.create('c', 'z'))).toBe('CONFLICT');
      expect(await codeOf(harness.create('c', 'y'))).toBe('done');
    });

    test('goes on with the seq, also when the clock went back', async () => {
      stopClock();
      const harness = await StoreHarness.open(subject, SDL);
      await harness.create('a');
      const { seq } = await harness.write({ type: 'publish', id: null, data: '1' });
      expect(harness.store.lastSeq).toBe(seq);
      pass(-86_400_000);
      await harness.open(SDL);
      expect([harness.store.lastSeq, harness.store.lastTableSeq(harness.table)]).toEqual([seq, seq]);
      expect((await harness.create('b')).seq).toBe(seq + 1);
    });

    test('has no position that a refused write was going to have', async () => {
      const harness = await StoreHarness.open(subject, SDL);
      await harness.create('a');
      await codeOf(harness.create('a'));
      const { lastSeq } = harness.store;
      await harness.open(SDL);
      expect(harness.store.lastSeq).toBe(lastSeq);
    });

    test('has the fields and tables of a schema that has more of them', async () => {
      const harness = await StoreHarness.open(subject, SDL);
      await harness.create('a', 'x');
      await harness.open(`${SDL.replace('l: Long', 'l: Long more: Int')} type U @table { id: ID! @primaryKey }`);
      expect(harness.notices).toHaveLength(2);
      expect(await harness.records()).toEqual([{ id: 'a', name: 'x', l: null, more: null, j: null }]);
      expect(await harness.records(harness.tableNamed('U'))).toEqual([]);
      await harness.patch('a', undefined, undefined, 7);
      expect((await harness.log()).map(({ data }) => data)).toEqual([
        '{"id":"a","name":"x","l":null,"j":null}',
        '{"id":"a","name":"x","l":null,"more":7,"j":null}',
      ]);
    });

    test('refuses a schema that would lose values, and stays as it was', async () => {
      const harness = await StoreHarness.open(subject, SDL);
      await harness.create('a', 'x', 5);
      const less = SDL.replace('l: Long', '');
      const { dir } = harness.options;
      const preview = async (sdl: string) => subject.engine.previewMigration(planOf(sdl), { dir, allowed: false });
      expect(await preview(SDL)).toEqual({
        refusal: undefined,
        impossible: false,
        losing: [],
        names: [],
        steps: [],
        pending: false,
      });
      await harness.close();
      const steps = [expect.objectContaining({ type: 'drop-column', name: 'T.l' })];
      const lost = { impossible: false, losing: ['T.l'], names: ['T.l'], steps, pending: true };
      expect(await preview(less)).toEqual({ refusal: expect.stringContaining('data.T.l'), ...lost });
      await expect(harness.open(less)).rejects.toBeInstanceOf(StoreOpenError);
      await harness.open(SDL);
      expect(await harness.records()).toEqual([{ id: 'a', name: 'x', l: 5, j: null }]);
      await expect(harness.open(less, { allowDestructive: ['T.j'] })).rejects.toBeInstanceOf(StoreOpenError);
      await harness.open(less, { allowDestructive: ['T.l'] });
      expect(await harness.records()).toEqual([{ id: 'a', name: 'x', j: null }]);
    });
  });

  test(`a directory is open ${subject.isShared ? 'as often as there are servers' : 'once'}`, async () => {
    const harness = await StoreHarness.open(subject, SDL);
    const open = async () => subject.engine.openRecords(planOf(SDL), harness.options);
    if (subject.isShared) await (await open()).close();
    else await expect(open()).rejects.toBeInstanceOf(StoreOpenError);
    await harness.create('a', 'x');
    await harness.close();
    const store = await open();
    await store.close();
  });
}
