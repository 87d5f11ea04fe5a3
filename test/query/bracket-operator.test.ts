import type { Database } from 'better-sqlite3';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { compilePredicate } from '../../src/query/predicate.ts';
import type { Filter } from '../../src/query/syntax/ast.ts';
import { AUTHOR, BOOK, query as queryOf } from './library.ts';
import { listRecords, openProducts, parse, ROWS } from './products.ts';

let db: Database;
beforeAll(() => {
  db = openProducts();
});
afterAll(() => db.close());

/** Returns the numbers of the records that SQL finds, after the predicate has found the same. */
function find(query: string): string {
  const found = listRecords(db, query).map(({ id }) => id);
  const { filter } = parse(query);
  const matches = filter && compilePredicate(filter);
  const expected = matches === undefined ? ROWS : ROWS.filter((row) => matches(row));
  expect([...found].sort(), query).toEqual(expected.map(({ id }) => id));
  return found.map((id) => String(Number(id.slice(1)))).join(' ');
}

type Encode = (name: string, value: string) => string;

const raw = (text: string, ...characters: string[]) =>
  characters.reduce((all, one) => all.replaceAll(encodeURIComponent(one), one), encodeURIComponent(text));

/** Encodings of a parameter by client libraries. */
const CLIENTS: Readonly<Record<string, Encode>> = {
  'URLSearchParams, ky, got': (name, value) => new URLSearchParams({ [name]: value }).toString(),
  'encodeURIComponent of the value': (name, value) => `${name}=${encodeURIComponent(value)}`,
  'encodeURIComponent of both': (name, value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
  axios: (name, value) => {
    const encode = (text: string) => raw(text, ':', '$', ',', '[', ']').replaceAll('%20', '+');
    return `${encode(name)}=${encode(value)}`;
  },
  'Python requests, curl --data-urlencode': (name, value) => {
    const encode = (text: string) =>
      encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
    return `${encode(name)}=${encode(value)}`;
  },
  'lower-case escapes': (name, value) =>
    `${name}=${encodeURIComponent(value)}`.replace(/%[0-9A-F]{2}/g, (one) => one.toLowerCase()),
};

describe('an operator in brackets', () => {
  test.each([
    ['price[gt]=25', '17 18 19'],
    ['price%5Bgt%5D=25', '17 18 19'],
    ['price%5bgt%5d=25', '17 18 19'],
    ['price[gt%5D=25', '17 18 19'],
    ['price[>]=25', '17 18 19'],
    ['price%5B%3E%3D%5D=27', '18 19'],
    ['title[===]=null', '10'],
    ['title[eq]=null', '7'],
    ['title[ne]=null', '1 2 3 4 5 6 8 9 10 11 12 13 14 15 16 17 18 19 20'],
    ['title[eq]=string:x', '11'],
    ['title[eq]=A*', ''],
    ['title[eq]=Big*Star', '6'],
    ['title[eq]=%5B1%5D', '18'],
    ['title[eq]=[1]', '18'],
    ['title[eq]=(group)', '17'],
    ['title[eq]=', '20'],
    ['title[eq]=Tea+%26+Jam', '8'],
    ['title[sw]=Tea%20%26', '8'],
    ['title[eq]=x%7Cy', '9'],
    ["title[ew]='Hara", '19'],
    ['title[ct]=null', '10'],
    ['title[ft]=tea+jam', '8'],
    ['title[in]=Box,Axe', '2 3'],
    ['title[in]=Box%2CAxe', '2 3'],
    ['title[in]=%22Hello%2C%20World%22%2CAxe', '2 15'],
    ['title[in]="Say%20\\"hi\\"",Axe', '2 16'],
    ['title[in]=null,Box', '3 7'],
    ['title[in]=%22null%22,Box', '3 10'],
    ['title[out]=null,Box,Boxcar', '1 2 5 6 8 9 10 11 12 13 14 15 16 17 18 19 20'],
    ['title[in]=%22%22', '20'],
    ['title[in]=,Box', '3 20'],
    ['title[in]=', ''],
    ['price[in]=', ''],
    ['tags[in]=', ''],
    ['parts.name[in]=', ''],
    ['!title[in]=&stock[gt]=9', '20'],
    ['price[gele]=3,6', '2 3 4'],
    ['price[gtlt]=3%2C6', '3'],
    ['made[ge]=2025-01-19', '19 20'],
    ['made[eq]=2025-01-03T11:30%2B01:00', '3'],
    ['serial[eq]=9007199254740993', '3'],
    ['kind[eq]=TOY&stock[gt]=5', '16'],
    ['maker.founded[gt]=1950', '2'],
    ['parts.weight[gt]=1', '1'],
    ['tags[ct]=red', '1 2'],
    ['tags[in]=red,big&tags[in]=big,x', '1'],
    ['limit[gt]=18', '19 20'],
    ['limit%5Bgt%5D=18&limit=5', '19 20'],
    ['stock[gt]=8|stock[lt]=-8', '1 19 20'],
    ['kind[in]=TOY|kind[in]=BOOK', '9 10 11 12 13 14 15 16'],
    ['(stock[gt]=8|title[eq]=%28group%29)&active[eq]=false', '17 19'],
    ['[stock[gt]=8|stock=-9]&active=false', '1 19'],
    ['!price[gt]=3', '1 2 5 10 15 20'],
    ['%21price%5Bgt%5D=3', '1 2 5 10 15 20'],
    ['%21(stock[lt]=9)', '19 20'],
  ])('%s', (query, expected) => {
    expect(find(query)).toBe(expected);
  });

  test('works on records of other tables', () => {
    const filterOf = (text: string) => queryOf(BOOK, text).filter;
    expect(filterOf('author.name[sw]=A')).toEqual(filterOf('author.name=sw=A'));
    expect(filterOf('tags.label[in]=a,b')).toEqual(filterOf('tags.label=in=a,b'));
    expect(filterOf('author[eq]=null')).toEqual(filterOf('author==null'));
    expect(filterOf('author[ne]=null')).toEqual(filterOf('author!=null'));
    const books = (text: string) => queryOf(AUTHOR, text).filter;
    expect(books('books.title[ne]=x')).toEqual(books('books.title!=x'));
  });
});

describe('an error names the column, the text there and what to write instead', () => {
  test.each([
    ['title[sx]=Bo', 'title', 'column 6: no operator "[sx]"; did you mean "sw"?'],
    ['title%5Bsx%5D=Bo', 'title', 'column 6: no operator "[sx]"; did you mean "sw"?'],
    ['price[gte]=1', 'price', 'no operator "[gte]"; did you mean "ge"?'],
    ['price[$lte]=1', 'price', 'no operator "[$lte]"; did you mean "le"?'],
    ['title[_contains]=1', 'title', 'no operator "[_contains]"; did you mean "ct"?'],
    ['title[starts_with]=1', 'title', 'did you mean "sw"?'],
    ['price=gte=1', 'price', 'column 6: no operator "=gte="; did you mean "ge"?'],
    [
      'title[greater]=1',
      'title',
      'no operator "[greater]"; there are eq, ne, gt, ge, lt, le, ct, sw, ew, in, out, gele',
    ],
    ['title[constructor]=1', 'title', 'no operator "[constructor]"; there are'],
    ['title[]=a', 'title', 'no operator "[]"; several values are written title[in]=a,b'],
    ['title%5B%5D=a&title%5B%5D=b', 'title', 'several values are written title[in]=a,b'],
    ['title[0]=a', 'title', 'no operator "[0]"'],
    ['maker[name]=a', 'maker', 'no operator "[name]"; a field of maker is written maker.name'],
    ['maker[gt]=a', 'maker', 'maker is an object: compare one of its fields, such as maker.name'],
    ['title[sw', 'title', 'column 6: expected ] after the operator, as in title[gt]=10'],
    ['title[sw=Bo', 'title', 'expected ] after the operator'],
    ['title[sw]', 'title', 'column 10: expected = after title[sw], found the end'],
    ['title[sw]%3DBo', 'title', 'column 10: expected = after title[sw], found "%3DBo"'],
    ['title[sw]>Bo', 'title', 'expected = after title[sw], found ">Bo"'],
    ['title[sw][]=Bo', 'title', 'expected = after title[sw], found "[]=Bo"'],
    ['title[eq]==Bo', 'title', 'column 11: one = stands after title[eq]; a value that begins with = is written %3D'],
    ['price[gt]=x', 'price', 'column 11: expected a Float (a finite number), found "x"'],
    ['price[in]=1,x', 'price', 'column 11: expected a Float (a finite number), found "x"'],
    ['price[gt]=null', 'price', 'null has no order'],
    ['price[gele]=1', 'price', 'a range takes two values, such as 10,100; found 1'],
    ['price[ct]=1', 'price', '=ct=, =sw= and =ew= work on String and ID only'],
    ['title[~]=^A', 'title', 'regular expressions are not supported'],
    ['kind[eq]=toy', 'kind', 'expected a Kind (TOOL, TOY, BOOK), found "toy"; did you mean "TOY"?'],
    ['kind[gt]=TOY', 'kind', 'kind is a Kind, which has no order for a comparison'],
    ['made[ge]=2025-01-01T10:00:00+01:00', 'made', 'in a query string + is written %2B'],
    ['title[out]=', 'title', 'column 12: title[out] has no values; the empty string is written ""'],
    ['price[gele]=', 'price', 'price[gele] has no values'],
    ['maker[in]=', 'maker', 'maker is an object: compare one of its fields'],
    ['extra[in]=', 'extra', 'extra is JSON'],
    [
      'title[in]=(a,b)',
      'title',
      'a list after brackets is title[in]=a,b; a value that begins with ( must be in quotes',
    ],
    ['title[in]="a,b', 'title', 'column 11: a value that begins with " is a whole string of JSON, found ""a,b"'],
    ['title[in]="a"b', 'title', 'a value that begins with " is a whole string of JSON'],
    ['title[in]="\\ud800"', 'title', 'the text is not well-formed Unicode'],
    ['title[in]=a&title[in]=b', 'title', 'column 18: title[in] is given twice; several values are one list'],
    ['title[eq]=%zz', 'title', 'column 11: % is followed by two hexadecimal digits'],
    ['title[eq]=a%00', 'title', 'a value holds no NUL character'],
    ['title[%zz]=a', 'title', '% is followed by two hexadecimal digits'],
    ['(title[eq]=a(b)|stock=1)', 'title', 'column 13: in a value inside a group ( is written %28'],
    ['titel[eq]=a', 'titel', 'column 1: Product has no field or parameter "titel"; did you mean "title"?'],
    ['offset[gt]=5', 'offset', 'column 7: offset is a parameter, which takes no operator; write offset='],
    ['(offset[gt]=5)', 'offset', 'offset is a parameter, which takes no operator'],
    ['filter[title]=x', 'filter', 'filter is a parameter, which takes no operator'],
    ['title=a(b)', 'title', 'column 8: in a value ( is written %28, or as it is after title[eq]='],
  ])('%s', (query, field, message) => {
    expectRefusal(query, field, message);
  });

  test('filter= refuses brackets and names its own spelling', () => {
    const message = 'column 6: here an operator is between equals signs, as in price=gt=10';
    expectRefusal(`filter=${encodeURIComponent('price[gt]=10')}`, 'filter', message);
  });
});

function expectRefusal(query: string, field: string, message: string): void {
  try {
    parse(query);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    expect(error.code).toBe('INVALID_QUERY');
    expect(error.errors).toEqual([{ field, message: expect.stringContaining(message) }]);
    return;
  }
  throw new Error(`${query} was accepted`);
}

describe('an operator whose = arrived percent-encoded is refused with both ways to write it', () => {
  const both = (rest: string, text: string) =>
    `looks like an operator whose = was percent-encoded; write title[sw]=${rest}, or for this text title[eq]=${text} or title===${text}`;

  test.each([
    ['title=sw%3DBo', 'title', `column 7: "sw=Bo" ${both('Bo', 'sw=Bo')}`],
    ['title=sw%3dBo', 'title', both('Bo', 'sw=Bo')],
    ['title=sw%253DBo', 'title', `"sw%3DBo" ${both('Bo', 'sw%3DBo')}`],
    ['title=%3Dsw%3DBo', 'title', `"=sw=Bo" ${both('Bo', '=sw=Bo')}`],
    ['title=sw%3DR%26D+x', 'title', both('R&D x', 'sw=R&D x')],
    ['title=sw%3D', 'title', both('', 'sw=')],
    [
      'price=gt%3D1',
      'price',
      'column 7: "gt=1" looks like an operator whose = was percent-encoded; write price[gt]=1,',
    ],
    ['kind=in%3DTOY%2CTOOL', 'kind', 'write kind[in]=TOY,TOOL,'],
    ['price=gele%3D1%2C2', 'price', 'write price[gele]=1,2,'],
    ['(title=sw%3DBo|stock=1)', 'title', both('Bo', 'sw=Bo')],
    [
      'title%3Dsw=Bo',
      'title',
      'found "%3Dsw=Bo"; an operator that is percent-encoded must be in brackets, as in title[eq]=',
    ],
    ['title%253D%253DBo', 'title', 'an operator that is percent-encoded must be in brackets'],
    [`title=sw%3D${'x'.repeat(500)}`, 'title', `write title[sw]=${'x'.repeat(60)}…, or`],
  ])('%s', (query, field, message) => {
    expectRefusal(query, field, message);
  });

  test.each([
    ['title=a%3Db', 'a=b'],
    ['title=%3DBo', '=Bo'],
    ['title=swx%3DBo', 'swx=Bo'],
    ['title=SW%3DBo', 'SW=Bo'],
    ['title=x%20sw%3DBo', 'x sw=Bo'],
    ['title==sw%3DBo', 'sw=Bo'],
    ['title===sw%3DBo', 'sw=Bo'],
    ['title===sw=Bo', 'sw=Bo'],
    ['title[eq]=sw=Bo', 'sw=Bo'],
    ['title[eq]=sw%3DBo', 'sw=Bo'],
    ['title=eq=sw%3DBo', 'sw=Bo'],
  ])('%s is the text %s', (query, value) => {
    expect(parse(query).filter).toMatchObject({ type: 'compare', op: 'eq', value });
  });
});

const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((it) => !it.includes('\0') && it.isWellFormed());

/** Returns the filter without its paths. */
function withoutPath(filter: Filter | undefined): unknown {
  return JSON.parse(JSON.stringify(filter, (name, value) => (name === 'path' ? undefined : value)));
}

describe.each(Object.entries(CLIENTS))('what %s sends', (_, encode) => {
  const filterOf = (name: string, value: string) => withoutPath(parse(encode(name, value)).filter);

  test('any text arrives as it is', () => {
    const property = fc.property(text, text, (value, other) => {
      expect(filterOf('title[===]', value)).toEqual({ type: 'compare', op: 'eq', value });
      expect(filterOf('title[!==]', value)).toEqual({ type: 'not', item: { type: 'compare', op: 'eq', value } });
      expect(filterOf('title[ct]', value)).toEqual({ type: 'text', op: 'contains', value });
      expect(filterOf('title[sw]', value)).toEqual({ type: 'text', op: 'starts', value });
      expect(filterOf('title[ew]', value)).toEqual({ type: 'text', op: 'ends', value });
      const values = [value, other, 'null'];
      const list = values.map((it) => JSON.stringify(it)).join(',');
      expect(filterOf('title[in]', list)).toEqual({ type: 'in', values: [...new Set(values)] });
      if (value !== 'null') expect(filterOf('title[eq]', value)).toEqual({ type: 'compare', op: 'eq', value });
    });
    fc.assert(property, { numRuns: 200 });
  });

  test('beside other parameters and conditions', () => {
    const query = [encode('title[sw]', 'R&D (x)|y'), encode('price[gt]', '1'), encode('limit', '2')].join('&');
    const { filter, limit } = parse(query);
    expect(limit).toBe(2);
    expect(withoutPath(filter)).toEqual({
      type: 'and',
      items: [
        { type: 'text', op: 'starts', value: 'R&D (x)|y' },
        { type: 'compare', op: 'gt', value: 1 },
      ],
    });
  });
});

describe('both spellings are one condition', () => {
  const strict = (value: string) =>
    encodeURIComponent(value).replace(/[()*]/g, (one) => `%${one.charCodeAt(0).toString(16)}`);
  const words = text.filter((it) => it !== 'null' && !it.startsWith('string:'));
  const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((it) => String(it).replace('e+', 'e'));
  const date = fc
    .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
    .map((it) => it.toISOString());
  const values: Readonly<Record<string, fc.Arbitrary<string>>> = {
    title: words,
    price: number,
    stock: fc.integer().map(String),
    serial: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
    made: date,
    'maker.name': words,
    'maker.since': date,
    'parts.weight': number,
    sizes: fc.integer().map(String),
    kind: fc.constantFrom('TOOL', 'TOY', 'BOOK'),
    active: fc.constantFrom('true', 'false'),
  };
  const TEXT = ['ct', 'sw', 'ew'];
  const EQUAL = ['eq', 'ne', 'in', 'out'];
  const ORDERED = ['gt', 'ge', 'lt', 'le', 'gele', 'gtlt', 'gelt', 'gtle'];

  const condition = fc.constantFrom(...Object.keys(values)).chain((name) => {
    const isText = name === 'title' || name === 'maker.name';
    const names = [...EQUAL, ...(name === 'kind' || name === 'active' ? [] : ORDERED), ...(isText ? TEXT : [])];
    const value = values[name] ?? words;
    return fc.constantFrom(...names).chain((operator) => {
      const most = operator === 'in' || operator === 'out' ? 4 : operator.length === 4 ? 2 : 1;
      const withNull = EQUAL.includes(operator) ? fc.option(value, { nil: null, freq: 5 }) : value;
      return fc.record({
        name: fc.constant(name),
        operator: fc.constant(operator),
        operands: fc.array(withNull, { minLength: most === 2 ? 2 : 1, maxLength: most }),
      });
    });
  });

  test('for every field, operator and value', () => {
    const property = fc.property(condition, ({ name, operator, operands }) => {
      const isList = operator === 'in' || operator === 'out' || operator.length === 4;
      const plain = operands.map((it) => strict(it ?? 'null')).join(',');
      const quote = (it: string | null) => (it === null ? 'null' : JSON.stringify(it));
      const bracket = isList ? operands.map(quote).join(',') : (operands[0] ?? 'null');
      const expected = parse(`${name}=${operator}=${plain}`).filter;
      for (const encode of Object.values(CLIENTS)) {
        expect(parse(encode(`${name}[${operator}]`, bracket)).filter).toEqual(expected);
      }
      const inGroup = parse(`(${name}[${operator}]=${strict(bracket)}|id=x)`).filter;
      expect(inGroup).toEqual(parse(`(${name}=${operator}=${plain}|id=x)`).filter);
    });
    fc.assert(property, { numRuns: 500 });
  });
});
