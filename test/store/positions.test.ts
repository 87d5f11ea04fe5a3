import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { addUnissuedRange, readUnissuedRanges } from '../../src/store/sqlite/log/unissued-ranges.ts';
import { CREATE_META } from '../../src/store/sqlite/migrate/ddl.ts';
import type { StoreOptions } from '../../src/store/store.ts';
import { A, ANOTHER, House, INDEXED, KEEP_ONE, MORE, OTHER, SDL } from './migration-harness.ts';

describe('a store knows', () => {
  test('the entries of every table, what is just before one, and no position in between or after', () => {
    const house = new House();
    const given = [house.head];
    for (const name of ['A', 'B', 'A']) {
      house.pass(5);
      given.push(...house.write(name, 3));
    }
    for (const _ of ['running', 'started again']) {
      expect(house.unknown([...given, ...given.slice(1).map((seq) => seq - 1)])).toEqual([]);
      const never = [...given.filter((_seq, index) => index % 3 === 0).map((seq) => seq + 1), house.head + 1_000_000];
      expect(house.unknown(never)).toEqual(never);
      house.restart();
    }
  });

  test('what was trimmed from any table, also when nothing is left', () => {
    const house = new House();
    house.restart(SDL, KEEP_ONE);
    const given = [house.head];
    for (const name of ['A', 'B', 'A', 'B', 'B']) {
      house.pass(5);
      given.push(...house.write(name));
    }
    house.trim();
    expect(house.unknown(given)).toEqual([]);
    house.pass(90_000_000);
    house.trim();
    expect(house.unknown(given)).toEqual([]);
    house.restart();
    expect([house.head, house.unknown(given)]).toEqual([given.at(-1), []]);
  });

  test('where the schema changed, again and again with nothing written meanwhile', () => {
    const house = new House();
    const given: number[] = [];
    for (const sdl of [SDL, MORE, OTHER, ANOTHER, SDL, A, SDL, SDL]) {
      house.pass(5000);
      house.restart(sdl);
      given.push(house.head);
      expect(house.unknown(given)).toEqual([]);
    }
    expect(new Set(given).size).toBeGreaterThan(4);
    house.pass(5000);
    house.write('B');
    expect(house.unknown(given)).toEqual([]);
  });

  test('the entries of a table that has left the schema', () => {
    const house = new House();
    house.pass(5);
    const given = [...house.write('B', 3), ...house.write('A')];
    house.restart(A);
    house.pass(5);
    given.push(...house.write('A'));
    expect(house.unknown(given)).toEqual([]);
    house.restart(SDL);
    expect(house.unknown(given)).toEqual([]);
  });

  test('what it gave out while its clock was wrong', () => {
    const house = new House();
    house.pass(5);
    const given = [house.head, ...house.write('A')];
    const { gaps } = house;
    house.pass(3_600_000);
    // It gives out no position, and what comes next is before it.
    house.restart(INDEXED);
    expect(house.gaps).toEqual(gaps);
    house.pass(-3_500_000);
    given.push(house.head, ...house.write('A'));
    for (const jump of [3_600_000, -3_500_000, -1_000_000, 50, 5_000_000]) {
      house.pass(jump);
      house.restart(jump > 0 ? OTHER : SDL);
      given.push(house.head, ...house.write('A', 2));
      house.restart();
      given.push(house.head, ...house.write('B', 2));
      expect(house.unknown(given)).toEqual([]);
    }
  });
});

describe('a store that was put back to an older state', () => {
  /** A store that was copied, went on and was put back: what it gave out before the copy, and what is lost. */
  function lose(sdl?: string, options?: Partial<StoreOptions>): { house: House; kept: number[]; lost: number[] } {
    const house = new House();
    house.pass(5);
    const kept = [house.head, ...house.write('A', 2), ...house.write('B')];
    house.copy();
    house.restart();
    const lost: number[] = [];
    for (const name of ['A', 'B', 'A']) {
      house.pass(5);
      lost.push(...house.write(name, 2));
      house.restart();
    }
    house.pass(5);
    house.restart(MORE);
    lost.push(house.head);
    house.pass(1000);
    house.putBack(sdl, options);
    return { house, kept, lost };
  }

  test('knows what it gave out before, and nothing of what is lost, before and after it is written to', () => {
    const { house, kept, lost } = lose();
    expect(house.unknown([...kept, ...lost])).toEqual(lost);
    for (const _ of ['first', 'second', 'third']) {
      kept.push(...house.write('A', 2));
      expect(house.unknown([...kept, ...lost])).toEqual(lost);
      house.restart();
      expect(house.unknown([...kept, ...lost])).toEqual(lost);
      house.pass(1000);
    }
  });

  test('still tells them apart when everything from then was trimmed', () => {
    const { house, kept, lost } = lose(SDL, KEEP_ONE);
    for (let round = 0; round < 3; round++) kept.push(...house.write('A', 5), ...house.write('B', 5));
    house.trim();
    expect(house.unknown([...kept, ...lost])).toEqual(lost);
    house.pass(90_000_000);
    house.trim();
    house.restart();
    expect(house.unknown([...kept, ...lost])).toEqual(lost);
  });

  test.each([
    ['a new table', MORE],
    ['other records', OTHER],
    ['a table less', A],
  ])('and started with %s, too', (_, sdl) => {
    const { house, kept, lost } = lose(sdl);
    for (const __ of ['first', 'second']) {
      kept.push(house.head);
      expect(house.unknown([...kept, ...lost])).toEqual(lost);
      house.pass(5);
      kept.push(...house.write('A', 2));
      expect(house.unknown([...kept, ...lost])).toEqual(lost);
      house.restart(sdl);
    }
  });

  test('finds them in no log where its clock is behind', () => {
    const { house, kept, lost } = lose();
    house.pass(-1_000_000);
    kept.push(...house.write('A', 2));
    house.pass(2_000_000);
    kept.push(...house.write('B', 2));
    expect(house.unknown([...kept, ...lost])).toEqual(lost);
  });

  test('tells them apart when its first write was refused', () => {
    const { house, kept, lost } = lose(SDL, KEEP_ONE);
    const { results } = house.store.commit([[{ type: 'delete', table: house.table('A'), id: 'none' }]]);
    expect(results).toEqual([expect.objectContaining({ code: 'NOT_FOUND' })]);
    kept.push(...house.write('A', 5), ...house.write('B', 5));
    house.trim();
    expect(house.unknown([...kept, ...lost])).toEqual(lost);
  });
});

test('only so many gaps are kept, the newest', () => {
  const db = new Database(':memory:');
  onTestFinished(() => void db.close());
  db.exec(CREATE_META);
  expect(readUnissuedRanges(db)).toEqual([]);
  for (let n = 0; n < 1003; n++)
    expect(addUnissuedRange(db, [10 * n, 10 * n + 5]).at(-1)).toEqual([10 * n, 10 * n + 5]);
  expect([readUnissuedRanges(db).length, readUnissuedRanges(db)[0]]).toEqual([1000, [30, 35]]);
});
