import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { tableOf } from '../../schema/mistakes.ts';
import { codeOf, type EngineUnderTest, StoreHarness } from './harness.ts';

const SDL = 'type T @table { id: ID! @primaryKey name: String @unique n: Int }';
const none = undefined;

export function groupsSuite(subject: EngineUnderTest): void {
  const open = (sdl = SDL) => StoreHarness.open(subject, sdl);

  describe('a group', () => {
    test('is stored whole or not at all, and leaves its neighbours alone', async () => {
      const harness = await open();
      await harness.create('a', 'x', 1);
      const { results, changes } = await harness.commit(
        [
          harness.of({ type: 'patch', id: 'a', cells: [none, none, 5] }),
          harness.of({ type: 'publish', id: null, data: '1' }),
          harness.of({ type: 'create', id: 'b', cells: ['b', 'x', 1] }),
        ],
        [
          harness.of({ type: 'patch', id: 'a', cells: [none, none, 6] }),
          harness.of({ type: 'create', id: 'c', cells: ['c', 'z', 1] }),
        ],
      );
      expect(results[0]).toMatchObject({ code: 'CONFLICT' });
      expect(results[1]).toMatchObject([{ id: 'a' }, { id: 'c' }]);
      expect(await harness.records()).toEqual([
        { id: 'a', name: 'x', n: 6 },
        { id: 'c', name: 'z', n: 1 },
      ]);
      expect((await harness.log()).slice(1)).toEqual(changes);
      expect(changes.map(({ op }) => op)).toEqual(['update', 'create']);
    });

    test('sees its own earlier writes', async () => {
      const harness = await open();
      const { results } = await harness.commit([
        harness.of({ type: 'create', id: 'a', cells: ['a', 'x', 1] }),
        harness.of({ type: 'patch', id: 'a', cells: [none, none, 2] }),
        harness.of({ type: 'delete', id: 'a' }),
        harness.of({ type: 'put', id: 'a', cells: ['a', 'x', 3], precondition: 'none' }),
      ]);
      expect(results[0]).toMatchObject([{ created: true }, { created: false }, { json: '' }, { created: true }]);
      expect(await harness.records()).toEqual([{ id: 'a', name: 'x', n: 3 }]);
    });

    test('that is empty is done', async () => {
      const harness = await open();
      const { lastSeq } = harness.store;
      expect(await harness.commit([], [harness.of({ type: 'delete', id: 'a' })])).toMatchObject({
        results: [[], { code: 'NOT_FOUND' }],
        changes: [],
        after: lastSeq,
      });
    });

    test('of records of one request names the place of the one that is refused', async () => {
      const harness = await open();
      const { results } = await harness.commit(
        [
          harness.of({ type: 'create', id: 'a', cells: ['a', 'x'], place: '[0].' }),
          harness.of({ type: 'create', id: 'b', cells: ['b', 'x'], place: '[1].' }),
        ],
        [harness.of({ type: 'delete', id: 'none', place: '[0].' })],
      );
      expect(results).toMatchObject([
        { code: 'CONFLICT', errors: [{ field: '[1].name', message: 'is taken by another record' }] },
        { code: 'NOT_FOUND', message: expect.stringMatching(/^\[0\]: There is no record/) },
      ]);
    });

    test('with an internal error undoes the whole transaction', async () => {
      const harness = await open();
      const other = tableOf('type Other @table { id: ID! @primaryKey }');
      const { lastSeq } = harness.store;
      const groups = [
        [harness.of({ type: 'create', id: 'a', cells: ['a', 'x', 1] })],
        [harness.of({ type: 'delete', id: 'a', table: other })],
      ];
      await expect(harness.commit(...groups)).rejects.toThrow('The store was not opened with the table Other.');
      expect(await harness.records()).toEqual([]);
      expect(harness.store.lastSeq).toBe(lastSeq);
      expect((await harness.create('a', 'x')).created).toBe(true);
    });
  });

  describe('a unique value', () => {
    test('that is taken is refused, and names the field', async () => {
      const harness = await open();
      await harness.create('a', 'x', 1);
      const taken = (field: string) => ({
        code: 'CONFLICT',
        errors: [{ field, message: 'is taken by another record' }],
      });
      await expect(harness.create('a', 'y', 1)).rejects.toMatchObject(taken('id'));
      await expect(harness.create('b', 'x', 1)).rejects.toMatchObject(taken('name'));
      await harness.create('c', null, 1);
      await harness.create('d', null, 1);
      await expect(harness.patch('d', 'x')).rejects.toMatchObject(taken('name'));
      expect(await harness.records()).toHaveLength(3);
    });

    test('is compared letter by letter, stays with its record, and is free when that lets go of it', async () => {
      const harness = await open();
      await harness.create('a', 'x', 1);
      await harness.create('b', 'X', 1);
      expect(await codeOf(harness.patch('a', 'x', 2))).toBe('done');
      const { results } = await harness.commit([
        harness.of({ type: 'patch', id: 'a', cells: [none, 'free'] }),
        harness.of({ type: 'create', id: 'c', cells: ['c', 'x'] }),
        harness.of({ type: 'delete', id: 'b' }),
        harness.of({ type: 'patch', id: 'a', cells: [none, 'X'] }),
      ]);
      expect(results[0]).not.toBeInstanceOf(AppError);
      expect(await harness.find('select=name')).toEqual([
        { id: 'a', name: 'X' },
        { id: 'c', name: 'x' },
      ]);
    });

    test('of a refused group is free', async () => {
      const harness = await open();
      const { results } = await harness.commit(
        [harness.of({ type: 'create', id: 'a', cells: ['a', 'x'] }), harness.of({ type: 'delete', id: 'none' })],
        [harness.of({ type: 'create', id: 'b', cells: ['b', 'x'] })],
        [harness.of({ type: 'create', id: 'c', cells: ['c', 'x'] })],
      );
      expect(results).toMatchObject([{ code: 'NOT_FOUND' }, [{ id: 'b' }], { code: 'CONFLICT' }]);
    });
  });

  describe('values that are unique together', () => {
    const UNIQUE = `type T @table @compositeIndex(fields: ["room", "made"], unique: true) {
      id: ID! @primaryKey room: String made: Int
    }`;

    test('refuse the second record, naming the fields, and do not compare null', async () => {
      const harness = await open(UNIQUE);
      for (const [id, made] of [
        ['1', 1],
        ['2', 2],
        ['3', null],
        ['4', null],
      ] as const)
        await harness.create(id, 'a', made);
      const message = 'room, made together are taken by another record';
      const conflict = {
        code: 'CONFLICT',
        message: `${message}.`,
        errors: [
          { field: 'room', message },
          { field: 'made', message },
        ],
      };
      await expect(harness.create('5', 'a', 2)).rejects.toMatchObject(conflict);
      await expect(harness.patch('1', undefined, 2)).rejects.toMatchObject(conflict);
      expect((await harness.patch('3', 'b', 2)).changed).toBe(true);
      expect(await harness.records()).toHaveLength(4);
    });
  });

  describe('a write by filter', () => {
    const PLAIN = 'type T @table { id: ID! @primaryKey name: String n: Int }';
    const fill = async (harness: StoreHarness) => {
      for (const [id, n] of [
        ['a', 1],
        ['b', 2],
        ['c', 3],
      ] as const)
        await harness.create(id, 'x', n);
    };

    test('changes what matches when it is committed, in the order of the keys, with one outcome', async () => {
      const harness = await open(PLAIN);
      await fill(harness);
      const { filter } = harness.query('n=ge=2');
      const { results, changes } = await harness.commit(
        [harness.of({ type: 'patch', id: 'a', cells: [none, none, 9] })],
        [harness.of({ type: 'patch-where', filter, limit: 10, cells: [none, none, 9] })],
      );
      const json = '{"matched":3,"changed":2}';
      const seq = changes.at(-1)?.seq;
      expect(results[1]).toEqual([{ id: null, seq, created: false, changed: true, json, transaction: seq }]);
      expect(changes.map(({ op, id }) => [op, id])).toEqual([
        ['update', 'a'],
        ['update', 'b'],
        ['update', 'c'],
      ]);
      const all = { filter: none, limit: 10 };
      expect((await harness.write({ type: 'delete-where', ...all })).json).toBe('{"matched":3,"changed":3}');
      const nothing = await harness.write({ type: 'delete-where', ...all });
      expect(nothing).toMatchObject({ id: null, seq: harness.store.lastSeq, changed: false });
      expect(nothing.json).toBe('{"matched":0,"changed":0}');
      expect((await harness.log()).filter(({ op }) => op === 'delete').map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    });

    test('of more records than it may change changes none, and says how many there are', async () => {
      const harness = await open(PLAIN);
      await fill(harness);
      const unseen = harness.write({ type: 'delete-where', filter: none, limit: 9, expected: 4 });
      await expect(unseen).rejects.toMatchObject({
        code: 'PRECONDITION_FAILED',
        message: '3 records match, and not 4 (expect): nothing was changed.',
      });
      const write = harness.write({ type: 'delete-where', filter: none, limit: 2 });
      await expect(write).rejects.toMatchObject({ code: 'BAD_REQUEST', message: expect.stringMatching(/^3 records/) });
      expect((await harness.write({ type: 'delete-where', filter: none, limit: 3, expected: 3 })).changed).toBe(true);
    });

    test('is undone whole when one of its records is refused', async () => {
      const harness = await open();
      await harness.create('a', 'x', 1);
      await harness.create('b', 'y', 1);
      const write = { type: 'patch-where', filter: none, limit: 9, cells: [none, 'z'] } as const;
      const taken = (field: string) => ({
        code: 'CONFLICT',
        errors: [{ field, message: 'is taken by another record' }],
      });
      await expect(harness.write(write)).rejects.toMatchObject(taken('name'));
      await expect(harness.write({ ...write, named: true })).rejects.toMatchObject(taken('record "b", field name'));
      expect(await harness.find('select=name')).toMatchObject([{ name: 'x' }, { name: 'y' }]);
    });
  });
}
