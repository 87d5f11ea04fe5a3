import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { startServer } from '../../support/app.ts';
import { WsClient } from '../../support/ws-client.ts';
import { DataFolder, recordsOf, toLines } from './harness.ts';

const ALL_TYPES = `
  enum State { open done }
  type Part { sku: String! count: Int sub: Sub }
  type Sub { at: Date list: [Int] }
  type Board @table @export { id: Int! @primaryKey name: String }
  type All @table @export {
    id: ID! @primaryKey
    s: String
    i: Int
    l: Long
    f: Float
    b: Boolean
    d: Date
    j: JSON
    e: State
    list: [String]
    lists: [[Int!]]
    part: Part
    parts: [Part!]
    boardId: Int
    board: Board @relationship(from: "boardId")
    secret: String @hidden
    preset: Int @default(value: 7)
    made: Date @createdTime
    changed: Long @updatedTime
    twice: String @computed(from: "s + s")
  }`;

const text = fc.string({ unit: 'binary' }).filter((it) => it.isWellFormed() && !/\p{Cc}/u.test(it));
const words = fc.oneof(text, fc.constantFrom('', ' ', '"', 'a,b', 'a\nb', '=1+1', 'null', '\u2028', 'é', '007'));
const date = fc
  .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
  .map((it) => it.toISOString());
const float = fc.double({ noNaN: true, noDefaultInfinity: true }).map((it) => it + 0);
const orNull = <T>(values: fc.Arbitrary<T>) => fc.option(values, { freq: 4 });
const part = fc.record({
  sku: words,
  count: orNull(fc.integer()),
  sub: orNull(fc.record({ at: orNull(date), list: orNull(fc.array(orNull(fc.integer()), { maxLength: 2 })) })),
});
const record = fc.record({
  s: orNull(words),
  i: orNull(fc.maxSafeInteger()),
  l: orNull(fc.constantFrom('9223372036854775807', '-9223372036854775808', '9007199254740993', 5, 0)),
  f: orNull(float),
  b: orNull(fc.boolean()),
  d: orNull(date),
  j: orNull(fc.jsonValue({ maxDepth: 2, noUnicodeString: true } as object).filter((it) => it !== null)),
  e: orNull(fc.constantFrom('open', 'done')),
  list: orNull(fc.array(orNull(words), { maxLength: 3 })),
  lists: orNull(fc.array(orNull(fc.array(fc.integer(), { maxLength: 2 })), { maxLength: 2 })),
  part: orNull(part),
  parts: orNull(fc.array(part, { maxLength: 2 })),
  boardId: orNull(fc.integer({ min: 1, max: 3 })),
  secret: orNull(words),
  preset: orNull(fc.integer()),
});

describe('an export', () => {
  test('keeps line separators in strings, which end no line of NDJSON', async () => {
    const folder = await DataFolder.make(ALL_TYPES);
    const s = 'a\u2028b\u2029c\u0085d';
    const file = await folder.write(
      'All.ndjson',
      `${JSON.stringify({ id: 'x', s })}\r\n${JSON.stringify({ id: 'y', s })}`,
    );
    expect(await folder.run('import', file, folder.dir)).toMatchObject({ code: 0, stderr: '' });
    expect(folder.query('SELECT s FROM "data/All"')).toEqual([[s], [s]]);
  });

  test.each(['ndjson', 'csv', 'json'])(
    'as %s, imported into an empty store, is exported byte by byte again',
    async (format) => {
      const folder = await DataFolder.make(ALL_TYPES);
      const records = fc.sample(record, { numRuns: 150, seed: 42 }).map((one, index) => ({ id: `r${index}`, ...one }));
      const file = await folder.write('in/All.ndjson', toLines(records));
      await folder.write('in/Board.json', JSON.stringify([{ id: 1, name: 'one' }, { id: 2 }, { id: 3, name: '' }]));
      expect(await folder.run('import', folder.path('in'), folder.dir)).toMatchObject({ code: 0, stderr: '' });
      expect(folder.query('SELECT count(*) FROM "data/All"')).toEqual([[records.length]]);
      const exported = async (name: string) => {
        const args = ['export', folder.dir, '--all', '--format', format, '--out', folder.path(name)];
        expect(await folder.run(...args)).toMatchObject({ code: 0, stdout: '' });
        const all = await readFile(folder.path(`${name}/All.${format}`), 'utf8');
        const boards = await readFile(folder.path(`${name}/Board.${format}`), 'utf8');
        return format === 'csv' ? [all, boards] : [recordsOf(all), recordsOf(boards)];
      };
      const first = await exported('one');
      await folder.wipe();
      const again = await folder.run('import', folder.path('one'), folder.dir);
      expect(again).toMatchObject({ code: 0, stderr: '' });
      expect(again.stdout).toBe(
        'Board: 3 records: 3 created, 0 updated, 0 unchanged\nAll: 150 records: 150 created, 0 updated, 0 unchanged\n',
      );
      expect(await exported('two')).toEqual(first);
      expect(await readFile(file, 'utf8')).toContain('"id":"r0"');
    },
  );

  test('has the records that match, at one position, from a running server too', async () => {
    const folder = await DataFolder.make('type Task @table @export { id: ID! @primaryKey done: Boolean }');
    await using server = await startServer({ dir: folder.dir });
    for (const id of ['a', 'b', 'c']) await server.put(`Task/${id}`, { done: id !== 'b' });
    const position = Number((await server.ask('GET', 'Task')).headers.get('x-position'));
    const found = await folder.run('export', folder.dir, '--table', 'Task', '--filter', 'done==true');
    expect(found.code).toBe(0);
    expect(
      found.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([{ $export: { table: 'Task', position } }, { id: 'a', done: true }, { id: 'c', done: true }]);
    expect(found.stderr).toBe(`Task: 2 records at position ${position}\n`);
  });

  test.each([
    [['--table', 'Tsak'], 1, 'did you mean "Task"?'],
    [['--table', 'Task', '--filter', 'dnoe==true'], 1, 'dnoe'],
    [[], 2, '--table <name> or --all'],
    [['--all'], 2, '--out <folder>'],
    [['--table', 'Task', '--format', 'xml'], 2, 'not one of ndjson, csv, json'],
    [['--table', 'Task'], 1, 'has no records yet'],
  ])('with %j says what is wrong', async (args, code, message) => {
    const folder = await DataFolder.make('type Task @table @export { id: ID! @primaryKey done: Boolean }');
    if (args.includes('Tsak') || args.includes('dnoe==true')) {
      const server = await startServer({ dir: folder.dir });
      await server.stop();
    }
    const found = await folder.run('export', folder.dir, ...args);
    expect([found.code, found.stdout]).toEqual([code, '']);
    expect(found.stderr).toContain(message);
  });
});

const PERSON = `type Person @table @export { id: ID! @primaryKey name: String! mail: String @unique age: Int }`;

describe('an import', () => {
  test('stops at a record that is refused, or skips it, and lists it', async () => {
    const folder = await DataFolder.make(PERSON);
    const people = [
      { id: '1', name: 'Ada', mail: 'a@x' },
      { id: '2', name: 'Bob', mail: 'a@x' },
      { id: '3', name: 7, age: 'old' },
      { id: '4', name: 'Dan' },
    ];
    const file = await folder.write('Person.ndjson', toLines(people));
    const stopped = await folder.run('import', file, folder.dir);
    expect([stopped.code, stopped.stdout]).toEqual([
      1,
      'Person: 2 records: 1 created, 0 updated, 0 unchanged, 1 refused\n',
    ]);
    expect(JSON.parse(stopped.stderr)).toMatchObject({ row: 2, code: 'CONFLICT' });
    await folder.wipe();
    const skipped = await folder.run('import', file, folder.dir, '--on-error', 'skip');
    expect([skipped.code, skipped.stdout]).toEqual([
      1,
      'Person: 4 records: 2 created, 0 updated, 0 unchanged, 2 refused\n',
    ]);
    expect(
      skipped.stderr
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { table: 'Person', row: 2, code: 'CONFLICT', errors: [{ field: 'mail' }] },
      { table: 'Person', row: 3, code: 'VALIDATION_ERROR', errors: [{ field: 'name' }, { field: 'age' }] },
    ]);
    expect(folder.query('SELECT id FROM "data/Person" ORDER BY id')).toEqual([['1'], ['4']]);
  });

  test('creates, replaces or patches, and calls fields by other names', async () => {
    const folder = await DataFolder.make(PERSON);
    const csv = await folder.write('people.csv', 'Key,Name,age\r\n1,Ada,36\r\n2,Bob,\r\n');
    const args = ['import', csv, folder.dir, '--table', 'Person', '--map', 'Key=id', '--map', 'Name=name'];
    expect((await folder.run(...args)).stdout).toContain('2 created');
    expect((await folder.run(...args)).stdout).toContain('0 created, 0 updated, 2 unchanged');
    const other = await folder.write('Person.json', '[{"id":"1","name":"Eve"},{"id":"3","name":"Cid"}]');
    expect((await folder.run('import', other, folder.dir)).stderr).toContain('"code":"CONFLICT"');
    const replaced = await folder.run('import', other, folder.dir, '--mode', 'upsert');
    expect(replaced.stdout).toContain('1 created, 1 updated');
    expect(folder.query('SELECT id, name, age FROM "data/Person" ORDER BY id')).toEqual([
      ['1', 'Eve', null],
      ['2', 'Bob', null],
      ['3', 'Cid', null],
    ]);
    const patch = await folder.write(
      'Person.ndjson',
      toLines([
        { id: '2', age: 5 },
        { id: '9', age: 1 },
      ]),
    );
    const patched = await folder.run('import', patch, folder.dir, '--mode', 'patch', '--on-error', 'skip');
    expect([patched.code, patched.stdout]).toEqual([1, expect.stringContaining('1 updated, 0 unchanged, 1 refused')]);
    expect(patched.stderr).toContain('"code":"NOT_FOUND"');
    expect(folder.query('SELECT name, age FROM "data/Person" WHERE id = 2')).toEqual([['Bob', 5]]);
  });

  test('that is only tried writes nothing', async () => {
    const folder = await DataFolder.make(PERSON);
    const file = await folder.write(
      'Person.ndjson',
      toLines([
        { id: '1', name: 'Ada' },
        { id: '2', name: 'Bob' },
      ]),
    );
    await folder.run('import', file, folder.dir);
    const more = [{ id: '1', name: 'Ada' }, { id: '2', name: 'Other' }, { id: '3', name: 'Cid' }, { id: '4' }];
    const next = await folder.write('more/Person.ndjson', toLines(more));
    const head = folder.query('SELECT max(seq) FROM "data/Person:log"');
    const tried = await folder.run('import', next, folder.dir, '--dry-run', '--on-error', 'skip');
    expect([tried.code, tried.stdout]).toEqual([
      1,
      'Person: 4 records checked, nothing written: 1 created, 0 updated, 1 unchanged, 2 refused\n',
    ]);
    expect(folder.query('SELECT max(seq) FROM "data/Person:log"')).toEqual(head);
    expect(folder.query('SELECT count(*) FROM "data/Person"')).toEqual([[2]]);
  });

  test('goes through the running server, whose subscribers see the records arrive', async () => {
    const folder = await DataFolder.make(PERSON);
    await using server = await startServer({ dir: folder.dir });
    using client = await WsClient.open(server.wsUrl('Person'));
    await client.ready();
    const file = await folder.write('Person.ndjson', toLines([{ id: '1', name: 'Ada' }]));
    const other = await folder.write('Wrong.ndjson', toLines([{ id: '1', name: 7 }]));
    expect(await folder.run('import', file, folder.dir)).toMatchObject({ code: 0, stderr: '' });
    expect(await client.changes.next(() => true)).toMatchObject({ data: { id: '1', name: 'Ada' } });
    const refused = await folder.run('import', other, folder.dir, '--table', 'Person');
    expect([refused.code, JSON.parse(refused.stderr)]).toMatchObject([1, { row: 1, code: 'VALIDATION_ERROR' }]);
  });

  test.each([
    [['--mode', 'replace'], 'not one of create, upsert, patch'],
    [['--map', 'x'], 'is not name-in-the-file=field'],
    [['--table', 'Nobody'], 'there is no table "Nobody"'],
    [['--format', 'xml'], 'not one of ndjson, csv, json'],
  ])('with %j says what is wrong with exit code 2', async (args, message) => {
    const folder = await DataFolder.make(PERSON);
    const file = await folder.write('Person.ndjson', '{"id":"1","name":"A"}\n');
    const found = await folder.run('import', file, folder.dir, ...args);
    expect([found.code, found.stdout, found.stderr]).toEqual([2, '', expect.stringContaining(message)]);
    const missing = await folder.run('import', join(folder.dir, 'no.ndjson'), folder.dir);
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('does not exist')]);
  });
});
