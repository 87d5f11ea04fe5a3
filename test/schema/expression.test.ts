// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the expressions have templates of their own.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ExpressionError, type Kind, readExpression, type Value } from '../../src/schema/expression/index.ts';

const FIELDS: Readonly<Record<string, readonly [Kind, Value]>> = {
  first: ['text', 'Ada'],
  last: ['text', 'Lovelace'],
  none: ['text', null],
  big: ['text', 'x'.repeat(600_000)],
  n: ['int', 7],
  zero: ['int', 0],
  most: ['int', Number.MAX_SAFE_INTEGER],
  void: ['int', null],
  price: ['float', 1.5],
  huge: ['float', 1e308],
  yes: ['boolean', true],
  no: ['boolean', false],
  maybe: ['boolean', null],
  made: ['date', '2025-01-31T00:00:00.000Z'],
  never: ['date', null],
  tags: ['texts', ['red', null, 'blue']],
  list: ['list', [1, 2, 3]],
  gone: ['texts', null],
};

function read(text: string) {
  return readExpression(text, (name, at) => {
    const field = FIELDS[name];
    if (field === undefined) throw new ExpressionError(at, `no ${name}`);
    return field[0];
  });
}

function evaluate(text: string): Value {
  const { run, uses } = read(text);
  return run(uses.map((name) => FIELDS[name]?.[1] ?? null));
}

function mistakeOf(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return `${error.at + 1} ${error.message}${error.hint === undefined ? '' : ` | ${error.hint}`}`;
  }
  throw new Error(`${text} was taken`);
}

describe('an expression', () => {
  test.each<[string, Value]>([
    ["first + ' ' + last", 'Ada Lovelace'],
    ['`${first} ${upper(last)}: ${n} × ${price}`', 'Ada LOVELACE: 7 × 1.5'],
    ['` ${ first } `', ' Ada '],
    ['`${n == 7 ? `${first}!` : first}`', 'Ada!'],
    ["'a\\'b\\\\\\n\\`' + \"'\"", "a'b\\\n`'"],
    ['`\\${first} $5`', '${first} $5'],
    ['1 + 2 * 3', 7],
    ['(1 + 2) * 3', 9],
    ['10 - 4 - 3', 3],
    ['2 * 3 % 4', 2],
    ['-n + 1', -6],
    ['- -n', 7],
    ['n / 2', 3.5],
    ['-7 % 7', 0],
    ['1e3', 1000],
    ['n > 5 && price < 2', true],
    ['n > 5 && no || yes', true],
    ['!(n == 7)', false],
    ['n != 8', true],
    ['n == 7.0', true],
    ["n >= 7 ? 'many' : n > 3 ? 'some' : 'few'", 'many'],
    ['n<=6', false],
    ['first == last', false],
    ["made < date('2025-02-01')", true],
    ['made == date(`2025-01-31`)', true],
    ["date('nonsense')", null],
    ['yes == true', true],
    ['first + n', 'Ada7'],
    ["'' + yes", 'true'],
    ["made + ''", '2025-01-31T00:00:00.000Z'],
  ])('%s is %j', (text, value) => {
    expect(evaluate(text)).toBe(value);
  });

  test.each<[string, Value]>([
    ['lower(first)', 'ada'],
    ["trim('  a b ')", 'a b'],
    ["length('a😀é')", 3],
    ['length(tags)', 3],
    ['length(list)', 3],
    ['round(2.5)', 3],
    ['round(-2.5)', -2],
    ['round(1.005, 2)', 1.01],
    ['round(1e300, 2)', 1e300],
    ['round(-1e-7, 2)', 0],
    ['round(1.26e-7, 8)', 1.3e-7],
    ['round(price, -1)', null],
    ['floor(-1.5) + ceil(1.2)', 0],
    ['abs(-n)', 7],
    ['min(n, 3, price)', 1.5],
    ['max(n, 3)', 7],
    ['concat(first, none, n)', 'Ada7'],
    ['coalesce(none, void == null ? null : first, last)', 'Lovelace'],
    ['string(price)', '1.5'],
    ["join(tags, ', ')", 'red, blue'],
  ])('%s is %j', (text, value) => {
    expect(evaluate(text)).toBe(value);
  });

  test.each<[string, Value]>([
    ['first + none', null],
    ['`${first} ${none}`', null],
    ['n + void', null],
    ['-void', null],
    ['n < void', null],
    ['lower(none)', null],
    ['length(gone)', null],
    ['max(n, void)', null],
    ["join(gone, ',')", null],
    ['none ?? first', 'Ada'],
    ['none ?? null', null],
    ['none == null', true],
    ['n == void', false],
    ['n != void', true],
    ['never == null', true],
    ['!maybe', true],
    ['maybe && yes', false],
    ['maybe || yes', true],
    ['maybe ? 1 : 2', 2],
    ['null', null],
  ])('with null: %s is %j', (text, value) => {
    expect(evaluate(text)).toBe(value);
  });

  test.each([
    'n / zero',
    'n % zero',
    'most + 1',
    'most * most / most',
    'huge * 10',
    '-huge - huge',
    'big + big',
    '`${big}${big}`',
    'concat(big, big)',
    'round(huge)',
    'ceil(9007199254740991.0 + price)',
  ])('%s is null, since no field holds it', (text) => {
    expect(evaluate(text)).toBeNull();
  });

  test('names the fields that it uses once each', () => {
    expect(read('n + n * price + length(`n ${first}`)').uses).toEqual(['n', 'price', 'first']);
  });
});

describe('an error is reported with its location', () => {
  test.each([
    ['', '1 expected a value, found the end'],
    ['n +', '4 expected a value, found the end'],
    ['n + + 1', '5 expected a value, found "+ 1"'],
    ['n m', '3 expected an operator or the end, found "m"'],
    ['(n', '3 expected ")", found the end'],
    ['n)', '2 expected an operator or the end, found ")"'],
    ['n = 1', '3 expected an operator or the end, found "= 1" | to compare, write =='],
    ['yes ? 1', '8 expected ":" and what to take otherwise, found the end'],
    ["first + 'x", "9 the text does not end: ' is missing"],
    ['`${first`', '9 expected "}", found "`"'],
    ["'\\x'", '2 after \\ comes n, t, $, a quote or another \\'],
    ['lower(first', '12 expected "," or ")", found the end'],
    ['07', '2 expected an operator after the number, found "7"'],
    ['9007199254740993', '1 the number 9007199254740993 is too large'],
    ['1e999', '1 the number 1e999 is too large'],
    ['n + 1e-999', '5 the number 1e-999 is too small'],
    ['n + other', '5 no other'],
    ['lowr(first)', '1 there is no function "lowr" | did you mean "lower"?'],
    ['round()', '1 round cannot take 0 values | write round(number) or round(number, digits)'],
    ['lower(n)', '7 a value of lower is an integer; expected a string'],
    ['lower(first, last)', '1 lower cannot take 2 values | write lower(text)'],
    ['first * 2', '7 * does not work on a string and an integer'],
    [
      'first < last',
      '7 < does not work on a string and a string | strings are joined with + and are only equal (==) or not (!=)',
    ],
    ["made > '2025'", "6 > does not work on a Date and a string | make the string a Date: date('2025-01-31')"],
    ['made + 1', '6 + does not work on a Date and an integer'],
    ['tags + 1', '6 + does not work on a list and an integer'],
    ['first == n', '7 == does not work on a string and an integer'],
    ['n ?? first', '3 ?? does not work on an integer and a string'],
    ['yes ? n : first', '5 ?: does not work on an integer and a string'],
    ['n ? 1 : 2', '1 the part before ? is an integer; expected a boolean'],
    ['!n', '2 the part after ! is an integer; expected a boolean'],
    ['-first', '2 what follows - is a string; expected a number'],
    ['`${tags}`', '4 a part of a template is a list; expected a string, a number, a boolean, a Date'],
    ['n && yes', '1 the part before && is an integer; expected a boolean'],
    ['1 < 2 < 3', '7 < does not work on a boolean and an integer'],
    ['n.x', '2 expected an operator or the end, found ".x"'],
    ['n; n', '2 expected an operator or the end, found "; n"'],
    ['coalesce(n, first)', '1 the values of coalesce are of different kinds'],
  ])('%s', (text, message) => {
    expect(mistakeOf(text)).toBe(message);
  });

  test('length and depth are bounded', () => {
    expect(mistakeOf(`n${' + n'.repeat(300)}`)).toBe('1 an expression has at most 1000 characters');
    for (const deep of [
      `${'('.repeat(40)}n`,
      '-'.repeat(40),
      '!'.repeat(40),
      `${'n==1?1:'.repeat(40)}1`,
      'abs('.repeat(40),
    ]) {
      expect(mistakeOf(deep), deep).toMatch(/^\d+ an expression is nested at most 32 deep$/);
    }
    expect(evaluate(`n${'+n'.repeat(499)}`)).toBe(3500);
  });
});

const PIECES = [
  ...Object.keys(FIELDS),
  ...['+', '-', '*', '/', '%', '==', '!=', '<', '>=', '&&', '||', '??', '?', ':', '!', '(', ')', ',', '`', '${', '}'],
  ...[
    'lower(',
    'concat(',
    'round(',
    'coalesce(',
    'length(',
    'min(',
    "'a'",
    '1',
    '0.5',
    '1e308',
    'null',
    'true',
    ' ',
    '\\',
    '"',
  ],
];

test('any text is refused with an offset or evaluates without an exception to a JSON value', () => {
  const text = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => pieces.join(''));
  let taken = 0;
  fc.assert(
    fc.property(fc.oneof(text, fc.string({ maxLength: 20 })), (expression) => {
      let value: Value;
      try {
        value = evaluate(expression);
      } catch (error) {
        if (!(error instanceof ExpressionError)) throw error;
        expect(error.at).toBeGreaterThanOrEqual(0);
        expect(error.at).toBeLessThanOrEqual(expression.length);
        return;
      }
      taken += 1;
      if (typeof value === 'number') expect(Number.isFinite(value) && !Object.is(value, -0)).toBe(true);
    }),
    { numRuns: 5000 },
  );
  expect(taken).toBeGreaterThan(50);
});
