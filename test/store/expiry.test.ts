import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { AppError } from '../../src/errors.ts';
import type { FieldPlan } from '../../src/schema/plan.ts';
import { expiryOf, stampOf } from '../../src/store/expiry.ts';
import type { Cells, RecordKey, Write, WriteOutcome } from '../../src/store/store.ts';
import { tableOf } from '../schema/mistakes.ts';
import { type OpenStore, onlyTable, records, StoreFolder } from './stores.ts';

const BY_TABLE = 'type T @table(expiration: 60) { id: ID! @primaryKey n: Int }';
const BY_FIELD = 'type T @table { id: ID! @primaryKey at: Date @expiresAt }';
const BY_BOTH = 'type T @table(expiration: 60) { id: ID! @primaryKey at: Date @expiresAt }';
const START = Date.parse('2100-01-01T00:00:00Z');

function open(sdl: string): OpenStore {
  vi.useFakeTimers({ toFake: ['Date'], now: START });
  onTestFinished(() => void vi.useRealTimers());
  return new StoreFolder().open(sdl);
}

function put(bench: OpenStore, id: RecordKey, ...cells: Cells): void {
  bench.store.commit([[{ type: 'put', table: onlyTable(bench), id, cells: [id, ...cells] }]]);
}

function expired(bench: OpenStore, now: number, limit = 100): readonly RecordKey[] {
  return bench.store.expired(onlyTable(bench), now, limit);
}

function expire(bench: OpenStore, id: RecordKey, expiredAt: number): readonly WriteOutcome[] | AppError {
  const removal: Write = { type: 'delete', table: onlyTable(bench), id, expiredAt };
  return bench.store.commit([[removal]]).results[0] as readonly WriteOutcome[] | AppError;
}

describe('when a record expires', () => {
  test('is not known for a table without expiration', () => {
    expect(expiryOf(tableOf('type T @table { id: ID! @primaryKey }'))).toBeUndefined();
    const bench = open('type T @table { id: ID! @primaryKey n: Int }');
    put(bench, 'a', 1);
    expect(expired(bench, Number.MAX_SAFE_INTEGER)).toEqual([]);
  });

  test.each([
    [BY_TABLE, 1, 61_000],
    [BY_FIELD, '1970-01-01T00:00:09.000Z', 9000],
    [BY_FIELD, null, null],
    [BY_BOTH, '1970-01-01T00:00:09.000Z', 9000],
    [BY_BOTH, null, 61_000],
    ['type T @table { id: ID! @primaryKey at: Long @expiresAt }', 7000, 7000],
    ['type T @table { id: ID! @primaryKey at: Long @expiresAt }', 2n ** 60n, Number(2n ** 60n)],
  ])('%s with %s, written at 1000: %s', (sdl, cell, expected) => {
    expect(expiryOf(tableOf(sdl))?.(['a', cell], 1000)).toBe(expected);
  });
});

describe('a record that expires', () => {
  test('with its table is found when its time has passed since it was last written', () => {
    const bench = open(BY_TABLE);
    put(bench, 'a', 1);
    vi.setSystemTime(START + 1000);
    put(bench, 'b', 1);
    expect(expired(bench, START + 59_999)).toEqual([]);
    expect(expired(bench, START + 60_000)).toEqual(['a']);
    expect(expired(bench, START + 61_000)).toEqual(['a', 'b']);
    expect(expired(bench, START + 61_000, 1)).toEqual(['a']);
    put(bench, 'a', 2);
    expect(expired(bench, START + 60_999)).toEqual([]);
    expect(expired(bench, START + 61_000)).toEqual(['a', 'b'].sort());
  });

  test('by its own time is found then, or never', () => {
    const bench = open(BY_FIELD);
    put(bench, 'late', '2100-01-01T00:00:09.000Z');
    put(bench, 'soon', '2100-01-01T00:00:01.000Z');
    put(bench, 'never', null);
    expect(expired(bench, START + 8999)).toEqual(['soon']);
    expect(expired(bench, START + 9000)).toEqual(['soon', 'late']);
    expect(expired(bench, START * 2)).toEqual(['soon', 'late']);
  });

  test('is removed as an ordinary delete', () => {
    const bench = open(BY_FIELD);
    put(bench, 'a', '2100-01-01T00:00:01.000Z');
    expect(expire(bench, 'a', START + 999)).toMatchObject({ code: 'NOT_FOUND' });
    expect(expire(bench, 'a', START + 1000)).toMatchObject([{ id: 'a', changed: true }]);
    expect(records(bench)).toEqual([]);
    expect(bench.store.readLog(onlyTable(bench), 0, 10).at(-1)).toMatchObject({ op: 'delete', id: 'a' });
  });

  test('stays when it was refreshed after it was found', () => {
    const bench = open(BY_TABLE);
    put(bench, 'a', 1);
    const now = START + 60_000;
    expect(expired(bench, now)).toEqual(['a']);
    vi.setSystemTime(now);
    put(bench, 'a', 2);
    expect(expire(bench, 'a', now)).toBeInstanceOf(AppError);
    expect(records(bench)).toEqual([{ id: 'a', n: 2 }]);
  });

  test('that was found can be removed, also when the clock went back before it was written', () => {
    const bench = open(BY_TABLE);
    put(bench, 'first', 1);
    vi.setSystemTime(START - 3_600_000);
    put(bench, 'a', 1);
    const now = Date.now() + 60_000;
    expect(expired(bench, now)).toEqual(['a']);
    expect(expire(bench, 'a', now)).toMatchObject([{ id: 'a', changed: true }]);
  });
});

test.each([
  ['Date', '2100-01-01T00:00:00.000Z'],
  ['String', '2100-01-01T00:00:00.000Z'],
  ['Long', START],
  ['Float', START],
])('the stamp of a %s is %j', (type, expected) => {
  const field = tableOf(`type T @table { id: ID! @primaryKey f: ${type} @createdTime }`).fields[1] as FieldPlan;
  expect(stampOf(field, START)).toBe(expected);
});
