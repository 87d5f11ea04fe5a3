import { describe, expect, test } from 'vitest';
import { parseBulkFilter } from '../../../src/resources/bulk.ts';
import { LIMITS } from '../../query/tables.ts';
import { planOf } from '../../schema/mistakes.ts';
import { type EngineUnderTest, StoreHarness } from './harness.ts';

const SDL = 'type T @table { id: ID! @primaryKey name: String l: Long h: String @hidden }';

export function snapshotSuite(subject: EngineUnderTest): void {
  describe('a snapshot', () => {
    test('has all records with all fields as they were at its position, page by page', async () => {
      const harness = await StoreHarness.open(subject, SDL);
      await harness.create('b', 'two', 2n ** 60n, 'secret');
      await harness.create('a', 'one', 5, null);
      await harness.create('c', null, null, null);
      const { dir } = harness.options;
      const plan = planOf(SDL);
      const [table] = plan.tables;
      if (table === undefined) throw new Error('no table');
      const head = harness.store.lastSeq;
      const snapshot = await subject.engine.openSnapshot(plan, { dir });
      if (snapshot === undefined) throw new Error('no snapshot');
      await harness.delete('a');
      await harness.create('d', 'four', 1, null);
      expect(snapshot.position).toBe(head);
      const first = await snapshot.page(table, { after: undefined, limit: 2 });
      const second = await snapshot.page(table, { after: first[1]?.id, limit: 2 });
      expect([...first, ...second].map(({ json }) => json)).toEqual([
        '{"id":"a","name":"one","l":5,"h":null}',
        '{"id":"b","name":"two","l":"1152921504606846976","h":"secret"}',
        '{"id":"c","name":null,"l":null,"h":null}',
      ]);
      const filter = parseBulkFilter('l=gt=1', { table, limits: LIMITS, view: undefined });
      expect(await snapshot.count(table, filter)).toBe(2);
      expect((await snapshot.page(table, { filter, after: 'a', limit: 9 })).map(({ id }) => id)).toEqual(['b']);
      const log = await snapshot.readLog(table, 0, 9);
      expect(log.map(({ op, id, seq }) => ({ op, id, isOld: seq <= head }))).toEqual(
        ['b', 'a', 'c'].map((id) => ({ op: 'create', id, isOld: true })),
      );
      expect(await snapshot.readLog(table, log[0]?.seq ?? 0, 1)).toEqual(log.slice(1, 2));
      expect(await snapshot.resumeFloor(table)).toBe(harness.store.resumeFloor(harness.table));
      await snapshot.close();
    });

    test('is not there where nothing is stored', async () => {
      const dir = '/tmp/tablecast-none';
      expect(await subject.engine.openSnapshot(planOf(SDL), { dir })).toBeUndefined();
    });
  });
}
