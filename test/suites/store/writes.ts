import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import type { JsonRecord } from '../../../src/query/index.ts';
import type { Precondition } from '../../../src/store/rows/write.ts';
import { codeOf, type EngineUnderTest, pass, START, StoreHarness, stopClock } from './harness.ts';

const SDL = 'type T @table { id: ID! @primaryKey name: String @unique n: Int }';

export function writesSuite(subject: EngineUnderTest): void {
  const open = (sdl = SDL) => StoreHarness.open(subject, sdl);

  describe('create', () => {
    test('stores the record and its entry', async () => {
      const harness = await open();
      const outcome = await harness.create('a', 'x', 1);
      const json = '{"id":"a","name":"x","n":1}';
      expect(outcome).toEqual({ id: 'a', seq: harness.store.lastSeq, created: true, changed: true, json });
      const { seq } = outcome;
      expect(await harness.log()).toEqual([
        { seq, table: harness.table, op: 'create', id: 'a', data: json, before: null },
      ]);
      expect(await harness.store.get(harness.table, 'a')).toEqual({ id: 'a', seq, json });
    });

    test('refuses null in a field that is required', async () => {
      const harness = await open('type T @table { id: ID! @primaryKey n: Int! }');
      await expect(harness.create('a', null)).rejects.toMatchObject({
        code: 'VALIDATION_ERROR',
        errors: [{ field: 'n', message: 'cannot be stored' }],
      });
      expect(await harness.records()).toEqual([]);
    });
  });

  describe('put', () => {
    test('creates, and replaces all that is not sent with null', async () => {
      const harness = await open();
      expect(await harness.put('a', 'x', 1)).toMatchObject({ created: true, changed: true });
      expect(await harness.put('a', 'y')).toMatchObject({ created: false, changed: true });
      expect(await harness.records()).toEqual([{ id: 'a', name: 'y', n: null }]);
      const [, entry] = await harness.log();
      const data = '{"id":"a","name":"y","n":null}';
      expect(entry).toMatchObject({ op: 'update', data, before: '{"name":"x","n":1}' });
    });

    test('of an equal record stores nothing and gives the seq it had', async () => {
      const harness = await open();
      const { seq } = await harness.put('a', 'x', 1);
      await harness.create('b');
      const { lastSeq } = harness.store;
      const put = harness.of({ type: 'put', id: 'a', cells: ['a', 'x', 1] });
      expect(await harness.commit([put])).toEqual({
        results: [[{ id: 'a', seq, created: false, changed: false, json: '{"id":"a","name":"x","n":1}' }]],
        changes: [],
        after: lastSeq,
      });
      expect(harness.store.lastSeq).toBe(lastSeq);
      expect(await harness.log()).toHaveLength(2);
    });

    test('keeps the fields that it names of a record that exists', async () => {
      const harness = await open();
      await harness.write({ type: 'put', id: 'new', cells: ['new', 'n', 1], keep: [2] });
      await harness.create('a', 'x', 1);
      const { json } = await harness.write({ type: 'put', id: 'a', cells: ['a', 'y', 7], keep: [2] });
      expect(json).toBe('{"id":"a","name":"y","n":1}');
      expect(await harness.records()).toEqual([
        { id: 'a', name: 'y', n: 1 },
        { id: 'new', name: 'n', n: 1 },
      ]);
    });
  });

  describe('patch', () => {
    test('replaces what is sent', async () => {
      const harness = await open();
      await harness.create('a', 'x', 1);
      expect(await harness.patch('a', undefined, 2)).toMatchObject({ created: false, changed: true });
      expect((await harness.patch('a', null)).json).toBe('{"id":"a","name":null,"n":2}');
      expect(await harness.patch('a', null, 2)).toMatchObject({ changed: false });
      expect((await harness.log()).map(({ before }) => before)).toEqual([null, '{"n":1}', '{"name":"x"}']);
    });

    test('refuses a record that is not there', async () => {
      const harness = await open();
      expect(await codeOf(harness.patch('a', 'x'))).toBe('NOT_FOUND');
      expect(await harness.log()).toEqual([]);
    });
  });

  describe('delete', () => {
    test('removes the record and keeps it whole in the log', async () => {
      const harness = await open();
      await harness.create('a', 'x', 1);
      expect(await harness.delete('a')).toMatchObject({ id: 'a', created: false, changed: true, json: '' });
      expect(await harness.records()).toEqual([]);
      expect(await harness.store.get(harness.table, 'a')).toBeUndefined();
      const [, entry] = await harness.log();
      expect(entry).toMatchObject({ op: 'delete', id: 'a', data: '{"id":"a"}', before: '{"id":"a","name":"x","n":1}' });
      expect(await codeOf(harness.delete('a'))).toBe('NOT_FOUND');
    });
  });

  describe('publish', () => {
    test('is in the log and not among the records', async () => {
      const harness = await open();
      const data = '{"text":"hi"}';
      const outcome = await harness.write({ type: 'publish', id: 'a', data, answer: '{"to":1}' });
      expect(outcome).toEqual({ id: 'a', seq: harness.store.lastSeq, created: false, changed: true, json: '{"to":1}' });
      expect((await harness.write({ type: 'publish', id: null, data: '[1]' })).json).toBe('');
      expect(await harness.records()).toEqual([]);
      const entries = await harness.log();
      expect(entries.map(({ op, id, data, before }) => [op, id, data, before])).toEqual([
        ['publish', 'a', '{"text":"hi"}', null],
        ['publish', null, '[1]', null],
      ]);
      expect(await harness.log(0, 10, 'a')).toEqual(entries.slice(0, 1));
    });

    test('keeps the record that it is about where it is asked to', async () => {
      const harness = await open();
      const { json } = await harness.create('a', 'x', 1);
      await harness.write({ type: 'publish', id: 'a', data: '1', withRecord: true });
      await harness.write({ type: 'publish', id: 'none', data: '2', withRecord: true });
      expect((await harness.log()).slice(1).map(({ before }) => before)).toEqual([json, null]);
    });
  });

  describe('a guard', () => {
    const seen: (readonly [JsonRecord | undefined, JsonRecord | undefined])[] = [];
    const guard = (before: JsonRecord | undefined, after: JsonRecord | undefined) => void seen.push([before, after]);

    test('sees the record before and after each write, and of a message the record that it is about', async () => {
      const harness = await open();
      await harness.write({ type: 'create', id: 'a', cells: ['a', 'x', 1], guard });
      await harness.write({ type: 'patch', id: 'a', cells: [undefined, undefined, 2], guard });
      await harness.write({ type: 'patch', id: 'a', cells: [undefined, undefined, 2], guard });
      await harness.write({ type: 'publish', id: 'a', data: '1', guard });
      await harness.write({ type: 'publish', id: null, data: '1', guard });
      await harness.write({ type: 'delete', id: 'a', guard });
      const [one, two] = [1, 2].map((n) => ({ id: 'a', name: 'x', n }));
      expect(seen.splice(0)).toEqual([
        [undefined, one],
        [one, two],
        [two, two],
        [two, two],
        [undefined, undefined],
        [two, undefined],
      ]);
    });

    test('that throws refuses its group alone', async () => {
      const harness = await open();
      const refuse = () => {
        throw new AppError('FORBIDDEN', 'no');
      };
      const { results } = await harness.commit(
        [harness.of({ type: 'create', id: 'a', cells: ['a'] })],
        [harness.of({ type: 'create', id: 'b', cells: ['b'] }), harness.of({ type: 'delete', id: 'a', guard: refuse })],
      );
      expect(results[1]).toMatchObject({ code: 'FORBIDDEN' });
      expect(await harness.records()).toMatchObject([{ id: 'a' }]);
    });
  });

  describe('preconditions', () => {
    test.each([
      ['none', 'done', 'PRECONDITION_FAILED', 'PRECONDITION_FAILED'],
      ['any', 'PRECONDITION_FAILED', 'done', 'done'],
      ['its seq', 'PRECONDITION_FAILED', 'done', 'PRECONDITION_FAILED'],
      ['no seq', 'PRECONDITION_FAILED', 'PRECONDITION_FAILED', 'PRECONDITION_FAILED'],
    ] as const)('%s: absent %s, as known %s, changed since %s', async (which, absent, known, changed) => {
      const harness = await open();
      const { seq } = await harness.create('a', 'x', 1);
      const precondition: Precondition = which === 'its seq' ? [1, seq] : which === 'no seq' ? [] : which;
      const put = (id: string, name: string, n: number) =>
        codeOf(harness.write({ type: 'put', id, cells: [id, name, n], precondition }));
      expect(await put('new', 'n', 1)).toBe(absent);
      expect(await put('a', 'x', 2)).toBe(known);
      await harness.patch('a', 'y');
      const patch = harness.write({ type: 'patch', id: 'a', cells: [undefined, undefined, 9], precondition });
      expect(await codeOf(patch)).toBe(changed);
      expect(await codeOf(harness.write({ type: 'delete', id: 'a', precondition }))).toBe(changed);
    });
  });

  test('times that the server sets: at creation, and at every change', async () => {
    stopClock();
    const harness = await open(
      'type T @table { id: ID! @primaryKey n: Int c: Date @createdTime u: Date @updatedTime k: Long @updatedTime }',
    );
    const start = '2100-01-01T00:00:00.000Z';
    await harness.create('a', 1, 'sent', 'sent', 5);
    expect(await harness.records()).toEqual([{ id: 'a', n: 1, c: start, u: start, k: START }]);
    pass(1000);
    expect((await harness.put('a', 1)).changed).toBe(false);
    expect((await harness.patch('a', 1)).changed).toBe(false);
    const later = '2100-01-01T00:00:01.000Z';
    expect((await harness.put('a', 2)).changed).toBe(true);
    expect(await harness.records()).toEqual([{ id: 'a', n: 2, c: start, u: later, k: START + 1000 }]);
  });
}
