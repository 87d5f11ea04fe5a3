import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { type BatchBody, isJson } from '../../../src/resources/body/batch-body.ts';
import { RecordParser } from '../../../src/resources/body/record-parser.ts';
import type { JsonValue, TablePlan } from '../../../src/schema/plan.ts';
import { represent } from '../../../src/server/content/content.ts';
import { parseCsv } from '../../../src/server/content/csv.ts';
import { parseLines } from '../../../src/server/content/ndjson.ts';
import { LIMITS } from '../../query/tables.ts';
import { planOf } from '../../schema/mistakes.ts';

const [TABLE] = planOf(`
  enum Kind { A B }
  type Place { city: String! zip: Int }
  type Thing @table @export {
    id: ID! @primaryKey  title: String  count: Int  price: Float  big: Long  on: Boolean  at: Date  kind: Kind
    tags: [String!]  place: Place  extra: JSON
  }
`).tables as readonly [TablePlan];
const CSV_LIMITS = { records: 1000, columns: 1000 };
const COLUMNS = TABLE.fields.map(({ name, type }) => ({ name, isJson: isJson(type) }));

const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((it) => !it.includes('\0') && it.isWellFormed());
const csvText = fc.oneof(
  text,
  fc.constantFrom('', ' ', 'a,b', '"', '""', 'line\nbreak', 'line\r\nbreak', '=1+1', '\ufeff', '\t', 'null', '#', '\r'),
);
const orNull = <T>(it: fc.Arbitrary<T>) => fc.option(it, { nil: null });
const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).map((it) => (Object.is(it, -0) ? 0 : it));
const records = fc.array(
  fc.record({
    id: text.filter((it) => !/^\.{0,2}$/.test(it)),
    title: orNull(csvText),
    count: orNull(fc.maxSafeInteger()),
    price: orNull(finite),
    big: orNull(fc.oneof(fc.maxSafeInteger(), fc.constantFrom('9223372036854775807', '-9223372036854775808'))),
    on: orNull(fc.boolean()),
    at: orNull(fc.constant('2025-01-15T10:30:00.000Z')),
    kind: orNull(fc.constantFrom('A', 'B')),
    tags: orNull(fc.array(csvText, { maxLength: 3 })),
    place: orNull(fc.record({ city: csvText, zip: orNull(fc.integer()) })),
    extra: orNull(
      fc
        .jsonValue({ noUnicodeString: false })
        .filter((it) => it !== null && !/\\u0000|"__proto__"/.test(JSON.stringify(it))) as fc.Arbitrary<JsonValue>,
    ),
  }),
  { maxLength: 5 },
);

/** Returns the stored values of a body, as cells. */
function cellsOf(rows: BatchBody | readonly unknown[]): unknown {
  const parser = new RecordParser(TABLE, { ...LIMITS, id: 256 });
  const values = Array.isArray(rows) ? rows : (rows as BatchBody).records(TABLE).map(({ value }) => value);
  return parser.parseBatch(values);
}

function mistake(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof AppError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'taken';
}

describe('CSV', () => {
  test('round-trips every record', async () => {
    await fc.assert(
      fc.asyncProperty(records, async (list) => {
        const json = JSON.stringify(list);
        const csv = String(await represent(json, 'csv', COLUMNS));
        expect(cellsOf(parseCsv(csv, CSV_LIMITS))).toEqual(cellsOf(JSON.parse(json)));
      }),
      { numRuns: 500 },
    );
  });

  test('has a header, null as an empty cell, parts as JSON text, and text as it is', async () => {
    const list = [
      { id: 'a', title: '=SUM(A1)', tags: ['x', 'y'], extra: 'text', count: null },
      { id: 'b', title: '', tags: [], extra: { a: 1 }, count: 5 },
      { id: 'c', title: 'a "b", c', tags: null, extra: null, count: -1 },
    ];
    const columns = ['id', 'title', 'tags', 'extra', 'count'].map((name) => ({
      name,
      isJson: name === 'tags' || name === 'extra',
    }));
    expect(await represent(JSON.stringify(list), 'csv', columns)).toBe(
      'id,title,tags,extra,count\r\na,=SUM(A1),"[""x"",""y""]","""text""",\r\nb,"",[],"{""a"":1}",5\r\nc,"a ""b"", c",,,-1\r\n',
    );
    expect(await represent('[]', 'csv', columns)).toBe('id,title,tags,extra,count\r\n');
    expect(await represent('{"matched":2,"changed":1}', 'csv')).toBe('matched,changed\r\n2,1\r\n');
  });

  test.each([
    ['', 'INVALID_CONTENT Not valid CSV: ', 'The CSV is empty'],
    ['\r\n\r\n', 'INVALID_CONTENT', 'The CSV is empty'],
    ['id,id\n', 'INVALID_CONTENT', 'row 1, cell 2: there are two columns "id"'],
    ['id,,title\n', 'INVALID_CONTENT', 'row 1, cell 2: a column needs the name'],
    ['id,title\na\n', 'INVALID_CONTENT', 'row 2 has 1 cells, and the header has 2'],
    ['id,title\na,b\nc,d,e\n', 'INVALID_CONTENT', 'row 3 has more cells than the header, which has 2'],
    ['id,title\na,"b\n', 'INVALID_CONTENT', 'row 2, cell 2: a cell in quotes does not end'],
    ['id,title\na,"b"c\n', 'INVALID_CONTENT', 'row 2, cell 2: there is text after the quotes'],
    ['id,title\na,b"c\n', 'INVALID_CONTENT', 'row 2, cell 2: there is a quote inside'],
    ['id,count\na,x\n', 'VALIDATION_ERROR', 'row 2, column count: must be an Int'],
    ['id,count\na,1\nb,1.5\n', 'VALIDATION_ERROR', 'row 3, column count: must be an Int'],
    ['id,on\na,yes\n', 'VALIDATION_ERROR', 'row 2, column on: must be true or false'],
    ['id,tags\na,x\n', 'VALIDATION_ERROR', 'row 2, column tags: must be JSON text'],
    ['id,place\na,"{""city"":1}"\n', 'VALIDATION_ERROR', 'row 2, column place.city: must be a string'],
    ['id,on\na,TRUE \n', 'VALIDATION_ERROR', 'row 2, column on: must be true or false'],
    ['id,count\na,3.5\n', 'VALIDATION_ERROR', 'row 2, column count: must be an Int'],
    ['id,count\na,9007199254740993.0\n', 'VALIDATION_ERROR', 'row 2, column count: must be an Int'],
    ['id,big\na,1e3\n', 'VALIDATION_ERROR', 'row 2, column big: must be a Long'],
    ['id;title\na;b\n', 'INVALID_CONTENT', 'cells are separated by ";" here; separate them by commas'],
    ['"id";"title"\n"a";"b"\n', 'INVALID_CONTENT', 'cells are separated by ";" here'],
    ['id\ttitle\na\tb\n', 'INVALID_CONTENT', 'cells are separated by tabs here'],
    ['sep=;\nid;title\n', 'INVALID_CONTENT', 'cells are separated by ";" here'],
    ['id,title\na,b;c\n', 'taken', ''],
    ['title\nx\n', 'taken', ''],
    ['\ufeffid,title\na,b\n', 'taken', ''],
    ['id,title\r\n\r\na,b', 'taken', ''],
  ])('%j is %s %s', (csv, code, message) => {
    const found = mistake(() =>
      cellsOf(
        parseCsv(csv, CSV_LIMITS)
          .records(TABLE)
          .map(({ value }) => value),
      ),
    );
    const placed = mistake(() => {
      const rows = parseCsv(csv, CSV_LIMITS).records(TABLE);
      new RecordParser(TABLE, { ...LIMITS, id: 256 }).parseBatch(
        rows.map(({ value }) => value),
        rows.map(({ place }) => place),
      );
    });
    expect(placed).toContain(message);
    expect(placed.startsWith(code.split(' ')[0] as string)).toBe(true);
    expect(found === 'taken').toBe(code === 'taken');
  });

  test('has an empty cell for a field that was not sent, and quotes for the empty string', () => {
    const rows = parseCsv('id,title,count,on\na,,,\nb,"","",""\n', CSV_LIMITS).records(TABLE);
    expect(rows.map(({ value }) => ({ ...(value as object) }))).toEqual([{ id: 'a' }, { id: 'b', title: '' }]);
  });

  test('is what spreadsheets and data frames write', () => {
    const csv =
      '\ufeffid,count,big,on,price,title\r\na,3.0,9007199254740993.00,TRUE,3.0,3.0\r\nb,-0.0,5,False,,TRUE\r\n';
    expect(cellsOf(parseCsv(csv, CSV_LIMITS))).toEqual(
      cellsOf([
        { id: 'a', count: 3, big: '9007199254740993', on: true, price: 3, title: '3.0' },
        { id: 'b', count: -0, big: 5, on: false, title: 'TRUE' },
      ]),
    );
  });

  test('loses rows of commas alone at the end, and no others', () => {
    const sizeOf = (csv: string, records = 1000) => parseCsv(csv, { ...CSV_LIMITS, records }).size;
    expect(sizeOf('id,title\na,b\n,\n,\n')).toBe(1);
    expect(sizeOf('id,title\n,\n\n,\n')).toBe(0);
    expect(sizeOf('id,title\na,b\n,\nc,d\n,')).toBe(3);
    expect(sizeOf('id,title\na,b\n,""\n')).toBe(2);
    expect(sizeOf(`id,title\n${'a,b\n'.repeat(10)}${',\n'.repeat(500)}`, 10)).toBe(10);
    expect(sizeOf(`id,title\n${'a,b\n'.repeat(10)}${',\n'.repeat(500)}c,d\n`, 10)).toBe(11);
    const placed = parseCsv('id,title\na,b\n,\nc,d\n', CSV_LIMITS)
      .records(TABLE)
      .map(({ place }) => place);
    expect(placed).toEqual(['row 2, column ', 'row 3, column ', 'row 4, column ']);
  });

  test('is not read beyond the maximum number of records', () => {
    expect(parseCsv(`id\n${'a\n'.repeat(500)}`, { ...CSV_LIMITS, records: 10 }).size).toBe(11);
    expect(parseCsv(`id\n${'a\n'.repeat(11)}"`, { ...CSV_LIMITS, records: 10 }).size).toBe(11);
  });
});

describe('NDJSON', () => {
  test('round-trips every record', async () => {
    await fc.assert(
      fc.asyncProperty(records, async (list) => {
        const json = JSON.stringify(list);
        const lines = String(await represent(json, 'ndjson'));
        expect(lines.split('\n').length).toBe(list.length + 1);
        expect(parseLines(lines, 1000).toJSON()).toEqual(JSON.parse(json));
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['{"a":1}\n\n{"a":2}', 'taken'],
    ['{"a":1}\r\n{"a":2}\r\n', 'taken'],
    ['', 'taken'],
    ['{"a":1}\n\n{"a":\n', 'INVALID_JSON Line 3: Not valid JSON: it ends too early'],
    ['{"a":1} {"a":2}', 'INVALID_JSON Line 1: Not valid JSON: unexpected "{" at offset 8'],
    ['{"a":1}\n{"a":1e400}', 'VALIDATION_ERROR Line 2: a: the number'],
  ])('%j is %s', (text, expected) => {
    expect(mistake(() => parseLines(text, 10))).toContain(expected);
  });

  test('is not read beyond the maximum number of records', () => {
    expect(parseLines('1\n'.repeat(500), 10).size).toBe(11);
  });
});
