import { describe, expect, test } from 'vitest';
import type { ChangeOperator } from '../../../src/schema/constraints/operators.ts';
import type { PatchCells } from '../../../src/store/rows/write.ts';
import type { Cell } from '../../../src/store/store.ts';
import { type EngineUnderTest, StoreHarness } from './harness.ts';

const MAX_BYTES = 100;

function change(operator: ChangeOperator, operand: unknown): PatchCells[number] {
  return { operator, operand: operand as never, maxBytes: MAX_BYTES };
}

const EVENT = `type T @table @check(rule: "endsAt > startsAt", message: "must end after it starts")
  @check(rule: "total <= 100") {
  id: ID! @primaryKey startsAt: Int endsAt: Int price: Float
  total: Float @computed(from: "price * 2") @constraint(multipleOf: 0.5) }`;

export function rulesSuite(subject: EngineUnderTest): void {
  const open = (sdl: string) => StoreHarness.open(subject, sdl);

  describe('a rule of a record', () => {
    test('is judged on the whole record after each kind of write', async () => {
      const harness = await open(EVENT);
      const message = 'must end after it starts';
      const errors = ['endsAt', 'startsAt'].map((field) => ({ field, message }));
      const refused = { code: 'VALIDATION_ERROR', message: `endsAt, startsAt: ${message}`, errors };
      await expect(harness.create('a', 5, 5)).rejects.toMatchObject(refused);
      await harness.create('a', 5, 6);
      await expect(harness.put('a', 7, 6)).rejects.toMatchObject(refused);
      await expect(harness.patch('a', 6)).rejects.toMatchObject(refused);
      const cells = [undefined, 9];
      await expect(harness.write({ type: 'patch-where', filter: undefined, limit: 9, cells })).rejects.toMatchObject(
        refused,
      );
      await harness.patch('a', 6, 8);
      expect(await harness.records()).toMatchObject([{ startsAt: 6, endsAt: 8 }]);
    });

    test('holds where a field is null', async () => {
      const harness = await open(EVENT);
      await harness.create('a', 5, null);
      await harness.create('b', null, null);
      await expect(harness.patch('a', undefined, 4)).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
    });

    test('sees computed fields, whose constraints hold too, and is refused with all that is wrong', async () => {
      const harness = await open(EVENT);
      await expect(harness.create('a', 2, 1, 50.1)).rejects.toMatchObject({
        code: 'VALIDATION_ERROR',
        message:
          'total: must be a multiple of 0.5; endsAt, startsAt: must end after it starts; total: must meet the rule total <= 100',
      });
      await harness.create('a', 1, 2, 50);
      await expect(harness.patch('a', undefined, undefined, 50.25)).rejects.toMatchObject({
        errors: [{ field: 'total', message: 'must meet the rule total <= 100' }],
      });
    });
  });

  describe('an operator', () => {
    const SDL = `type T @table { id: ID! @primaryKey int: Int @constraint(min: -5) long: Long float: Float date: Date
      texts: [String] @constraint(maxItems: 4, maxLength: 2) longs: [Long] }`;
    const cellsOf = (column: number, cell: PatchCells[number]) => {
      const cells: PatchCells[number][] = new Array(7).fill(undefined);
      cells[column] = cell;
      return cells;
    };
    const LAST = Number.MAX_SAFE_INTEGER;
    const D1 = '2025-01-01T00:00:00.000Z';
    const D2 = '2026-01-01T00:00:00.000Z';

    test.each<[string, number, Cell, ChangeOperator, unknown, unknown]>([
      ['adds to an Int', 1, 5, '$inc', -7, -2],
      ['counts null as 0', 1, null, '$inc', 3, 3],
      ['keeps the larger', 1, 5, '$max', 3, 5],
      ['takes the larger', 1, 5, '$max', 7, 7],
      ['takes the smaller', 1, 5, '$min', 3, 3],
      ['takes the value in place of null', 1, null, '$min', 3, 3],
      ['adds beyond what a double holds', 2, LAST, '$inc', 3, '9007199254740994'],
      ['adds down to what a double holds', 2, 2n ** 53n + 1n, '$inc', '-9007199254740993', 0],
      ['compares what a double does not hold', 2, 2n ** 53n, '$max', '9007199254740993', '9007199254740993'],
      ['adds decimals', 3, 0.1, '$inc', 0.2, 0.3],
      ['takes the later date', 4, D1, '$max', D2, D2],
      ['takes the earlier date', 4, D2, '$min', D1, D1],
      ['appends', 5, '["a"]', '$push', ['a', null], ['a', 'a', null]],
      ['appends to null', 5, null, '$push', ['a'], ['a']],
      ['adds what is not there', 5, '["a"]', '$addToSet', ['b', 'a', 'b'], ['a', 'b']],
      ['removes all that are equal', 5, '["a","b","a"]', '$remove', ['a', 'x'], ['b']],
      ['removes nothing from null', 5, null, '$remove', ['a'], null],
      [
        'knows equal Longs',
        6,
        '[1,"9007199254740993"]',
        '$addToSet',
        [1, '9007199254740993', 2],
        [1, '9007199254740993', 2],
      ],
    ])('%s', async (...[, column, before, operator, operand, after]) => {
      const harness = await open(SDL);
      const cells: Cell[] = new Array(6).fill(null);
      cells[column - 1] = before;
      await harness.create('a', ...cells);
      const outcome = await harness.write({
        type: 'patch',
        id: 'a',
        cells: cellsOf(column, change(operator, operand)),
      });
      const name = ['int', 'long', 'float', 'date', 'texts', 'longs'][column - 1] as string;
      expect(JSON.parse(outcome.json)[name]).toEqual(after);
      expect((await harness.records())[0]).toMatchObject({ [name]: after });
    });

    test.each<[string, number, Cell, PatchCells[number], unknown]>([
      [
        'an Int beyond its range',
        1,
        LAST,
        change('$inc', 2),
        [{ field: 'int', message: 'would be 9007199254740993, which is no Int: an integer within ±(2^53−1)' }],
      ],
      [
        'a Long beyond its range',
        2,
        2n ** 63n - 1n,
        change('$inc', 1),
        [{ field: 'long', message: 'would be 9223372036854775808, which is no Long: an integer of 64 bits' }],
      ],
      [
        'a Float beyond its range',
        3,
        Number.MAX_VALUE,
        change('$inc', Number.MAX_VALUE),
        [{ field: 'float', message: expect.stringContaining('would be beyond the range of a Float') }],
      ],
      ['a broken constraint', 1, -5, change('$inc', -1), [{ field: 'int', message: 'must be at least -5' }]],
      [
        'broken constraints of a list',
        5,
        '["a","b","c"]',
        change('$push', ['d', 'eff']),
        [
          { field: 'texts', message: 'must have at most 4 items' },
          { field: 'texts[4]', message: 'must have at most 2 characters' },
        ],
      ],
      [
        'a list that no request could have',
        6,
        '[1,2,3,4,5,6,7,8,9]',
        change('$push', new Array(50).fill(1)),
        [{ field: 'longs', message: 'would be larger than 100 bytes, which a request may have (limits.body)' }],
      ],
    ])('refuses %s', async (...[, column, before, cell, errors]) => {
      const harness = await open(SDL);
      const cells: Cell[] = new Array(6).fill(null);
      cells[column - 1] = before;
      await harness.create('a', ...cells);
      const records = await harness.records();
      const write = harness.write({ type: 'patch', id: 'a', cells: cellsOf(column, cell) });
      await expect(write).rejects.toMatchObject({ code: 'VALIDATION_ERROR', errors });
      expect(await harness.records()).toEqual(records);
    });

    test('that changes nothing makes no change', async () => {
      const harness = await open(SDL);
      await harness.create('a', 1, null, null, null, '["a"]');
      const cells = [undefined, change('$max', 0), undefined, undefined, undefined, change('$addToSet', ['a'])];
      expect((await harness.write({ type: 'patch', id: 'a', cells })).changed).toBe(false);
    });

    test('is applied to each record of a write by filter', async () => {
      const harness = await open(SDL);
      await harness.create('a', 1);
      await harness.create('b', 2);
      await harness.write({ type: 'patch-where', filter: undefined, limit: 9, cells: [undefined, change('$inc', 10)] });
      expect((await harness.records()).map((record) => (record as { int: number }).int)).toEqual([11, 12]);
    });

    test('sees the writes before it in the same commit', async () => {
      const harness = await open(SDL);
      await harness.create('a', 0);
      const inc = { type: 'patch', id: 'a', cells: [undefined, change('$inc', 1)] } as const;
      await Promise.all(Array.from({ length: 20 }, () => harness.write(inc)));
      expect(await harness.records()).toMatchObject([{ int: 20 }]);
    });
  });

  test('a caller sees neither errors of a rule nor of an operator before its rights are judged', async () => {
    const harness = await open(EVENT);
    await harness.create('a', 5, 6);
    const guard = () => {
      throw new Error('not allowed');
    };
    for (const cells of [
      [undefined, 9],
      [undefined, change('$inc', Number.MAX_SAFE_INTEGER)],
    ] as PatchCells[]) {
      await expect(harness.write({ type: 'patch', id: 'a', cells, guard })).rejects.toThrow('not allowed');
    }
  });
}
