import { expect, test } from 'vitest';
import { start } from './running.ts';

const SCHEMA = `type Item @table @export @compositeIndex(fields: ["kind", "made"]) {
  id: ID! @primaryKey, kind: String, made: Int, title: String @indexed, free: String
}`;

test('a query is explained as SQLite plans it, and scans exactly when limits.scan counts', async () => {
  const app = await start(SCHEMA, 'limits: {scan: 20}\n');
  const items = Array.from({ length: 30 }, (_, n) => ({
    id: `i${n}`,
    kind: n % 2 ? 'a' : 'b',
    made: n,
    title: `t${n}`,
  }));
  expect((await app.send('POST', 'Item', items)).status).toBe(201);
  for (const [query, index] of [
    ['title==t3', /Item.*title/],
    ['kind==a&sort=-made&limit=5', /kind.*made/],
    ['free==x', undefined],
    ['sort=free', undefined],
    ['title==t3&free==x', /Item.*title/],
    ['', /./],
  ] as const) {
    const { status, body } = await app.admin(`explain/Item?${query}`);
    const list = await app.send('GET', `Item?${query}`);
    const isRefused = list.status === 400;
    expect([query, status, body.scans, body.refused !== null]).toEqual([query, 200, isRefused, isRefused]);
    if (isRefused) {
      expect(body.refused).toBe(list.body.detail);
      expect((body.steps as string[]).join()).toContain('SCAN t');
      expect(body.advice).toBe('@indexed on Item.free');
    } else {
      expect(body).toMatchObject({ table: 'Item', returned: (list.body as unknown as unknown[]).length, advice: null });
      if (query !== '') expect((body.indexes as string[]).join()).toMatch(index as RegExp);
    }
  }
  const both = await app.admin('explain/Item?free==x&kind=gt=b&sort=made');
  if (both.body.scans) expect(both.body.advice).toBe('@compositeIndex(fields: ["free", "kind", "made"]) on Item');
});

test('only lists of tables with a URL are explained', async () => {
  const app = await start(SCHEMA);
  expect((await app.admin('explain/Itme')).status).toBe(404);
  const { status, body } = await app.admin('explain/Item?aggregate=count');
  expect([status, body.code]).toEqual([400, 'INVALID_QUERY']);
  expect((await app.admin('explain/Item?titel==x')).body.code).toBe('INVALID_QUERY');
});
