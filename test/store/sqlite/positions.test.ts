import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { addUnissuedRange, readUnissuedRanges } from '../../../src/store/sqlite/log/issued-positions.ts';
import { CREATE_META } from '../../../src/store/sqlite/migrate/ddl.ts';
import type { StoreOptions } from '../../../src/store/store.ts';
import { A, House, INDEXED, KEEP_ONE, MORE, OTHER, SDL } from '../migration-harness.ts';

describe('a store knows', () => {
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
