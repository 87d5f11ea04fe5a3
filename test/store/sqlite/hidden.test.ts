import { expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import type { Cells, Write } from '../../../src/store/rows/write.ts';
import type { WriteOutcome } from '../../../src/store/store.ts';
import { planOf } from '../../schema/mistakes.ts';
import { type OpenStore, onlyTable, StoreFolder } from '../stores.ts';

const SDL =
  'type T @table { secret: String @hidden id: ID! @primaryKey name: String pin: Int @hidden @default(value: 7) n: Int }';

function write(bench: OpenStore, type: Write['type'], cells?: Cells): WriteOutcome {
  const one = { type, table: onlyTable(bench), id: 'a', cells } as never;
  const [result] = bench.store.commit([[one]]).results;
  if (result === undefined || result instanceof AppError) throw result ?? new Error('no result');
  return result[0] as WriteOutcome;
}

test('a hidden field is stored, and is in no JSON text of records and log', async () => {
  const folder = new StoreFolder();
  const bench = folder.open(SDL);
  const table = onlyTable(bench);
  expect(write(bench, 'create', ['s3cret', 'a', 'x', 1234, 1]).json).toBe('{"id":"a","name":"x","n":1}');
  expect(write(bench, 'put', ['s3cret2', 'a', 'y', 1234, 1]).json).toBe('{"id":"a","name":"y","n":1}');
  const patched = write(bench, 'patch', [undefined, undefined, undefined, 5678, 2]);
  expect(patched.json).toBe('{"id":"a","name":"y","n":2}');
  expect((await bench.store.get(table, 'a'))?.json).toBe('{"id":"a","name":"y","n":2}');
  expect((await bench.store.page(table, undefined, 9)).map(({ json }) => json)).toEqual([patched.json]);
  expect((await bench.store.readLog(table, 0, 9)).map(({ data, before }) => [data, before])).toEqual([
    ['{"id":"a","name":"x","n":1}', null],
    ['{"id":"a","name":"y","n":1}', '{"name":"x"}'],
    ['{"id":"a","name":"y","n":2}', '{"n":1}'],
  ]);
  expect(folder.query('SELECT secret, pin FROM "data/T"')).toEqual([{ secret: 's3cret2', pin: 5678 }]);
});

test('the primary key cannot be hidden', () => {
  expect(() => planOf('type T @table { id: ID! @primaryKey @hidden }')).toThrow(/@hidden exclude each other/);
});
