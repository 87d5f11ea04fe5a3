import { describe, expect, test } from 'vitest';
import type { CommitResult, WriteOutcome } from '../../../src/store/store.ts';
import { type EngineUnderTest, pass, StoreHarness, stopClock } from './harness.ts';

const SDL = 'type T @table { id: ID! @primaryKey n: Int @unique s: String }';
const LIMITS = { retention: 60_000, maxCount: 100, maxSize: 1e6 };

/** Puts a record under an idempotency key of the same name. */
function putOnce(
  harness: StoreHarness,
  key: string,
  { n = null, s = null, hash = 'h' }: Values = {},
): Promise<CommitResult> {
  return harness.commit({ once: { key, hash }, writes: [harness.of({ type: 'put', id: key, cells: [key, n, s] })] });
}

interface Values {
  readonly n?: number | null;
  readonly s?: string | null;
  readonly hash?: string;
}

async function kept({ store }: StoreHarness, keys: string): Promise<string> {
  const answers = await Promise.all([...keys].map((key) => store.isStored({ key, hash: 'h' })));
  return [...keys].filter((_, index) => answers[index]).join('');
}

export function idempotencySuite(subject: EngineUnderTest): void {
  const open = (idempotency = LIMITS) => StoreHarness.open(subject, SDL, { idempotency });

  describe('a group with an idempotency key', () => {
    test('is answered as the first time when it is sent again, and not made again', async () => {
      const harness = await open();
      const first = await putOnce(harness, 'a', { n: 1 });
      await harness.patch('a', 2);
      const again = await putOnce(harness, 'a', { n: 1 });
      expect(again.changes).toEqual([]);
      const [outcome] = first.results[0] as readonly WriteOutcome[];
      expect(again.results[0]).toEqual([{ ...outcome, replayed: true }]);
      expect(await harness.records()).toMatchObject([{ n: 2 }]);
      await harness.open(SDL, { idempotency: LIMITS });
      expect((await putOnce(harness, 'a', { n: 1 })).results[0]).toEqual([{ ...outcome, replayed: true }]);
    });

    test('twice in one commit is made once', async () => {
      const harness = await open();
      const group = {
        once: { key: 'a', hash: 'h' },
        writes: [harness.of({ type: 'create', id: 'a', cells: ['a', 1] })],
      };
      const { results, changes } = await harness.commit(group, group);
      expect(changes).toHaveLength(1);
      expect(results[1]).toMatchObject([{ id: 'a', replayed: true }]);
    });

    test('refuses another request with the same key, and keeps the first one', async () => {
      const harness = await open();
      await putOnce(harness, 'a', { n: 1 });
      const { results, changes } = await putOnce(harness, 'a', { n: 5, hash: 'other' });
      expect([results[0], changes]).toMatchObject([{ code: 'IDEMPOTENCY_KEY_REUSED' }, []]);
      expect(await harness.store.isStored({ key: 'a', hash: 'other' })).toBe(true);
      expect((await putOnce(harness, 'a', { n: 1 })).results[0]).toMatchObject([{ replayed: true }]);
    });

    test('that is refused leaves its key free', async () => {
      const harness = await open();
      await putOnce(harness, 'a', { n: 1 });
      expect((await putOnce(harness, 'b', { n: 1 })).results[0]).toMatchObject({ code: 'CONFLICT' });
      expect(await kept(harness, 'ab')).toBe('a');
      expect((await putOnce(harness, 'b', { n: 2, hash: 'other' })).changes).toHaveLength(1);
    });

    test('that changed nothing is known all the same', async () => {
      const harness = await open();
      await harness.create('a', 1);
      expect((await putOnce(harness, 'a', { n: 1 })).results[0]).toMatchObject([{ changed: false }]);
      expect((await putOnce(harness, 'a', { n: 1 })).results[0]).toMatchObject([{ changed: false, replayed: true }]);
    });

    test('of several writes is answered with all outcomes', async () => {
      const harness = await open();
      const writes = [
        harness.of({ type: 'create', id: 'x', cells: ['x', 1] }),
        harness.of({ type: 'publish', id: null, data: '1', answer: '{"n":1}' }),
        harness.of({ type: 'delete-where', filter: undefined, limit: 9 }),
      ];
      const group = { once: { key: 'k', hash: 'h' }, writes };
      const first = (await harness.commit(group)).results[0] as readonly WriteOutcome[];
      expect(first.map(({ json }) => json)).toEqual([
        '{"id":"x","n":1,"s":null}',
        '{"n":1}',
        '{"matched":1,"changed":1}',
      ]);
      expect((await harness.commit(group)).results[0]).toEqual(first.map((it) => ({ ...it, replayed: true })));
    });
  });

  describe('an idempotency key', () => {
    test('is free again when its time has passed', async () => {
      stopClock();
      const harness = await open();
      await putOnce(harness, 'a', { n: 1 });
      pass(30_000);
      // It counts from the first request.
      expect((await putOnce(harness, 'a', { n: 1 })).results[0]).toMatchObject([{ replayed: true }]);
      pass(29_999);
      expect(await kept(harness, 'a')).toBe('a');
      pass(1);
      expect(await kept(harness, 'a')).toBe('');
      const { results, changes } = await putOnce(harness, 'a', { n: 2, hash: 'other' });
      expect(results[0]).toMatchObject([{ changed: true }]);
      expect(changes).toHaveLength(1);
      expect(await kept(harness, 'a')).toBe('a');
    });

    test('goes when there are too many, the oldest first, at most so many at a time', async () => {
      const harness = await open({ ...LIMITS, maxCount: 3 });
      for (const key of 'abcdef') await putOnce(harness, key);
      expect(await harness.store.trim(Date.now(), 1)).toBe(true);
      expect(await kept(harness, 'abcdef')).toBe('bcdef');
      await harness.trimAll(Date.now(), 1);
      expect(await kept(harness, 'abcdef')).toBe('def');
      await harness.open(SDL, { idempotency: { ...LIMITS, maxCount: 2 } });
      await harness.trimAll();
      expect(await kept(harness, 'abcdef')).toBe('ef');
    });

    test('goes when all outcomes take too many bytes, and no more of them than must', async () => {
      const harness = await open({ ...LIMITS, maxSize: 5000 });
      // Two bytes each, as it is stored.
      for (const key of 'abc') await putOnce(harness, key, { s: 'é'.repeat(1000) });
      await harness.trimAll();
      expect(await kept(harness, 'abc')).toBe('bc');
      await putOnce(harness, 'd', { s: 'x' });
      await harness.trimAll();
      expect(await kept(harness, 'abcd')).toBe('bcd');
      await putOnce(harness, 'e', { s: 'x'.repeat(4850) });
      expect(await harness.store.trim(Date.now(), 1)).toBe(true);
      expect(await kept(harness, 'abcde')).toBe('cde');
      await harness.trimAll(Date.now(), 1);
      expect(await kept(harness, 'abcde')).toBe('e');
      await harness.open(SDL, { idempotency: { ...LIMITS, maxSize: 100 } });
      await harness.trimAll();
      expect(await kept(harness, 'abcde')).toBe('');
    });
  });
}
