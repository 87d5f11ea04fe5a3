import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Limits } from '../../src/config/config.ts';
import { AppError } from '../../src/errors.ts';
import { parseListQuery } from '../../src/query/index.ts';
import { compilePredicate } from '../../src/query/predicate.ts';
import { parseFilter } from '../../src/query/syntax/parse.ts';
import { compileListSql } from '../../src/store/sqlite/sql/index.ts';
import { cpuTimeOf } from '../support/cpu-time.ts';
import { list, listRecords, NAMES, openProducts, PRODUCT, parse, RESERVED, ROWS } from './products.ts';
import { LIMITS } from './tables.ts';

/** Expects an error, in a time that is linear in the length. */
function expectRefused(query: string, message: RegExp, limits: Limits = LIMITS): void {
  const time = cpuTimeOf(() => {
    expect(() => parseListQuery(query, PRODUCT, limits, RESERVED)).toThrow(message);
  });
  expect(time, 'milliseconds of processor time').toBeLessThan(100);
}

describe('SQL in a query is a value or an error', () => {
  const attacks = [
    "' OR '1'='1",
    '" OR 1=1 --',
    'x\'; DROP TABLE "Product"; --',
    '1 UNION SELECT sql FROM sqlite_master',
    "%' OR 1 --",
    '\\',
    '?',
    "$.a' OR 1=1",
  ];

  test.each(attacks)('as a value: %s', (attack) => {
    const db = openProducts();
    const forms = [
      `title=${encodeURIComponent(attack)}`,
      `title=ct=${encodeURIComponent(attack)}`,
      `title==${encodeURIComponent(attack)}*x`,
      `tags=${encodeURIComponent(attack)}`,
      `maker.name=${encodeURIComponent(attack)}`,
      `title=in=${encodeURIComponent(attack)},y`,
      `filter=${encodeURIComponent(`title==${JSON.stringify(attack)}`)}`,
    ];
    for (const form of forms) {
      const { sql, params } = list(form);
      expect(sql).not.toContain(attack === '?' ? '??' : attack);
      expect(db.prepare(sql).all(...params), form).toEqual([]);
    }
    expect(db.prepare('SELECT count(*) FROM "Product"').pluck().get()).toBe(ROWS.length);
    db.close();
  });

  test.each(attacks)('as a name, a number or a direction: %s', (attack) => {
    const encoded = encodeURIComponent(attack);
    for (const form of [
      `${encoded}=1`,
      `maker.${encoded}=1`,
      `sort=${encoded}`,
      `sort=-title${encoded}`,
      `select=${encoded}`,
    ]) {
      expect(() => parse(form), form).toThrow(AppError);
    }
    for (const form of [`limit=${encoded}`, `offset=1${encoded}`, `stock=1${encoded}`, `kind=${encoded}`]) {
      expect(() => parse(form), form).toThrow(AppError);
    }
  });

  test('a value cannot leave its place, whatever a client writes with encodeURIComponent', () => {
    const property = fc.property(fc.string({ unit: 'grapheme', maxLength: 20 }), (value) => {
      const query = `(title===${encodeURIComponent(value)}|stock=gt=1000)&active=true`;
      let filter: unknown;
      try {
        ({ filter } = parse(query));
      } catch (error) {
        // Brackets are the only characters that encodeURIComponent leaves and that are literal only when encoded.
        expect(error).toBeInstanceOf(AppError);
        expect(value).toMatch(/[()]|\0/);
        return;
      }
      expect(filter).toMatchObject({
        type: 'and',
        items: [
          { type: 'or', items: [{ type: 'compare', value }, {}] },
          { type: 'compare', value: true },
        ],
      });
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('a value in quotes cannot leave them', () => {
    const property = fc.property(fc.string({ unit: 'grapheme', maxLength: 20 }), (value) => {
      fc.pre(!value.includes('\0'));
      const text = `(title==${JSON.stringify(value)},stock=gt=1000);active==true`;
      expect(parseFilter(text, PRODUCT, LIMITS)).toMatchObject({
        type: 'and',
        items: [
          { type: 'or', items: [{ type: 'compare', value }, {}] },
          { type: 'compare', value: true },
        ],
      });
    });
    fc.assert(property, { numRuns: 500 });
  });
});

describe('values come out as they went in', () => {
  const texts = fc.uniqueArray(
    fc.string({ unit: 'grapheme', maxLength: 6 }).filter((text) => !/\0/.test(text)),
    { minLength: 1, maxLength: 5 },
  );

  test('in lists and searches, through both forms', () => {
    const property = fc.property(texts, (values) => {
      // Encodes everything but letters and digits, as a careful client does.
      const encode = (text: string) =>
        encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
      const [first = ''] = values;
      const isIn = { type: 'in', values };
      const written = values.map((value) => `string:${encode(value)}`).join(',');
      expect(parse(`title=in=${written}`).filter).toMatchObject(isIn);
      expect(parse(`title=in=(${written})`).filter).toMatchObject(isIn);
      const quoted = values.map((value) => JSON.stringify(value)).join(',');
      expect(parseFilter(`title=in=(${quoted})`, PRODUCT, LIMITS)).toMatchObject(isIn);
      const contains = { type: 'text', op: 'contains', value: first };
      expect(parse(`title=ct=${encode(first)}`).filter).toMatchObject(contains);
      expect(parseFilter(`title=ct=${JSON.stringify(first)}`, PRODUCT, LIMITS)).toMatchObject(contains);
      const starts = { type: 'text', op: 'starts', value: first };
      if (!first.startsWith('string:')) expect(parse(`title==${encode(first)}*`).filter).toMatchObject(starts);
    });
    fc.assert(property, { numRuns: 500 });
  });
});

describe('nothing is ever ignored', () => {
  test.each([
    'colour=red',
    'id=1&colour=red',
    'filter=colour==red',
    'sort=colour',
    'select=colour',
    'where=id',
    'q=x',
    '$where=1',
    'id[$ne]=1',
    'id[]=1',
  ])('%s is refused', (query) => {
    expect(() => parse(query)).toThrow(AppError);
  });

  test('any text is either a query or an INVALID_QUERY, and every accepted query compiles', () => {
    const db = openProducts();
    const name = fc.constantFrom(
      'title',
      'stock',
      'tags',
      'maker',
      'maker.name',
      'parts.name',
      'limit',
      'sort',
      'nope',
    );
    const operator = fc.constantFrom(
      '=',
      '==',
      '!=',
      '===',
      '>',
      '%3C=',
      '=in=',
      '=gele=',
      '=ct=',
      '=gt=',
      '=ft=',
      '=x=',
      '[eq]=',
      '%5Bin%5D=',
      '[gele]=',
      '[x]=',
      '=sw%3D',
    );
    const value = fc.constantFrom('5', 'x', 'A*', 'null', '1,2', '(1,2)', '"x"', '%22x%22', '%2A', '%zz', '+', '');
    const condition = fc.tuple(name, operator, value).map((parts) => parts.join(''));
    const sign = fc.constantFrom('&', '|', '(', ')', '[', ']', '!', ',', ';', '*', '=', ' ', '!(');
    const written = fc.array(fc.oneof(condition, sign), { maxLength: 6 }).map((parts) => parts.join(''));
    const queries = fc.oneof(
      written,
      fc.array(condition, { maxLength: 3 }).map((parts) => parts.join('&')),
      fc.string(),
    );
    let taken = 0;
    const property = fc.property(queries, (query) => {
      for (const text of [query, `filter=${encodeURIComponent(query)}`]) {
        try {
          const found = listRecords(db, text);
          const { filter, limit, offset } = parse(text);
          if (filter !== undefined && limit >= ROWS.length && offset === 0) {
            const matches = compilePredicate(filter);
            expect(found.length).toBe(ROWS.filter((row) => matches(row)).length);
            taken++;
          }
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
          expect(error.code).toBe('INVALID_QUERY');
        }
      }
    });
    fc.assert(property, { numRuns: 5000 });
    db.close();
    expect(taken).toBeGreaterThan(300);
  });
});

describe('a filter has limits, checked in linear time', () => {
  const many = (n: number, join: string) => Array.from({ length: n }, () => 'stock=1').join(join);

  test('conditions', () => {
    expect(parse(many(32, '&')).filter).toMatchObject({ type: 'and' });
    expectRefused(many(33, '&'), /stock: column 257: a filter has at most 32 conditions/);
    expectRefused(many(1500, '&'), /at most 32 conditions/);
    expectRefused(many(1500, '|'), /at most 32 conditions/);
    expectRefused(many(100_000, '|'), /at most 32 conditions/);
    expectRefused(`filter=${encodeURIComponent(many(500, ','))}`, /at most 32 conditions/);
    expectRefused(`${many(20, '&')}&filter=${encodeURIComponent(many(20, ';'))}`, /filter: column 97: .*32 conditions/);
  });

  test('depth', () => {
    const nested = (n: number, open = '(', close = ')') => `${open.repeat(n)}stock=1${close.repeat(n)}`;
    expect(parse(nested(5)).filter).toMatchObject({ type: 'compare' });
    expectRefused(nested(6), /query: column 6: groups and ! nest at most 5 deep/);
    expectRefused(nested(5000), /nest at most 5 deep/);
    expectRefused(nested(1_000_000, '[', ']'), /nest at most 5 deep/);
    expectRefused(`filter=${nested(1000)}`, /nest at most 5 deep/);
    expectRefused('('.repeat(5000), /nest at most 5 deep/);
    expectRefused(`${'!'.repeat(100_000)}stock=1`, /nest at most 5 deep/);
    expectRefused(nested(6, '!(', ')'), /nest at most 5 deep/);
  });

  test('no configuration can overflow the stack', () => {
    const limits = { ...LIMITS, filterDepth: 1_000_000, filterLength: 10_000_000 };
    expectRefused(`${'('.repeat(1_000_000)}stock=1`, /nest at most 200 deep/, limits);
  });

  test('as many conditions as are configured reach SQLite', () => {
    const limits = { ...LIMITS, filterConditions: 5000, filterLength: 1_000_000 };
    const query = parseListQuery(many(3000, '|'), PRODUCT, limits, RESERVED);
    const { sql, params } = compileListSql(query, PRODUCT, NAMES);
    const db = openProducts();
    expect(db.prepare(sql).all(...params)).toHaveLength(1);
    db.close();
  });

  test('length', () => {
    const value = 'x'.repeat(4096 - 'title='.length);
    expect(parse(`title=${value}`).filter).toMatchObject({ type: 'compare' });
    expectRefused(`title=${value}x`, /a filter has at most 4096 characters/);
    expectRefused(`title=${value}&stock=1`, /at most 4096 characters/);
    expectRefused(`title=${'x'.repeat(1_000_000)}`, /at most 4096 characters/);
    expectRefused(`filter=${encodeURIComponent(`title==${'x'.repeat(4090)}`)}`, /filter: column 1: .*at most 4096/);
    expectRefused(`stock=1&filter=${encodeURIComponent(`title==${'x'.repeat(4086)}`)}`, /at most 4096 characters/);
    expect(parse(`title=x&token=${'x'.repeat(8000)}`).filter).toMatchObject({ type: 'compare' });
  });

  test('values of =in=', () => {
    const values = (n: number) => Array.from({ length: n }, (_, index) => index).join(',');
    expect(parse(`stock=in=${values(200)}`).filter).toMatchObject({ type: 'in' });
    expectRefused(`stock=in=${values(201)}`, /stock: column 700: a list has at most 200 values/);
    expectRefused(`stock=out=(${values(201)})`, /a list has at most 200 values/);
    expectRefused(`stock=in=${values(200_000)}`, /a list has at most 200 values/);
  });

  test('strings to search for', () => {
    const text = 'x'.repeat(128);
    for (const query of [`title=ct=${text}`, `title=sw=${text}`, `title=ew=${text}`, `title==${text.slice(1)}*`]) {
      expect(parse(query).filter).toMatchObject({ type: 'text' });
    }
    for (const query of [
      `title=ct=${text}x`,
      `title=sw=${text}x`,
      `title=ew=${text}x`,
      `title==${text}*`,
      `title==${'%2A*'.repeat(65)}`,
    ]) {
      expectRefused(query, /title: column \d+: a string to search for has at most 128 characters/);
    }
    expect(parse(`title=${text}x`).filter).toMatchObject({ type: 'compare' });
  });

  test('the worst pattern on a long text is answered at once, by both compilers', () => {
    const db = openProducts();
    db.prepare('UPDATE "Product" SET "title" = ? WHERE "id" = ?').run('a'.repeat(100_000), 'r01');
    const query = `title==${'*a'.repeat(60)}*b`;
    const start = performance.now();
    const { sql, params } = list(query);
    expect(db.prepare(sql).all(...params)).toEqual([]);
    const { filter } = parse(query);
    if (filter === undefined) throw new Error('no filter');
    expect(compilePredicate(filter)({ title: 'a'.repeat(100_000) })).toBe(false);
    expect(performance.now() - start).toBeLessThan(500);
    db.close();
  });
});
