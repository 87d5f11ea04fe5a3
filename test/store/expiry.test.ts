import { describe, expect, test } from 'vitest';
import type { FieldPlan } from '../../src/schema/plan.ts';
import { expiryOf, stampOf } from '../../src/store/expiry.ts';
import { tableOf } from '../schema/mistakes.ts';

const BY_TABLE = 'type T @table(expiration: 60) { id: ID! @primaryKey n: Int }';
const BY_FIELD = 'type T @table { id: ID! @primaryKey at: Date @expiresAt }';
const BY_BOTH = 'type T @table(expiration: 60) { id: ID! @primaryKey at: Date @expiresAt }';
const START = Date.parse('2100-01-01T00:00:00Z');

describe('when a record expires', () => {
  test('is not known for a table without expiration', () => {
    expect(expiryOf(tableOf('type T @table { id: ID! @primaryKey }'))).toBeUndefined();
  });

  test.each([
    [BY_TABLE, 1, 61_000],
    [BY_FIELD, '1970-01-01T00:00:09.000Z', 9000],
    [BY_FIELD, null, null],
    [BY_BOTH, '1970-01-01T00:00:09.000Z', 9000],
    [BY_BOTH, null, 61_000],
    ['type T @table { id: ID! @primaryKey at: Long @expiresAt }', 7000, 7000],
    ['type T @table { id: ID! @primaryKey at: Long @expiresAt }', 2n ** 60n, Number(2n ** 60n)],
  ])('%s with %s, written at 1000: %s', (sdl, cell, expected) => {
    expect(expiryOf(tableOf(sdl))?.(['a', cell], 1000)).toBe(expected);
  });
});

test.each([
  ['Date', '2100-01-01T00:00:00.000Z'],
  ['String', '2100-01-01T00:00:00.000Z'],
  ['Long', START],
  ['Float', START],
])('the stamp of a %s is %j', (type, expected) => {
  const field = tableOf(`type T @table { id: ID! @primaryKey f: ${type} @createdTime }`).fields[1] as FieldPlan;
  expect(stampOf(field, START)).toBe(expected);
});
