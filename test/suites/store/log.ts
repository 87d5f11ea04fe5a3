import { describe, expect, test } from 'vitest';
import type { Write } from '../../../src/store/rows/write.ts';
import type { Change } from '../../../src/store/store.ts';
import { codeOf, type EngineUnderTest, pass, StoreHarness, stopClock } from './harness.ts';

const SDL = 'type T @table { id: ID! @primaryKey name: String @unique n: Int }';
const TWO = 'type A @table { id: ID! @primaryKey n: Int } type B @table { id: ID! @primaryKey n: Int }';

export function logSuite(subject: EngineUnderTest): void {
  const open = (sdl = SDL) => StoreHarness.open(subject, sdl);

  describe('seq', () => {
    test('grows when the clock stands still or goes back', async () => {
      stopClock();
      const harness = await open();
      const seqs = [(await harness.create('a')).seq, (await harness.create('b')).seq];
      pass(-86_400_000);
      seqs.push((await harness.create('c')).seq, (await harness.patch('a', 'x')).seq, (await harness.delete('b')).seq);
      const [first = 0] = seqs;
      expect(seqs).toEqual([0, 1, 2, 3, 4].map((n) => first + n));
      expect(first).toBeGreaterThanOrEqual((Date.now() + 86_400_000) * 1000);
      pass(2 * 86_400_000);
      expect((await harness.create('d')).seq).toBe(Date.now() * 1000);
    });

    test('is over all tables, one after another in a commit', async () => {
      const harness = await open(TWO);
      const [a, b] = [harness.tableNamed('A'), harness.tableNamed('B')];
      const group = [a, b, a].map((table, index) =>
        harness.of({ type: 'create', table, id: `${index}`, cells: [`${index}`] }),
      );
      const { lastSeq } = harness.store;
      const { changes, after } = await harness.commit(group);
      const [first = 0] = changes.map(({ seq }) => seq);
      expect(after).toBe(lastSeq);
      expect(changes.map(({ seq, table }) => [seq - first, table])).toEqual([
        [0, a],
        [1, b],
        [2, a],
      ]);
      const { store } = harness;
      expect([store.lastSeq, store.lastTableSeq(a), store.lastTableSeq(b)]).toEqual([first + 2, first + 2, first + 1]);
    });

    test('orders the entries of a table, which are read back from the newest', async () => {
      const harness = await open(TWO);
      const [a, b] = [harness.tableNamed('A'), harness.tableNamed('B')];
      const group = [a, b, a, a].map((table, index) =>
        harness.of({ type: 'create', table, id: `${index}`, cells: [`${index}`] }),
      );
      const { changes } = await harness.commit(group);
      const { store } = harness;
      const idsOf = async (before: number, limit: number) =>
        (await store.readLogBack(a, before, limit)).map(({ id }) => id);
      expect(await idsOf(store.lastSeq + 1, 9)).toEqual(['3', '2', '0']);
      expect(await idsOf(store.lastSeq, 1)).toEqual(['2']);
      expect(await idsOf(changes[0]?.seq ?? 0, 9)).toEqual([]);
      const forward = await store.readLog(a, 0, 9);
      expect(await store.readLogBack(a, store.lastSeq + 1, 9)).toEqual(forward.toReversed());
    });

    test('that is the last one is not moved by a write that was refused', async () => {
      const harness = await open();
      const { seq } = await harness.create('a');
      expect(await codeOf(harness.create('a'))).toBe('CONFLICT');
      expect(harness.store.lastSeq).toBe(seq);
      expect((await harness.commit()).after).toBe(seq);
    });

    test('of a commit comes after that of the one before, which is where it says that the log was', async () => {
      const harness = await open();
      const first = await harness.commit([harness.of({ type: 'create', id: 'a', cells: ['a'] })]);
      const second = await harness.commit([harness.of({ type: 'create', id: 'b', cells: ['b'] })]);
      expect(second.after).toBe(first.changes[0]?.seq);
      expect(second.changes[0]?.seq).toBeGreaterThan(second.after);
    });
  });

  describe('the log', () => {
    test('is read in pages after a position, of all records or of one', async () => {
      const harness = await open();
      for (let n = 0; n < 6; n++) await harness.put(`r${n % 2}`, null, n);
      const all = await harness.log();
      expect(all).toHaveLength(6);
      expect(await harness.log(all[1]?.seq, 2)).toEqual(all.slice(2, 4));
      expect(await harness.log(0, 100, 'r1')).toEqual(all.filter(({ id }) => id === 'r1'));
      expect(await harness.log(0, 2, 'r1')).toEqual(all.filter(({ id }) => id === 'r1').slice(0, 2));
      expect(await harness.log(all[4]?.seq, 100, 'r0')).toEqual([]);
      expect(await harness.log(harness.store.lastSeq, 100)).toEqual([]);
      expect(await harness.log(0, 100, 'none')).toEqual([]);
      await harness.put('r0', null, 99);
      expect(await harness.log(all[4]?.seq, 100, 'r0')).toHaveLength(1);
    });

    test('has every change of a commit, however many and of whatever tables', async () => {
      const harness = await open(TWO);
      const [a, b] = [harness.tableNamed('A'), harness.tableNamed('B')];
      const writesOf = (count: number, at: number): Write[] =>
        Array.from({ length: count }, (_, i) => {
          const [table, id] = [i % 20 === 19 ? b : a, `r${(at + i) % 7}`];
          if (i % 5 === 4) return harness.of({ type: 'publish', table, id, data: `[${i}]` });
          return harness.of({ type: 'put', table, id, cells: [id, at + i] });
        });
      const made: Change[] = [];
      for (const count of [1, 15, 16, 17, 32, 33, 100]) {
        const last = harness.of({ type: 'delete', table: a, id: `r${made.length % 7}` });
        made.push(...(await harness.commit(writesOf(count, made.length), [last])).changes);
      }
      for (const table of [a, b]) {
        expect(await harness.store.readLog(table, 0, 1000)).toEqual(made.filter((change) => change.table === table));
      }
      expect(made.filter(({ op }) => op === 'delete').length).toBeGreaterThan(3);
    });
  });

  describe('what is read', () => {
    test('has every write that was answered, and every position up to the last one', async () => {
      const harness = await open();
      const commits = Array.from({ length: 5 }, (_, n) => harness.put('a', null, n));
      for (const commit of commits) {
        const { seq } = await commit;
        expect(harness.store.lastSeq).toBeGreaterThanOrEqual(seq);
        expect((await harness.log(seq - 1))[0]?.seq).toBe(seq);
        expect((await harness.store.get(harness.table, 'a'))?.seq).toBeGreaterThanOrEqual(seq);
      }
    });

    test('of a store that is asked for many things at once is answered in order', async () => {
      const harness = await open();
      const { store, table } = harness;
      const first = harness.create('a', 'x', 1);
      const second = harness.patch('a', undefined, 2);
      const third = harness.delete('a');
      const results = await Promise.all([first, second, third]);
      expect(results.map(({ json }) => json)).toEqual([
        '{"id":"a","name":"x","n":1}',
        '{"id":"a","name":"x","n":2}',
        '',
      ]);
      expect(await store.get(table, 'a')).toBeUndefined();
    });
  });
}
