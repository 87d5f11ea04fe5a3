import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { NAMED_OPERATORS } from '../../src/query/syntax/operators.ts';
import { list, openProducts } from './products.ts';

const text = readFileSync(new URL('../../docs/reference/api/queries.md', import.meta.url), 'utf8');

test('every request of the documentation is valid', () => {
  const db = openProducts();
  const urls = [...text.matchAll(/'http:[^'?]*\?([^']*)'/g)].map(([, query = '']) => query);
  const encoded = [...text.matchAll(/^curl -G .*$/gm)].map(([command]) => {
    const data = [...command.matchAll(/(?:-d|--data-urlencode) '([^=]*)=([^']*)'/g)];
    return data.map(([, name = '', value = '']) => `${name}=${encodeURIComponent(value)}`).join('&');
  });
  expect(urls.length).toBeGreaterThan(2);
  expect(encoded).toContain('price[gt]=10&title[sw]=R%26D%20(x)%7Cy');
  expect(encoded.some((query) => query.startsWith('filter='))).toBe(true);
  for (const query of [...urls, ...encoded]) {
    const { sql, params } = list(query);
    expect(() => db.prepare(sql).all(...params), query).not.toThrow();
  }
  db.close();
});

test('every condition on a title, a price or a tag in the tables is valid', () => {
  const prose = text.replace(/```.*?```/gs, '');
  const conditions = [...prose.matchAll(/`((?:title|price|tags)(?:[[=<>]|!=)[^`]*)`/g)].map(
    ([, condition = '']) => condition,
  );
  expect(conditions.length).toBeGreaterThan(30);
  for (const condition of conditions) {
    const isBracket = /^[a-z]+\[/.test(condition);
    // A value in quotes belongs to filter=, except with operators in brackets.
    const query = condition.includes('"') && !isBracket ? `filter=${encodeURIComponent(condition)}` : condition;
    const run = () => list(query.replaceAll(' ', '%20'));
    if (/=(?:sw|gt)%3D/.test(condition)) expect(run, condition).toThrow('looks like an operator');
    else expect(run, condition).not.toThrow();
  }
});

test('the documentation names every operator', () => {
  for (const name of NAMED_OPERATORS.keys()) expect(text).toContain(`=${name}=`);
});
