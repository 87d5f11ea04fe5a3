import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import type { CommitResult } from '../../../src/store/store.ts';
import { type EngineUnderTest, StoreHarness } from './harness.ts';

const SDL = `
type A @table { id: ID! @primaryKey n: Int }
type B @table { id: ID! @primaryKey n: Int @unique }`;

/** Groups of writes to several tables: their mark in the log, and conditions without a write. */
export function transactionsSuite(subject: EngineUnderTest): void {
  const open = () => StoreHarness.open(subject, SDL);

  function outcomesOf({ results }: CommitResult, at = 0) {
    const result = results[at];
    if (result === undefined || result instanceof AppError) throw result;
    return result;
  }

  describe('a transaction', () => {
    test('marks each of its changes with the seq of the last one, in every table', async () => {
      const harness = await open();
      const b = harness.tableNamed('B');
      const result = await harness.commit(
        [harness.of({ type: 'create', id: 'alone', cells: ['alone'] })],
        [
          harness.of({ type: 'create', id: 'x', cells: ['x', 1] }),
          harness.of({ type: 'create', table: b, id: 'y', cells: ['y', 1] }),
          harness.of({ type: 'publish', table: b, id: null, data: '7' }),
          harness.of({ type: 'put', id: 'x', cells: ['x', 1] }),
        ],
      );
      const mark = result.changes.at(-1)?.seq;
      expect(result.changes.map(({ transaction }) => transaction)).toEqual([undefined, mark, mark, mark]);
      expect(outcomesOf(result, 1).map(({ transaction }) => transaction)).toEqual([mark, mark, mark, undefined]);
      expect(outcomesOf(result)[0]).not.toHaveProperty('transaction');
      const inA = await harness.log();
      const inB = await harness.store.readLog(b, 0, 100);
      expect([...inA, ...inB]).toEqual(result.changes);
    });

    test('has its mark after the store was opened again', async () => {
      const harness = await open();
      const { changes } = await harness.commit([
        harness.of({ type: 'create', id: 'x', cells: ['x', 1] }),
        harness.of({ type: 'delete', id: 'x' }),
      ]);
      await harness.open(SDL);
      expect(await harness.log()).toEqual(changes);
      expect(changes.map(({ transaction }) => transaction)).toEqual([changes[1]?.seq, changes[1]?.seq]);
    });

    test('of one change, or of a refused one, has no mark', async () => {
      const harness = await open();
      const b = harness.tableNamed('B');
      await harness.commit([harness.of({ type: 'create', table: b, id: 'y', cells: ['y', 1] })]);
      const { results, changes } = await harness.commit(
        [
          harness.of({ type: 'create', id: 'x', cells: ['x', 1] }),
          harness.of({ type: 'create', table: b, id: 'z', cells: ['z', 1] }),
        ],
        [
          harness.of({ type: 'check', table: b, id: 'y', precondition: 'any' }),
          harness.of({ type: 'create', id: 'x', cells: ['x', 1] }),
        ],
      );
      expect(results[0]).toMatchObject({ code: 'CONFLICT' });
      expect(changes).toHaveLength(1);
      expect(changes[0]).not.toHaveProperty('transaction');
    });
  });

  describe('a condition without a write', () => {
    test('holds when the record is at the seq, or is not there, and changes nothing', async () => {
      const harness = await open();
      const { seq } = await harness.create('x', 1);
      const before = harness.store.lastSeq;
      const result = await harness.commit([
        harness.of({ type: 'check', id: 'x', precondition: [seq] }),
        harness.of({ type: 'check', id: 'none', precondition: 'none' }),
      ]);
      expect(outcomesOf(result)).toEqual([
        { id: 'x', seq, created: false, changed: false, json: '' },
        { id: 'none', seq: 0, created: false, changed: false, json: '' },
      ]);
      expect([result.changes, harness.store.lastSeq]).toEqual([[], before]);
    });

    test.each([
      ['the record has another seq', 'x', [1]],
      ['there is no record', 'none', 'any'],
      ['there is a record', 'x', 'none'],
    ] as const)('refuses the whole group when %s', async (_, id, precondition) => {
      const harness = await open();
      await harness.create('x', 1);
      const { results, changes } = await harness.commit([
        harness.of({ type: 'put', id: 'y', cells: ['y', 1] }),
        harness.of({ type: 'check', id, precondition }),
      ]);
      expect(results[0]).toMatchObject({ code: 'PRECONDITION_FAILED' });
      expect(changes).toEqual([]);
      expect(await harness.records()).toHaveLength(1);
    });

    test('asks the guard about a record that is there', async () => {
      const harness = await open();
      const { seq } = await harness.create('x', 1);
      const seen: unknown[] = [];
      const guard = (before: unknown, after: unknown) => {
        seen.push([before, after]);
        throw new AppError('NOT_FOUND', 'hidden');
      };
      const { results } = await harness.commit([
        harness.of({ type: 'check', id: 'x', precondition: [seq - 1], guard }),
      ]);
      expect(results[0]).toMatchObject({ code: 'NOT_FOUND' });
      expect(seen).toEqual([
        [
          { id: 'x', n: 1 },
          { id: 'x', n: 1 },
        ],
      ]);
    });

    test('on a table holds until a record of it changes, also in the same commit', async () => {
      const harness = await open();
      const b = harness.tableNamed('B');
      const { seq } = await harness.create('x', 1);
      const check = harness.of({ type: 'check-table', since: seq });
      const { results } = await harness.commit(
        [check, harness.of({ type: 'create', table: b, id: 'y', cells: ['y', 1] })],
        [check, harness.of({ type: 'patch', id: 'x', cells: [undefined, 2] })],
        [check, harness.of({ type: 'create', table: b, id: 'z', cells: ['z', 2] })],
      );
      expect(results.map((result) => (result instanceof AppError ? result.code : result.length))).toEqual([
        2,
        2,
        'PRECONDITION_FAILED',
      ]);
      expect(await harness.records(b)).toEqual([{ id: 'y', n: 1 }]);
    });
  });
}
