import { RE2JS } from 're2js';
import { expect, test } from 'vitest';
import { compilePattern, isPattern, type Pattern } from '../../src/schema/constraints/pattern.ts';
import { compileConstraints } from '../../src/schema/constraints/validator.ts';
import type { JsonValue } from '../../src/schema/plan.ts';
import { tableOf } from './mistakes.ts';

/** Counts the characters that a match reads. Bytes are given to it as a list that counts. */
function readsOf(source: string, text: string): number {
  const pattern = RE2JS.compile(source);
  let reads = 0;
  const bytes = new Proxy([...Buffer.from(text)], {
    get: (target, name) => {
      if (typeof name === 'string' && /^\d+$/.test(name)) reads++;
      return Reflect.get(target, name);
    },
  });
  pattern.test(bytes);
  return reads;
}

/** Patterns and texts that take other engines a time that doubles with every character. */
test.each([
  ['(a+)+$', 'a', 'b'],
  ['^(a|aa)+$', 'a', 'b'],
  ['^(a|a)*$', 'a', 'b'],
  ['^([a-zA-Z]+)*$', 'aZ', '!'],
  ['(x+x+)+y', 'x', 'z'],
  ['^(([a-z])+.)+[A-Z]([a-z])+$', 'a', '!'],
  ['(.*a){12}$', 'a', 'b'],
])('%s reads a text of twice the length at most twice as often', (source, part, end) => {
  const [once, twice] = [500, 1000].map((times) => readsOf(source, part.repeat(times) + end)) as [number, number];
  expect(once).toBeGreaterThan(0);
  expect(twice).toBeLessThan(2.2 * once);
  expect(twice).toBeLessThan(10 * 1000 * part.length);
});

test('a text is not matched beyond its bound of steps', () => {
  const pattern = compilePattern('^(a|b)*$') as Pattern;
  expect(isPattern(pattern)).toBe(true);
  expect(pattern.maxChars).toBe(Math.floor(20_000_000 / pattern.size));
  expect(pattern.test('a'.repeat(10_000))).toBe(true);
  expect(pattern.test('a'.repeat(pattern.maxChars + 1))).toBe(false);
  const [, field] = tableOf('type T @table { id: ID! @primaryKey f: String @constraint(pattern: "^(a|b)*$") }').fields;
  const problems: string[] = [];
  compileConstraints(field as never)?.(
    'a'.repeat(pattern.maxChars + 1),
    'f',
    (_path, message) => problems.push(message),
    true,
  );
  expect(problems).toEqual([`has more than ${pattern.maxChars} characters, too many to match the pattern ^(a|b)*$`]);
});

test('the items of a long list are compared in one pass', () => {
  const [, field] = tableOf(
    'type T @table { id: ID! @primaryKey f: [P] @constraint(uniqueItems: true) } type P { x: Int y: Int }',
  ).fields;
  const check = compileConstraints(field as never);
  const items: JsonValue[] = Array.from({ length: 50_000 }, (_, x) => ({ x, y: 0 }));
  const problemsOf = (value: JsonValue) => {
    const problems: string[] = [];
    check?.(value, 'f', (path, message) => problems.push(`${path} ${message}`), true);
    return problems;
  };
  expect(problemsOf(items)).toEqual([]);
  expect(problemsOf([...items, { y: 0, x: 7 }])).toEqual(['f[50000] is the same as f[7]; items must be unique']);
});
