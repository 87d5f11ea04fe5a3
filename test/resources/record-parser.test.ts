import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { RecordParser } from '../../src/resources/body/record-parser.ts';
import { tableOf } from '../schema/mistakes.ts';

const LIMITS = { jsonDepth: 5, jsonKeys: 20, id: 5, body: 1000 };
const SDL = `
  enum Colour { red green }
  type T @table {
    id: ID! @primaryKey title: String! n: Int @default(value: 7) b: Boolean l: Long
    tags: [String!] extra: JSON c: Colour @default(value: green) made: Date @createdTime
  }`;
const parser = new RecordParser(tableOf(SDL), LIMITS);

function errorsOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [error.code, ...(error.errors ?? []).map(({ field, message }) => `${field} ${message}`)];
  }
  return 'taken';
}

describe('a full record', () => {
  test('becomes cells in the order of the fields, with defaults', () => {
    expect(parser.parseFull({ title: 'x', id: 'a' })).toEqual([
      'a',
      'x',
      7,
      null,
      null,
      null,
      null,
      'green',
      undefined,
    ]);
    const all = { id: 'a', title: 'x', n: '1', b: true, l: '9007199254740993', tags: ['t'], extra: { x: 1 }, c: 'red' };
    expect(parser.parseFull(all)).toEqual(['a', 'x', 1, 1, 9007199254740993n, '["t"]', '{"x":1}', 'red', undefined]);
    expect(parser.parseFull({ title: 'x', b: 'false', n: null, l: 5 }).slice(0, 5)).toEqual([
      undefined,
      'x',
      null,
      0,
      5,
    ]);
  });

  test.each(['Int', 'Long'])('has a key of %s as a number or as its literal', (type) => {
    const numbers = new RecordParser(tableOf(`type T @table { id: ${type}! @primaryKey v: String }`), LIMITS);
    expect(numbers.parseFull({ id: 12345678 })).toEqual([12345678, null]);
    expect(numbers.parseFull({ id: '12345678' })).toEqual([12345678, null]);
    expect(numbers.parseFull({ id: '-7' })).toEqual([-7, null]);
    for (const id of ['', '07', '1.0', '1e3', ' 1', '9007199254740992']) {
      expect(errorsOf(() => numbers.parseFull({ id }))).toEqual([
        'VALIDATION_ERROR',
        'id must be an integer within ±(2^53−1)',
      ]);
    }
  });

  test('is refused with every wrong field named', () => {
    expect(errorsOf(() => parser.parseFull({ n: 'x', b: 2, tags: [1], made: '2025-01-01', titel: 'x' }))).toEqual([
      'VALIDATION_ERROR',
      'n must be an Int: an integer within ±(2^53−1)',
      'b must be true or false',
      'tags[0] must be a string',
      'made is set by the server; leave it out',
      expect.stringMatching(/^titel is not a field of this type; did you mean "title"\?$/),
      'title is required',
    ]);
    expect(errorsOf(() => parser.parseFull({ title: null }))).toEqual(['VALIDATION_ERROR', 'title must not be null']);
  });

  test.each([
    ['', 'must not be empty'],
    ['123456', 'must have at most 5 characters'],
    [5, 'must be a string'],
    ['a\n', 'must not have control characters'],
    ['\ud800', 'must be well-formed Unicode'],
    [null, 'must not be null'],
  ])('is refused with the id %j: %s', (id, message) => {
    expect(errorsOf(() => parser.parseFull({ id, title: 'x' }))).toEqual(['VALIDATION_ERROR', `id ${message}`]);
  });

  test.each([[null], [[]], ['text'], [5], [undefined]])('must be an object, not %j', (body) => {
    expect(errorsOf(() => parser.parseFull(body))).toEqual([
      'VALIDATION_ERROR',
      ' must be a JSON object with the fields of T',
    ]);
  });

  test('of too many members is refused before they are checked', () => {
    const body = Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`f${n}`, 1]));
    expect(errorsOf(() => parser.parseFull(body))).toEqual(['TOO_WIDE']);
  });

  test('may not have members that only look like fields', () => {
    const body: unknown = JSON.parse('{"title":"x","__proto__":{"n":1},"constructor":1}');
    expect(errorsOf(() => parser.parseFull(body))).toEqual([
      'VALIDATION_ERROR',
      expect.stringMatching(/^__proto__ is not a field/),
      expect.stringMatching(/^constructor is not a field/),
    ]);
  });
});

describe('a partial record', () => {
  test('leaves out the fields that were not sent', () => {
    expect(parser.parsePatch({ n: 1 })).toEqual([undefined, undefined, 1, ...new Array(6).fill(undefined)]);
    expect(parser.parsePatch({})).toEqual(new Array(9).fill(undefined));
    expect(parser.parsePatch({ b: null })[3]).toBeNull();
  });

  test('may not clear required fields', () => {
    expect(errorsOf(() => parser.parsePatch({ title: null }))).toEqual(['VALIDATION_ERROR', 'title must not be null']);
  });
});

describe('several records', () => {
  test('are parsed in order', () => {
    expect(parser.parseBatch([{ title: 'x' }, { title: 'y' }]).map(([, title]) => title)).toEqual(['x', 'y']);
    expect(parser.parseBatch([])).toEqual([]);
  });

  test('are refused together, each error with its index', () => {
    expect(errorsOf(() => parser.parseBatch([{}, { title: 'x' }, 5, { title: 'x', n: [] }]))).toEqual([
      'VALIDATION_ERROR',
      '[0].title is required',
      '[2] must be a JSON object with the fields of T',
      '[3].n must be an Int: an integer within ±(2^53−1)',
    ]);
    const deep = { title: 'x', extra: [[[[[[]]]]]] };
    expect(errorsOf(() => parser.parseBatch([{}, deep]))).toEqual(['TOO_DEEP']);
  });
});
