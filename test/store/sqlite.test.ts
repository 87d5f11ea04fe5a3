import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { parseListQuery } from '../../src/query/index.ts';
import type { TablePlan } from '../../src/schema/plan.ts';
import { loadEngine } from '../../src/store/index.ts';
import type { Cells, Change, CommitResult, RecordKey, Write, WriteGroup, WriteOutcome } from '../../src/store/store.ts';
import { LIMITS } from '../query/tables.ts';
import { planOf, tableOf } from '../schema/mistakes.ts';
import { type OpenStore, onlyTable, records, StoreFolder } from './stores.ts';

const SDL = 'type T @table { id: ID! @primaryKey name: String @unique n: Int }';

function open(sdl = SDL): OpenStore & { folder: StoreFolder } {
  const folder = new StoreFolder();
  return { ...folder.open(sdl), folder };
}

function commit(bench: OpenStore, ...groups: WriteGroup[]): CommitResult {
  return bench.store.commit(groups);
}

/** The outcome of one write, or the refusal thrown. */
function write(bench: OpenStore, one: Omit<Write, 'table'> & { table?: never }): WriteOutcome {
  const [result] = commit(bench, [{ ...one, table: onlyTable(bench) } as Write]).results;
  if (result instanceof AppError) throw result;
  return result?.[0] as WriteOutcome;
}

/** One cell for each field; those at the end that are not given were not sent. */
function whole({ plan }: OpenStore, cells: Cells): Cells {
  return Array.from(plan.tables[0]?.fields ?? [], (_, index) => cells[index]);
}

function create(bench: OpenStore, ...cells: [RecordKey, ...Cells]): WriteOutcome {
  return write(bench, { type: 'create', id: cells[0], cells: whole(bench, cells) } as never);
}

function put(bench: OpenStore, precondition: unknown, ...cells: [RecordKey, ...Cells]): WriteOutcome {
  const condition = precondition === undefined ? {} : { precondition };
  return write(bench, { type: 'put', id: cells[0], cells: whole(bench, cells), ...condition } as never);
}

function patch(bench: OpenStore, id: RecordKey, cells: Cells, precondition?: unknown): WriteOutcome {
  const condition = precondition === undefined ? {} : { precondition };
  return write(bench, { type: 'patch', id, cells, ...condition } as never);
}

function remove(bench: OpenStore, id: RecordKey, more: object = {}): WriteOutcome {
  return write(bench, { type: 'delete', id, ...more } as never);
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'done';
}

describe('values', () => {
  const ALL = `
    enum Colour { red green }
    type Part { a: Int! b: [String] }
    type T @table {
      id: ID! @primaryKey s: String i: Int f: Float b: Boolean d: Date l: Long j: JSON c: Colour xs: [Int!] o: Part
    }`;

  test('of every type are given back as they were stored', () => {
    const bench = open(ALL);
    const row: Cells = [
      'é"\\\n😀',
      'line\u2028"quoted"',
      -(2 ** 53 - 1),
      1e-7,
      1,
      '2025-01-15T10:30:00.000Z',
      2n ** 63n - 1n,
      '{"deep":[1,null,"x"]}',
      'green',
      '[1,2]',
      '{"a":1,"b":["x",null]}',
    ];
    const expected = {
      id: 'é"\\\n😀',
      s: 'line\u2028"quoted"',
      i: -(2 ** 53 - 1),
      f: 1e-7,
      b: true,
      d: '2025-01-15T10:30:00.000Z',
      l: '9223372036854775807',
      j: { deep: [1, null, 'x'] },
      c: 'green',
      xs: [1, 2],
      o: { a: 1, b: ['x', null] },
    };
    const { json, seq } = create(bench, ...(row as [RecordKey, ...Cells]));
    expect(JSON.parse(json)).toEqual(expected);
    expect(bench.store.get(onlyTable(bench), 'é"\\\n😀')).toEqual({ id: 'é"\\\n😀', seq, json });
    expect(records(bench)).toEqual([expected]);
    const query = parseListQuery('', onlyTable(bench), LIMITS, new Set());
    expect(bench.store.list(onlyTable(bench), query).json).toBe(`[${json}]`);
    expect(bench.store.readLog(onlyTable(bench), 0, 10).map(({ data }) => data)).toEqual([json]);
  });

  test('of every type may be null', () => {
    const bench = open(ALL);
    const { json } = create(bench, 'a', ...new Array<null>(10).fill(null));
    const { id, ...others } = JSON.parse(json) as Record<string, unknown>;
    expect(id).toBe('a');
    expect(Object.values(others)).toEqual(new Array(10).fill(null));
    expect(records(bench)).toEqual([{ id, ...others }]);
  });

  test.each([
    [2 ** 53 - 1, 9007199254740991],
    [2n ** 53n, '9007199254740992'],
    [-(2 ** 53) + 1, -9007199254740991],
    [-(2n ** 53n) - 1n, '-9007199254740993'],
    [-(2n ** 63n), '-9223372036854775808'],
    [0, 0],
    [7, 7],
  ])('a Long of %s is %j in JSON, from the writer and from the disk', (cell, expected) => {
    const bench = open('type T @table { id: ID! @primaryKey l: Long }');
    expect(JSON.parse(create(bench, 'a', cell).json)).toEqual({ id: 'a', l: expected });
    expect(records(bench)).toEqual([{ id: 'a', l: expected }]);
    expect(put(bench, undefined, 'a', cell).changed).toBe(false);
  });

  test('that are chosen by a list come alone, with the key', () => {
    const bench = open();
    create(bench, 'a', 'x', 1);
    create(bench, 'b', 'y', 2);
    const query = parseListQuery('n=gt=1&select=n', onlyTable(bench), LIMITS, new Set());
    expect(JSON.parse(bench.store.list(onlyTable(bench), query).json)).toEqual([{ id: 'b', n: 2 }]);
  });

  test('of numeric keys are in the order of numbers', () => {
    const bench = open('type T @table { id: Int! @primaryKey }');
    for (const id of [10, 9, -1, 100]) create(bench, id);
    const table = onlyTable(bench);
    expect(bench.store.page(table, undefined, 2).map(({ id }) => id)).toEqual([-1, 9]);
    expect(bench.store.page(table, 9, 10).map(({ id }) => id)).toEqual([10, 100]);
    expect(bench.store.readLog(table, 0, 10, 9).map(({ id }) => id)).toEqual([9]);
  });
});

describe('seq', () => {
  test('grows when the clock stands still or goes back', () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    vi.setSystemTime(new Date('2100-01-01T00:00:00Z'));
    const bench = open();
    const time = Date.now() * 1000;
    const seqs = [create(bench, 'a').seq, create(bench, 'b').seq];
    expect(seqs).toEqual([time + 1, time + 2].map((seq) => expect.closeTo(seq, -1)));
    vi.setSystemTime(new Date('2090-01-01T00:00:00Z'));
    seqs.push(create(bench, 'c').seq, patch(bench, 'a', [undefined, 'x', undefined]).seq, remove(bench, 'b').seq);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    expect((seqs.at(-1) as number) - (seqs[0] as number)).toBe(4);
    vi.setSystemTime(new Date('2100-01-02T00:00:00Z'));
    expect(create(bench, 'd').seq).toBe(Date.now() * 1000);
  });

  test('is over all tables, one after another in a batch', () => {
    const bench = open('type A @table { id: ID! @primaryKey } type B @table { id: ID! @primaryKey }');
    const [a, b] = bench.plan.tables as [never, never];
    const group = [a, b, a].map(
      (table, index): Write => ({ type: 'create', table, id: `${index}`, cells: [`${index}`] }),
    );
    const { changes } = commit(bench, group);
    const [first = 0] = changes.map(({ seq }) => seq);
    expect(changes.map(({ seq, table }) => [seq - first, table])).toEqual([
      [0, a],
      [1, b],
      [2, a],
    ]);
    expect([bench.store.lastSeq, bench.store.lastTableSeq(a), bench.store.lastTableSeq(b)]).toEqual([
      first + 2,
      first + 2,
      first + 1,
    ]);
  });

  test('goes on after the store was closed, also when the clock went back', () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    vi.setSystemTime(new Date('2100-01-01T00:00:00Z'));
    const { folder, ...bench } = open();
    create(bench, 'a');
    const { seq } = write(bench, { type: 'publish', id: null, data: '1' } as never);
    expect(bench.store.lastSeq).toBe(seq);
    vi.setSystemTime(new Date('2099-01-01T00:00:00Z'));
    const again = folder.open(SDL);
    expect([again.store.lastSeq, again.store.lastTableSeq(onlyTable(again))]).toEqual([seq, seq]);
    expect(create(again, 'b').seq).toBe(seq + 1);
  });

  test('is the position of a reader of an empty store that is opened again', () => {
    const { folder, store } = open();
    const { lastSeq: head } = store;
    expect(head).toBeGreaterThan(0);
    expect(folder.open(SDL).store.lastSeq).toBe(head);
  });

  test('of the head is not moved by a write that was refused', () => {
    const { folder, ...bench } = open();
    const { seq } = create(bench, 'a');
    expect(codeOf(() => create(bench, 'a'))).toBe('CONFLICT');
    expect(bench.store.lastSeq).toBe(seq);
    const { lastSeq: head } = bench.store;
    // What was given out as a position is one after a restart, too.
    expect(folder.open(SDL).store.lastSeq).toBe(head);
  });
});

describe('create', () => {
  test('stores the record and its entry', () => {
    const bench = open();
    const outcome = create(bench, 'a', 'x', 1);
    const json = '{"id":"a","name":"x","n":1}';
    expect(outcome).toEqual({ id: 'a', seq: bench.store.lastSeq, created: true, changed: true, json });
    expect(bench.store.readLog(onlyTable(bench), 0, 10)).toEqual([
      { seq: outcome.seq, table: onlyTable(bench), op: 'create', id: 'a', data: json, before: null },
    ]);
  });

  test('refuses an id or a unique value that is taken, and names the field', () => {
    const bench = open();
    create(bench, 'a', 'x', 1);
    for (const [cells, field] of [
      [['a', 'y', 1], 'id'],
      [['b', 'x', 1], 'name'],
    ] as const) {
      expect(() => create(bench, ...([...cells] as [RecordKey, ...Cells]))).toThrow(
        expect.objectContaining({ code: 'CONFLICT', errors: [{ field, message: 'is taken by another record' }] }),
      );
    }
    create(bench, 'c', null, 1);
    create(bench, 'd', null, 1);
    expect(records(bench)).toHaveLength(3);
  });

  test('refuses what the columns do not take', () => {
    const bench = open('type T @table { id: ID! @primaryKey n: Int! }');
    expect(() => create(bench, 'a', null)).toThrow(
      expect.objectContaining({ code: 'VALIDATION_ERROR', errors: [{ field: 'n', message: 'cannot be stored' }] }),
    );
  });
});

describe('put', () => {
  test('creates, replaces all that is not sent with null, and tells what was before', () => {
    const bench = open();
    expect(put(bench, undefined, 'a', 'x', 1)).toMatchObject({ created: true, changed: true });
    expect(put(bench, undefined, 'a', 'y', undefined)).toMatchObject({ created: false, changed: true });
    expect(records(bench)).toEqual([{ id: 'a', name: 'y', n: null }]);
    const [, entry] = bench.store.readLog(onlyTable(bench), 0, 10);
    expect(entry).toMatchObject({ op: 'update', data: '{"id":"a","name":"y","n":null}', before: '{"name":"x","n":1}' });
  });

  test('of an equal record stores nothing and gives the seq it had', () => {
    const bench = open();
    const { seq } = put(bench, undefined, 'a', 'x', 1);
    create(bench, 'b');
    const { lastSeq: head } = bench.store;
    const result = commit(bench, [{ type: 'put', table: onlyTable(bench), id: 'a', cells: ['a', 'x', 1] }]);
    expect(result.changes).toEqual([]);
    expect(result.results).toEqual([
      [{ id: 'a', seq, created: false, changed: false, json: '{"id":"a","name":"x","n":1}' }],
    ]);
    expect(bench.store.lastSeq).toBe(head);
    expect(bench.store.readLog(onlyTable(bench), 0, 10)).toHaveLength(2);
  });

  test('keeps the time of creation, and sets the time of change only when something changes', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2100-01-01T00:00:00Z') });
    onTestFinished(() => void vi.useRealTimers());
    const bench = open(
      'type T @table { id: ID! @primaryKey n: Int c: Date @createdTime u: Date @updatedTime k: Long @updatedTime }',
    );
    const start = '2100-01-01T00:00:00.000Z';
    create(bench, 'a', 1);
    expect(records(bench)).toEqual([{ id: 'a', n: 1, c: start, u: start, k: Date.parse(start) }]);
    vi.setSystemTime(new Date('2100-01-01T00:00:01Z'));
    expect(put(bench, undefined, 'a', 1).changed).toBe(false);
    expect(patch(bench, 'a', [undefined, 1]).changed).toBe(false);
    const later = '2100-01-01T00:00:01.000Z';
    expect(put(bench, undefined, 'a', 2).changed).toBe(true);
    expect(records(bench)).toEqual([{ id: 'a', n: 2, c: start, u: later, k: Date.parse(later) }]);
  });
});

describe('patch', () => {
  test('replaces what is sent', () => {
    const bench = open();
    create(bench, 'a', 'x', 1);
    expect(patch(bench, 'a', [undefined, undefined, 2])).toMatchObject({ created: false, changed: true });
    expect(patch(bench, 'a', [undefined, null, undefined]).json).toBe('{"id":"a","name":null,"n":2}');
    expect(bench.store.readLog(onlyTable(bench), 0, 10).map(({ before }) => before)).toEqual([
      null,
      '{"n":1}',
      '{"name":"x"}',
    ]);
  });

  test('refuses a record that is not there, and a unique value that is taken', () => {
    const bench = open();
    expect(codeOf(() => patch(bench, 'a', [undefined, 'x', undefined]))).toBe('NOT_FOUND');
    create(bench, 'a', 'x');
    create(bench, 'b', 'y');
    expect(codeOf(() => patch(bench, 'b', [undefined, 'x', undefined]))).toBe('CONFLICT');
    expect(records(bench)).toMatchObject([{ name: 'x' }, { name: 'y' }]);
  });
});

describe('delete', () => {
  test('removes the record and keeps it whole in the log', () => {
    const bench = open();
    create(bench, 'a', 'x', 1);
    expect(remove(bench, 'a')).toMatchObject({ id: 'a', created: false, changed: true, json: '' });
    expect(records(bench)).toEqual([]);
    expect(bench.store.get(onlyTable(bench), 'a')).toBeUndefined();
    const [, entry] = bench.store.readLog(onlyTable(bench), 0, 10);
    expect(entry).toMatchObject({ op: 'delete', id: 'a', data: '{"id":"a"}', before: '{"id":"a","name":"x","n":1}' });
    expect(codeOf(() => remove(bench, 'a'))).toBe('NOT_FOUND');
  });
});

describe('publish', () => {
  test('is in the log and not among the records', () => {
    const bench = open();
    write(bench, { type: 'publish', id: 'a', data: '{"text":"hi"}' } as never);
    write(bench, { type: 'publish', id: null, data: '[1]' } as never);
    expect(records(bench)).toEqual([]);
    const entries = bench.store.readLog(onlyTable(bench), 0, 10);
    expect(entries.map(({ op, id, data, before }) => [op, id, data, before])).toEqual([
      ['publish', 'a', '{"text":"hi"}', null],
      ['publish', null, '[1]', null],
    ]);
    expect(bench.store.readLog(onlyTable(bench), 0, 10, 'a')).toEqual(entries.slice(0, 1));
  });
});

describe('preconditions', () => {
  test.each([
    ['none', 'done', 'PRECONDITION_FAILED', 'PRECONDITION_FAILED'],
    ['any', 'PRECONDITION_FAILED', 'done', 'done'],
    ['its seq', 'PRECONDITION_FAILED', 'done', 'PRECONDITION_FAILED'],
    ['no seq', 'PRECONDITION_FAILED', 'PRECONDITION_FAILED', 'PRECONDITION_FAILED'],
  ] as const)('%s: absent %s, as known %s, changed since %s', (which, absent, known, changed) => {
    const bench = open();
    const first = create(bench, 'a', 'x', 1).seq;
    const condition = which === 'its seq' ? [1, first] : which === 'no seq' ? [] : which;
    expect(codeOf(() => put(bench, condition, 'new', 'n'))).toBe(absent);
    expect(codeOf(() => put(bench, condition, 'a', 'x', 2))).toBe(known);
    patch(bench, 'a', [undefined, 'y', undefined]);
    expect(codeOf(() => patch(bench, 'a', [undefined, undefined, 9], condition))).toBe(changed);
    expect(codeOf(() => remove(bench, 'a', { precondition: condition }))).toBe(changed);
  });
});

describe('a group', () => {
  test('is stored whole or not at all', () => {
    const bench = open();
    const table = onlyTable(bench);
    create(bench, 'a', 'x', 1);
    const { results, changes } = commit(
      bench,
      [
        { type: 'patch', table, id: 'a', cells: [undefined, undefined, 5] },
        { type: 'publish', table, id: null, data: '1' },
        { type: 'create', table, id: 'b', cells: ['b', 'x', 1] },
      ],
      [
        { type: 'patch', table, id: 'a', cells: [undefined, undefined, 6] },
        { type: 'create', table, id: 'c', cells: ['c', 'z', 1] },
      ],
    );
    expect(results[0]).toMatchObject({ code: 'CONFLICT' });
    expect(results[1]).toMatchObject([{ id: 'a' }, { id: 'c' }]);
    expect(records(bench)).toEqual([
      { id: 'a', name: 'x', n: 6 },
      { id: 'c', name: 'z', n: 1 },
    ]);
    expect(bench.store.readLog(table, 0, 10).slice(1)).toEqual(changes);
    expect(changes.map(({ op }) => op)).toEqual(['update', 'create']);
  });

  test('sees its own earlier writes', () => {
    const bench = open();
    const table = onlyTable(bench);
    const { results } = commit(bench, [
      { type: 'create', table, id: 'a', cells: ['a', 'x', 1] },
      { type: 'patch', table, id: 'a', cells: [undefined, undefined, 2] },
      { type: 'delete', table, id: 'a' },
      { type: 'put', table, id: 'a', cells: ['a', 'x', 3], precondition: 'none' },
    ]);
    expect(results[0]).toMatchObject([{ created: true }, { created: false }, { json: '' }, { created: true }]);
    expect(records(bench)).toEqual([{ id: 'a', name: 'x', n: 3 }]);
  });

  test('of a fault of ours undoes the whole transaction', () => {
    const bench = open();
    const other = tableOf('type Other @table { id: ID! @primaryKey }');
    const { lastSeq: head } = bench.store;
    const write: Write = { type: 'create', table: onlyTable(bench), id: 'a', cells: ['a', 'x', 1] };
    expect(() => commit(bench, [write], [{ type: 'delete', table: other, id: 'a' }])).toThrow(
      'The store was not opened with the table Other.',
    );
    expect(records(bench)).toEqual([]);
    expect(bench.store.lastSeq).toBe(head);
    expect(create(bench, 'a', 'x').created).toBe(true);
  });
});

describe('the log', () => {
  test('is read in pages after a position, of all or of one record', () => {
    const bench = open();
    const table = onlyTable(bench);
    for (let n = 0; n < 6; n++) put(bench, undefined, `r${n % 2}`, null, n);
    const all = bench.store.readLog(table, 0, 100);
    expect(all).toHaveLength(6);
    expect(bench.store.readLog(table, all[1]?.seq ?? 0, 2)).toEqual(all.slice(2, 4));
    expect(bench.store.readLog(table, 0, 100, 'r1')).toEqual(all.filter(({ id }) => id === 'r1'));
    expect(bench.store.readLog(table, all[4]?.seq ?? 0, 100, 'r0')).toEqual([]);
    expect(bench.store.readLog(table, bench.store.lastSeq, 100)).toEqual([]);
    put(bench, undefined, 'r0', null, 99);
    expect(bench.store.readLog(table, all[4]?.seq ?? 0, 100, 'r0')).toHaveLength(1);
  });

  test('has every change of a commit, however many and of whatever tables', () => {
    const bench = open('type T @table { id: ID! @primaryKey n: Int } type U @table { id: ID! @primaryKey n: Int }');
    const [t, u] = bench.plan.tables as [TablePlan, TablePlan];
    const writesOf = (count: number, at: number): Write[] =>
      Array.from({ length: count }, (_, i): Write => {
        const [table, id] = [i % 20 === 19 ? u : t, `r${(at + i) % 7}`];
        if (i % 5 === 4) return { type: 'publish', table, id, data: `[${i}]` };
        return { type: 'put', table, id, cells: [id, at + i] };
      });
    const made: Change[] = [];
    for (const count of [1, 15, 16, 17, 32, 33, 100]) {
      const last: Write = { type: 'delete', table: t, id: `r${made.length % 7}` };
      made.push(...commit(bench, writesOf(count, made.length), [last]).changes);
    }
    for (const table of [t, u]) {
      expect(bench.store.readLog(table, 0, 1000)).toEqual(made.filter((change) => change.table === table));
    }
    expect(made.filter(({ op }) => op === 'delete').length).toBeGreaterThan(3);
  });

  test('is there after the store was closed', () => {
    const { folder, ...bench } = open();
    create(bench, 'a', 'x', 1);
    remove(bench, 'a');
    const before = bench.store.readLog(onlyTable(bench), 0, 10).map(({ table: _, ...entry }) => entry);
    const again = folder.open(SDL);
    expect(again.store.readLog(onlyTable(again), 0, 10).map(({ table: _, ...entry }) => entry)).toEqual(before);
  });
});

test('the store is opened by its name, and lets go of its directory when it is closed', async () => {
  const folder = new StoreFolder();
  const options = {
    dir: join(folder.dir, 'new'),
    durability: 'full',
    events: { retention: 1, maxCount: 1, replayPage: 1 },
    largestScan: 100_000,
    // Small, so that rows are let go.
    recordCache: 65_536,
    idempotency: { retention: 1, maxCount: 1, maxSize: 1 },
    audit: { retention: 1, maxCount: 1 },
    allowDestructive: false,
  } as const;
  for (let time = 0; time < 2; time++) {
    const store = await (await loadEngine()).openRecords(planOf(SDL), options);
    expect(existsSync(join(options.dir, 'data.db'))).toBe(true);
    await store.close();
  }
});
