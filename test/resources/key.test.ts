import { describe, expect, test } from 'vitest';
import { isNumeric, keyProblem, newKeyProblem, parseKey } from '../../src/resources/key.ts';
import { tableOf } from '../schema/mistakes.ts';

const text = tableOf('type T @table { id: ID! @primaryKey }');
const int = tableOf('type T @table { id: Int! @primaryKey }');
const long = tableOf('type T @table { id: Long! @primaryKey }');

test('keys are numbers or strings, by the type of the primary key', () => {
  expect([text, int, long].map(isNumeric)).toEqual([false, true, true]);
});

describe('the key in a path', () => {
  test.each([
    [text, 'a/b c?é😀', 'a/b c?é😀'],
    [text, '42', '42'],
    [int, '42', 42],
    [int, '-1', -1],
    [int, '9007199254740991', 2 ** 53 - 1],
    [long, '0', 0],
  ] as const)('of %o: %j is %j', (table, segment, expected) => {
    expect(parseKey(table, segment, 20)).toBe(expected);
  });

  test.each([
    [text, '', 'must not be empty'],
    [text, 'x'.repeat(21), 'must have at most 20 characters'],
    [text, 'a\u0000', 'must not have control characters'],
    [text, 'a\u007f', 'must not have control characters'],
    [text, 'a\u0085', 'must not have control characters'],
    [text, '\udc00', 'must be well-formed Unicode'],
    [int, 'x', 'must be an integer within ±(2^53−1)'],
    [int, '1.5', 'must be an integer within ±(2^53−1)'],
    [int, '', 'must be an integer within ±(2^53−1)'],
    [long, '9007199254740992', 'must be an integer within ±(2^53−1)'],
  ] as const)('of %o: %j %s', (table, segment, problem) => {
    expect(() => parseKey(table, segment, 20)).toThrow(
      expect.objectContaining({ code: 'INVALID_ID', message: `The id ${problem}.` }),
    );
  });
});

test.each([
  [text, 5, 'must be a string'],
  [text, null, 'must be a string'],
  [int, '5', 'must be an integer within ±(2^53−1)'],
  [int, 5, undefined],
  [text, 'x'.repeat(20), undefined],
] as const)('a key of %o that is %j: %s', (table, value, problem) => {
  expect(keyProblem(table, value, 20)).toBe(problem);
});

test.each([
  [text, '.', 'must not be "." or "..", which URLs cannot name'],
  [text, '..', 'must not be "." or "..", which URLs cannot name'],
  [text, '...', undefined],
  [text, '.a', undefined],
  [text, '', 'must not be empty'],
  [int, '.', 'must be an integer within ±(2^53−1)'],
] as const)('a key of %o that is new and %j: %s', (table, value, problem) => {
  expect(newKeyProblem(table, value, 20)).toBe(problem);
});

test('the length of an id is the number of its characters, whatever plane they are of', () => {
  expect(keyProblem(text, '😀'.repeat(20), 20)).toBeUndefined();
  expect(keyProblem(text, '😀'.repeat(21), 20)).toBe('must have at most 20 characters');
});
