import { describe, expect, test } from 'vitest';
import { type EngineUnderTest, pass, StoreHarness, stopClock } from './harness.ts';

const A = 'type A @table { id: ID! @primaryKey }';
const SDL = `${A} type B @table { id: ID! @primaryKey n: Int }`;
const MORE = `${SDL} type C @table { id: ID! @primaryKey }`;
const OTHER = `${A} type B @table { id: ID! @primaryKey n: Int m: Int }`;
const ANOTHER = `${A} type B @table { id: ID! @primaryKey n: Int m: Int o: Int }`;
/** A change after which records look as before. */
const INDEXED = `${A} type B @table { id: ID! @primaryKey n: Int @indexed }`;
const LOSING = { allowDestructive: true };
const KEEP_ONE = { events: { retention: 86_400_000, maxCount: 1, replayPage: 500 } };

/** One commit of so many messages to the table; gives their seqs. */
async function publish(harness: StoreHarness, name: string, count = 1): Promise<number[]> {
  const table = harness.tableNamed(name);
  const writes = Array.from({ length: count }, () => harness.of({ type: 'publish', table, id: null, data: '1' }));
  return (await harness.commit(writes)).changes.map(({ seq }) => seq);
}

async function unknown(harness: StoreHarness, positions: readonly number[]): Promise<number[]> {
  const answers = await Promise.all(positions.map((position) => harness.store.wasIssued(position)));
  return positions.filter((_, index) => !answers[index]);
}

export function positionsSuite(subject: EngineUnderTest): void {
  async function open(sdl = SDL, options = {}): Promise<StoreHarness> {
    stopClock();
    return StoreHarness.open(subject, sdl, options);
  }

  describe('a store knows', () => {
    test('the entries of every table, what is just before one, and no position in between or after', async () => {
      const harness = await open();
      const given = [harness.store.lastSeq];
      for (const name of ['A', 'B', 'A']) {
        pass(5);
        given.push(...(await publish(harness, name, 3)));
      }
      for (const _ of ['running', 'opened again']) {
        expect(await unknown(harness, [...given, ...given.slice(1).map((seq) => seq - 1)])).toEqual([]);
        const never = [
          ...given.filter((_seq, index) => index % 3 === 0).map((seq) => seq + 1),
          harness.store.lastSeq + 1_000_000,
        ];
        expect(await unknown(harness, never)).toEqual(never);
        await harness.open(SDL);
      }
    });

    test('what was trimmed from any table, also when nothing is left', async () => {
      const harness = await open(SDL, KEEP_ONE);
      const given = [harness.store.lastSeq];
      for (const name of ['A', 'B', 'A', 'B', 'B']) {
        pass(5);
        given.push(...(await publish(harness, name)));
      }
      await harness.trimAll();
      expect(await unknown(harness, given)).toEqual([]);
      pass(90_000_000);
      await harness.trimAll();
      expect(await unknown(harness, given)).toEqual([]);
      await harness.open(SDL, KEEP_ONE);
      expect([harness.store.lastSeq, await unknown(harness, given)]).toEqual([given.at(-1), []]);
    });

    test('where the schema changed, again and again with nothing written meanwhile', async () => {
      const harness = await open();
      const given: number[] = [];
      for (const sdl of [SDL, MORE, OTHER, ANOTHER, SDL, A, SDL, SDL]) {
        pass(5000);
        await harness.open(sdl, LOSING);
        given.push(harness.store.lastSeq);
        expect(await unknown(harness, given)).toEqual([]);
      }
      expect(new Set(given).size).toBeGreaterThan(4);
      pass(5000);
      await publish(harness, 'B');
      expect(await unknown(harness, given)).toEqual([]);
    });

    test('the entries of a table that has left the schema', async () => {
      const harness = await open();
      pass(5);
      const given = [...(await publish(harness, 'B', 3)), ...(await publish(harness, 'A'))];
      await harness.open(A, LOSING);
      pass(5);
      given.push(...(await publish(harness, 'A')));
      expect(await unknown(harness, given)).toEqual([]);
      await harness.open(SDL);
      expect(await unknown(harness, given)).toEqual([]);
    });

    test('what it gave out while its clock was wrong', async () => {
      const harness = await open();
      pass(5);
      const given = [harness.store.lastSeq, ...(await publish(harness, 'A'))];
      for (const jump of [3_600_000, -3_500_000, -1_000_000, 50, 5_000_000]) {
        pass(jump);
        await harness.open(jump > 0 ? OTHER : SDL, LOSING);
        given.push(harness.store.lastSeq, ...(await publish(harness, 'A', 2)));
        await harness.open(SDL, LOSING);
        given.push(harness.store.lastSeq, ...(await publish(harness, 'B', 2)));
        expect(await unknown(harness, given)).toEqual([]);
      }
    });
  });

  describe('positions of a table', () => {
    test('begin where it was made', async () => {
      const harness = await open();
      const { store } = harness;
      const table = harness.tableNamed('B');
      expect(store.lastSeq).toBeGreaterThan(0);
      expect([store.lastTableSeq(table), store.resumeFloor(table), store.logStart(table)]).toEqual(
        new Array(3).fill(store.lastSeq),
      );
      expect(store.layoutSeq(table)).toBe(0);
      const { lastSeq } = store;
      pass(5);
      await harness.open(SDL);
      expect(harness.store.lastSeq).toBe(lastSeq);
    });

    test('tell where its records got another form, and entries before it are there', async () => {
      const harness = await open();
      const before = harness.store.logStart(harness.tableNamed('B'));
      const seqs = await publish(harness, 'B', 2);
      pass(5);
      await harness.open(INDEXED);
      expect(harness.store.layoutSeq(harness.tableNamed('B'))).toBe(0);
      pass(5);
      await harness.open(OTHER);
      const { store } = harness;
      const [a, b] = [harness.tableNamed('A'), harness.tableNamed('B')];
      expect([store.layoutSeq(a), store.logStart(b)]).toEqual([0, before]);
      expect(store.layoutSeq(b)).toBeGreaterThan(seqs.at(-1) as number);
      expect(store.resumeFloor(b)).toBe(store.layoutSeq(b));
      expect(store.lastTableSeq(b)).toBe(seqs.at(-1));
      expect((await store.readLog(b, 0, 10)).map(({ seq }) => seq)).toEqual(seqs);
    });
  });
}
