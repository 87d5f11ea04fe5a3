import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareText, prefixBound } from '../../src/query/compare.ts';

// Well-formed, with characters around the surrogates.
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom('a', 'b', '\u007f', '\u0080', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}'),
    fc.constant('😀'),
  ),
  maxLength: 5,
});

describe('compareText', () => {
  test('orders as the bytes of UTF-8 do', () => {
    const property = fc.property(text, text, (a, b) => {
      expect(Math.sign(compareText(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    });
    fc.assert(property, { numRuns: 2000 });
  });
});

describe('prefixBound', () => {
  test.each([
    ['a', 'b'],
    ['az', 'a{'],
    ['\ud7ff', '\ue000'],
    ['\uffff', '\u{10000}'],
    ['a\u{10ffff}', 'b'],
    ['\u{10ffff}', undefined],
    ['\u{10ffff}\u{10ffff}', undefined],
    ['', undefined],
  ])('of %j is %j', (prefix, bound) => {
    expect(prefixBound(prefix)).toBe(bound);
  });

  test('the strings from the prefix to below the bound are those that start with it', () => {
    const property = fc.property(text, text, (prefix, value) => {
      fc.pre(prefix !== '');
      for (const candidate of [value, prefix + value]) {
        const bound = prefixBound(prefix);
        const within =
          compareText(candidate, prefix) >= 0 && (bound === undefined || compareText(candidate, bound) < 0);
        expect(within).toBe(candidate.startsWith(prefix));
      }
    });
    fc.assert(property, { numRuns: 2000 });
  });
});
