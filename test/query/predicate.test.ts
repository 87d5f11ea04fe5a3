import { describe, expect, test } from 'vitest';
import { compilePredicate, type JsonRecord } from '../../src/query/predicate.ts';
import { parseFilter } from '../../src/query/syntax/parse.ts';
import { PRODUCT } from './products.ts';
import { field, LIMITS, scalar, table } from './tables.ts';

function holds(filter: string, record: JsonRecord, plan = PRODUCT): boolean {
  return compilePredicate(parseFilter(filter, plan, LIMITS))(record);
}

describe('compilePredicate', () => {
  test('treats a missing field as null, as in the data of a publish', () => {
    expect(holds('title==null', {})).toBe(true);
    expect(holds('title!=x', {})).toBe(true);
    expect(holds('title==x', {})).toBe(false);
    expect(holds('stock<5', {})).toBe(false);
    expect(holds('maker.name==null', { maker: {} })).toBe(true);
    expect(holds('tags==x', {})).toBe(false);
  });

  test('ignores members of the prototype', () => {
    const plan = table('Odd', [field('id', scalar('ID')), field('toString', scalar('String'))]);
    expect(holds('toString==null', {}, plan)).toBe(true);
    expect(holds('toString==x', { toString: 'x' }, plan)).toBe(true);
  });

  test('finds nothing in a value of another type, as a published one may have', () => {
    expect(holds('stock>1', { stock: '5' })).toBe(false);
    expect(holds('title=gt=a', { title: 5 })).toBe(false);
    expect(holds('title==5*', { title: 5 })).toBe(false);
    expect(holds('title==5*5', { title: 55 })).toBe(false);
    expect(holds('title=ct=5', { title: 55 })).toBe(false);
    expect(holds('title=ew=5', { title: 55 })).toBe(false);
    expect(holds('tags==x', { tags: 'x' })).toBe(false);
    expect(holds('maker.name==null', { maker: ['x'] })).toBe(true);
    expect(holds('serial>1', { serial: true })).toBe(false);
    expect(holds('serial==5', { serial: 'five' })).toBe(false);
  });

  test('compares a Long exactly, whether it comes as a number or as digits', () => {
    expect(holds('serial==9007199254740993', { serial: '9007199254740993' })).toBe(true);
    expect(holds('serial==9007199254740993', { serial: 9007199254740992 })).toBe(false);
    expect(holds('serial>9007199254740992', { serial: '9007199254740993' })).toBe(true);
    expect(holds('serial<9007199254740993', { serial: 7 })).toBe(true);
    expect(holds('serial=in=(7,9007199254740993)', { serial: '9007199254740993' })).toBe(true);
    expect(holds('serial=gele=(-9223372036854775808,-9223372036854775807)', { serial: '-9223372036854775808' })).toBe(
      true,
    );
  });
});
