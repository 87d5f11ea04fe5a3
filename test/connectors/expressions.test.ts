import { describe, expect, test } from 'vitest';
import { PermanentError } from '../../src/connectors/connector.ts';
import { type CelScope, compileExpression, type Wanted } from '../../src/connectors/flows/expressions/cel.ts';

const NOW = new Date('2026-01-02T03:04:05.678Z');
const INPUT = {
  n: 3,
  half: 2.5,
  text: 'abc',
  list: [1, 2, 3],
  nested: { a: { b: true } },
  nothing: null,
  items: [{ x: 1 }],
};
const SCOPE: CelScope = { input: INPUT, auth: { sub: 'ann', roles: ['editor'] }, now: NOW };

function run(text: string, wanted: Wanted = 'any', scope: CelScope = SCOPE): unknown {
  const compiled = compileExpression(text, wanted);
  if ('message' in compiled) throw new Error(`not compiled: ${compiled.message}`);
  return compiled.value(scope);
}

function mistake(text: string, wanted: Wanted = 'any'): string {
  const compiled = compileExpression(text, wanted);
  return 'message' in compiled ? `${compiled.message} | ${compiled.hint ?? ''}` : 'no mistake';
}

describe('numbers of JSON and whole numbers of expressions', () => {
  test.each([
    ['input.n + 1', 4],
    ['1 + input.n', 4],
    ['input.n - 1', 2],
    ['input.n * 2 + input.half', 8.5],
    ['input.n / 2', 1.5],
    ['7 / input.half', 2.8],
    ['input.n % 2', 1],
    ['input.n % input.half', 0.5],
    ['-input.n', -3],
    ['1 + 2', 3],
    ['5 / 2', 2],
    ['input.list[input.n - 1]', 3],
    ['size(input.list)', 3],
    ['uint(7)', 7],
    ['string(input.n)', '3'],
    ['int(input.half)', 2],
  ])('%s is %s', (text, value) => {
    expect(run(text)).toBe(value);
  });

  test.each(['input.n == 3', '3 == input.n', 'input.n > 2', 'input.n <= 3', 'input.n in [1, 2, 3]', 'input.half > 2'])(
    '%s holds',
    (text) => expect(run(text, 'bool')).toBe(true),
  );
});

describe('values', () => {
  test.each([
    ['input', INPUT],
    ['{"a": input.n, "b": 1, "c": [1, "x", null]}', { a: 3, b: 1, c: [1, 'x', null] }],
    ['input.list.filter(x, x > 1).map(x, x * 2)', [4, 6]],
    ['input.nested.a.b', true],
    ['input["text"] + "!"', 'abc!'],
    ['has(input.missing)', false],
    ['has(input.nested.a)', true],
    ['input.nothing == null', true],
    ['now', NOW.toISOString()],
    ['string(now)', NOW.toISOString()],
    ['now - duration("1h")', '2026-01-02T02:04:05.678Z'],
    ['now.getFullYear()', 2026],
    ['bytes("hi")', 'aGk='],
    ['auth.sub', 'ann'],
    ['"editor" in auth.roles', true],
    ['auth', { sub: 'ann', roles: ['editor'] }],
    ['input.text.upperAscii() + input.text.substring(1)', 'ABCbc'],
    ['input.text.startsWith("a") ? "yes" : "no"', 'yes'],
    ['cel.bind(x, input.n + 1, x * x)', 16],
    ['duration("90s")', '90s'],
  ])('%s', (text, value) => {
    const result = run(text);
    expect(result).toEqual(value);
    expect(JSON.parse(JSON.stringify(result))).toEqual(value);
  });

  test('members that every object of the language has are no members of the input', () => {
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
      expect(() => run(`input.${name}`)).toThrow(`No such key: ${name}`);
      expect(run(`has(input.${name})`)).toBe(false);
    }
    const input = JSON.parse('{"__proto__": {"polluted": true}}') as CelScope['input'];
    const copy = run('input', 'object', { ...SCOPE, input });
    expect(JSON.stringify(copy)).toBe('{"__proto__":{"polluted":true}}');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('a Long, however large it is', () => {
  const withBig = (big: unknown): CelScope => ({ ...SCOPE, input: { record: { big } } });
  const [held, text, least] = [withBig(9007199254740991), withBig('9007199254740993'), withBig('-9223372036854775808')];

  test.each([
    ['int(input.record.big) > 5', [true, true, false]],
    ['int(input.record.big) == 9007199254740993', [false, true, false]],
    ['int(input.record.big)', [9007199254740991, '9007199254740993', '-9223372036854775808']],
    ['int(input.record.big) + 2', ['9007199254740993', '9007199254740995', '-9223372036854775806']],
    ['[int(input.record.big) / 2]', [[4503599627370495], [4503599627370496], ['-4611686018427387904']]],
    ['string(int(input.record.big))', ['9007199254740991', '9007199254740993', '-9223372036854775808']],
    ['input.record.big', [9007199254740991, '9007199254740993', '-9223372036854775808']],
  ])('%s', (expression, values) => {
    expect([held, text, least].map((scope) => run(expression, 'any', scope))).toEqual(values);
  });

  test('without int() it is compared while it is a number, and beyond 64 bits there is none', () => {
    expect(run('input.record.big > 5', 'any', held)).toBe(true);
    expect(() => run('input.record.big > 5', 'any', text)).toThrow('no such overload');
    expect(() => run('int(input.record.big)', 'any', withBig('9223372036854775808'))).toThrow(PermanentError);
    expect(() => run('int(input.record.big) + 1', 'any', withBig('9223372036854775807'))).toThrow(PermanentError);
  });
});

describe('matches', () => {
  const withText = (text: unknown): CelScope => ({ ...SCOPE, input: { text } as CelScope['input'] });

  test.each([
    ['input.text.matches("^a+$")', 'aaa', true],
    ['input.text.matches("^a+$")', 'aab', false],
    ['input.text.matches("(?i)HELLO")', 'oh, hello', true],
    ['input.text.exists(one, one.matches("^[0-9]{2}$"))', ['a', '12'], true],
    ['input.text.matches("^\\\\p{L}+$") ? "word" : "none"', 'ärger', 'word'],
  ])('%s', (expression, text, value) => {
    expect(run(expression, 'any', withText(text))).toBe(value);
  });

  test('of a pattern that explodes elsewhere takes a bounded number of steps', () => {
    expect(run('input.text.matches("(a+)+$")', 'any', withText(`${'a'.repeat(100_000)}b`))).toBe(false);
    const many = new Array(300).fill('a'.repeat(10_000));
    expect(() => run('input.text.all(one, one.matches("(a+)+b?$"))', 'any', withText(many))).toThrow(
      'the strings are too long for the patterns of the expression',
    );
  });
});

describe('errors are reported when an expression is compiled', () => {
  test.each([
    [
      'foo',
      'any',
      /^Unknown variable: foo \(at character 1\) \| there are input, auth and now: did you mean input\.foo/,
    ],
    ['1 +', 'any', /^Unexpected token: EOF \(at character 4\)/],
    ['"a" + 1', 'any', /^no such overload: string \+ int/],
    ['auth.subject', 'any', /^No such key: subject/],
    ['input.text.matches("(?=a)")', 'any', /^the pattern does not compile: invalid or unsupported Perl syntax/],
    ['input.text.matches("(a)\\\\1")', 'any', /^the pattern does not compile: invalid escape sequence/],
    ['input.text.matches("[a-z]{1,900}")', 'any', /^the pattern compiles to 1801 instructions, and 1000 are allowed/],
    ['input.list.exists(x, x.matches(input.text))', 'any', /^the pattern of matches is a string in quotes/],
    ['input.text.matches("a", "b")', 'any', /^matches has one argument, the pattern/],
    ['input.text', 'object', /^no mistake/],
    ['"text"', 'bool', /^expected an expression that gives true or false, this one gives string/],
    ['input.n == 3', 'object', /^expected an expression that gives an object, this one gives bool/],
    ['now.nope()', 'any', /^found no matching overload/],
    [`"${'x'.repeat(5000)}"`, 'any', /^an expression has at most 4096 characters/],
    [`${'('.repeat(200)}1${')'.repeat(200)}`, 'any', /^Exceeded max/],
    [`[${'1,'.repeat(300)}1]`, 'any', /^Exceeded max/],
    [`${'1+'.repeat(1500)}1`, 'any', /^Exceeded max/],
  ] as const)('%.40s as %s', (text, wanted, message) => {
    expect(mistake(text, wanted)).toMatch(message);
  });
});

describe('expressions without a value for an event', () => {
  test.each([
    ['input.missing', 'any', 'input.missing: No such key: missing'],
    ['input.text + input.n', 'any', 'no such overload'],
    ['input.text', 'bool', 'the result is not true or false'],
    ['input.list', 'object', 'the result is not an object'],
    ['1.0 / 0.0', 'any', 'not a number of JSON'],
    ['type(input.n)', 'any', 'cannot be converted to JSON'],
  ] as const)('%s as %s is refused for good', (text, wanted, message) => {
    expect(() => run(text, wanted)).toThrow(PermanentError);
    expect(() => run(text, wanted)).toThrow(message);
  });

  test('macros inside each other are for small inputs', () => {
    const text = 'input.list.map(x, input.list.filter(y, x == y)).size()';
    expect(run(text)).toBe(3);
    const large = { ...SCOPE, input: { list: Array.from({ length: 2000 }, (_, index) => index) } };
    expect(() => run(text, 'any', large)).toThrow('too many items for macros inside each other');
    expect(run('input.list.map(x, x + 1).size()', 'any', large)).toBe(2000);
  });
});
