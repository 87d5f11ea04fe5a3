import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { NAMED_OPERATORS } from '../../src/query/syntax/operators.ts';
import { list, openProducts } from './products.ts';

const text = readFileSync(new URL('../../docs/queries.md', import.meta.url), 'utf8');

test('every request of the documentation is one', () => {
  const db = openProducts();
  const urls = [...text.matchAll(/'http:[^'?]*\?([^']*)'/g)].map(([, query = '']) => query);
  const filters = [...text.matchAll(/--data-urlencode 'filter=([^']*)'/g)].map(([, filter = '']) => {
    return `filter=${encodeURIComponent(filter)}`;
  });
  expect(urls.length).toBeGreaterThan(2);
  expect(filters.length).toBeGreaterThan(0);
  for (const query of [...urls, ...filters]) {
    const { sql, params } = list(query);
    expect(() => db.prepare(sql).all(...params), query).not.toThrow();
  }
  db.close();
});

test('every condition on a title, a price or a tag that stands in the tables is one', () => {
  const prose = text.replace(/```.*?```/gs, '');
  const conditions = [...prose.matchAll(/`((?:title|price|tags)(?:[=<>]|!=)[^`]*)`/g)].map(
    ([, condition = '']) => condition,
  );
  expect(conditions.length).toBeGreaterThan(30);
  for (const condition of conditions) {
    // A value in quotes is one of filter=.
    const query = condition.includes('"') ? `filter=${encodeURIComponent(condition)}` : condition;
    expect(() => list(query), condition).not.toThrow();
  }
});

test('the documentation names every operator', () => {
  for (const name of NAMED_OPERATORS.keys()) expect(text).toContain(`=${name}=`);
});
