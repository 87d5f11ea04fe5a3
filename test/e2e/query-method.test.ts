import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { startAuthServer } from '../support/auth-app.ts';

const SCHEMA = `
type Product @table @export {
  id: ID! @primaryKey
  name: String!
  price: Float
  kind: String @indexed
}`;
const FORM = 'application/x-www-form-urlencoded';
const TYPES = `${FORM}, application/json`;
const ROWS = Array.from({ length: 12 }, (_, n) => ({
  id: `p${String(n).padStart(2, '0')}`,
  name: n % 3 === 0 ? '東京 & co' : `Box ${n}`,
  price: n % 4 === 0 ? null : n * 1.5,
  kind: n < 6 ? 'TOOL' : 'TOY',
}));

describe('QUERY', { timeout: 120_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({
      schema: SCHEMA,
      config: `${BASE_CONFIG}limits:\n  filter_length: 32KiB\n  query: 40KiB\n`,
    });
    expect((await server.ask('POST', 'Product', { json: ROWS })).status).toBe(201);
  }, 30_000);
  afterAll(() => server[Symbol.asyncDispose]());

  const form = (body: string, path = 'Product', headers: Record<string, string> = {}) =>
    server.ask('QUERY', path, { body, headers: { 'content-type': FORM, ...headers } });
  const json = (value: unknown, path = 'Product') => server.ask('QUERY', path, { json: value });

  test.each([
    '',
    'kind==TOOL&price=lt=5&sort=-price',
    'name=ft=%E6%9D%B1%E4%BA%AC&limit=2&offset=1',
    'filter=name%3D%3D%22%E6%9D%B1%E4%BA%AC+%26+co%22&select=id,name',
    'aggregate=count,sum(price)&group=kind&having=count=gt=1&sort=-kind',
    'price[gt]=2&count=true&limit=3',
  ])('answers as GET does: %s', async (query) => {
    const found = await server.ask('GET', `Product?${query}`);
    for (const path of ['Product', 'Product/']) {
      const answer = await form(query, path);
      expect([answer.status, answer.text]).toEqual([200, found.text]);
      for (const name of [
        'etag',
        'x-position',
        'x-total-count',
        'cache-control',
        'vary',
        'content-type',
        'accept-query',
      ])
        expect([name, answer.headers.get(name)]).toEqual([name, found.headers.get(name)]);
    }
  });

  test('takes the parameters as JSON', async () => {
    const asked = await json({
      filter: 'kind==TOOL;name==東*',
      sort: ['-price', 'id'],
      select: ['id', 'price'],
      limit: 2,
      count: true,
    });
    expect([asked.status, asked.records, asked.headers.get('x-total-count')]).toEqual([
      200,
      [
        { id: 'p03', price: 4.5 },
        { id: 'p00', price: null },
      ],
      '2',
    ]);
    const totals = await json({ aggregate: ['count', 'max(price)'], group: 'kind' });
    expect(totals.records).toEqual([
      { kind: 'TOOL', count: 6, max_price: 7.5 },
      { kind: 'TOY', count: 6, max_price: 16.5 },
    ]);
    expect((await json({})).records).toHaveLength(12);
  });

  test('takes queries that are too long for an address', async () => {
    const filter = `id=in=(${Array.from({ length: 200 }, (_, n) => `p${String(n).padStart(60, '0')}`).join(',')},p05)`;
    const long = `filter=${filter.replace(',p05', '')},name==${encodeURIComponent('東'.repeat(40))}*`;
    expect(long.length).toBeGreaterThan(8192);
    expect((await server.ask('GET', `Product?${long}`)).status).toBe(414);
    const answer = await form(`${long},id==p05`);
    expect([answer.status, answer.records.map(({ id }) => id)]).toEqual([200, ['p05']]);
    const tooLong = await form(`filter=${'a'.repeat(41 * 1024)}`);
    expect([tooLong.status, tooLong.record]).toMatchObject([413, { detail: expect.stringContaining('limits.query') }]);
  });

  test('names the next page by an address, for the same body', async () => {
    const body = 'kind==TOOL&sort=-price&limit=4&offset=0';
    const first = await form(body);
    const link = /^<(\?cursor=[^>]+)>; rel="next"$/.exec(first.headers.get('link') ?? '')?.[1] ?? '';
    const second = await form(body, `Product${link}`);
    const ids = [...first.records, ...second.records].map(({ id }) => id);
    expect(ids).toEqual((await server.ask('GET', 'Product?kind==TOOL&sort=-price')).records.map(({ id }) => id));
    expect(second.headers.get('link')).toBeNull();
    expect((await form('sort=-price', 'Product?kind==TOY&limit=3')).records).toHaveLength(3);
  });

  test('is not sent again where nothing has changed', async () => {
    const first = await form('kind==TOY');
    const headers = { 'if-none-match': first.headers.get('etag') ?? '' };
    const again = await form('kind==TOY', 'Product', headers);
    expect([again.status, again.text]).toEqual([304, '']);
    expect((await form('colour==red', 'Product', headers)).status).toBe(400);
  });

  test('says which content types it takes', async () => {
    for (const type of ['text/plain', 'application/xml', 'application/merge-patch+json', 'text/csv']) {
      const answer = await server.ask('QUERY', 'Product', { body: 'x', headers: { 'content-type': type } });
      expect([type, answer.status, answer.headers.get('accept-query')]).toEqual([type, 415, TYPES]);
    }
    for (const body of [undefined, new Uint8Array([1])]) {
      const answer = await server.ask('QUERY', 'Product', { ...(body === undefined ? {} : { body }) });
      expect([answer.status, answer.headers.get('accept-query')]).toEqual([400, TYPES]);
      expect(answer.record.detail).toContain(FORM);
    }
    const coded = await form('', 'Product', { 'content-encoding': 'gzip' });
    expect([coded.status, coded.headers.get('accept-query')]).toEqual([415, TYPES]);
    const options = await server.ask('OPTIONS', 'Product');
    expect(options.headers.get('accept-query')).toBe(TYPES);
    expect((await server.ask('OPTIONS', 'Product/p1')).headers.get('accept-query')).toBeNull();
    // No other method takes a form.
    const posted = await server.ask('POST', 'Product', { body: 'id=x&name=y', headers: { 'content-type': FORM } });
    expect(posted.status).toBe(415);
  });

  test.each([
    [[], 'an object'],
    ['kind==TOOL', 'an object'],
    [{ kind: 'TOOL' }, 'no property "kind"'],
    [{ limit: null }, 'limit must be'],
    [{ filter: ['a==1'] }, 'filter must be'],
    [{ sort: [1] }, 'sort must be a string or an array of strings'],
    [{ since: '1' }, 'no property "since"'],
    [{ limit: 0 }, 'limit: expected'],
  ])('refuses %j', async (value, detail) => {
    const answer = await json(value);
    expect([answer.status, answer.record]).toMatchObject([
      400,
      { code: 'INVALID_QUERY', detail: expect.stringContaining(detail) },
    ]);
  });

  test('is for tables alone', async () => {
    for (const path of ['Product/p1', 'openapi.json', '_/live']) {
      const answer = await form('', path);
      expect([path, answer.status, answer.headers.get('allow') ?? ''].join()).toMatch(/405,GET|405,.*POST/);
      expect(answer.headers.get('allow')).not.toContain('QUERY');
    }
  });

  test('is in the description of the API', async () => {
    const { paths } = (await server.ask('GET', '_/openapi.json')).record as {
      paths: Record<string, Record<string, { requestBody: { content: object } }>>;
    };
    const item = Object.entries(paths).find(([path]) => path.endsWith('/Product'))?.[1];
    expect(Object.keys(item?.['x-query']?.requestBody.content ?? {})).toEqual(['application/json', FORM]);
  });
});

test('QUERY follows the rights of the caller, and CORS lets pages send it', { timeout: 120_000 }, async () => {
  await using closed = await startAuthServer();
  const refused = await closed.ask('QUERY', 'Locked', { json: {} });
  expect([refused.status, refused.record.code]).toEqual([401, 'UNAUTHORIZED']);
  const origin = 'https://app.example';
  await using open = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}cors: {origins: ["${origin}"]}\n` });
  const headers = {
    origin,
    'access-control-request-method': 'QUERY',
    'access-control-request-headers': 'content-type',
  };
  const preflight = await open.ask('OPTIONS', 'Product', { headers });
  expect(preflight.headers.get('access-control-allow-methods')).toContain('QUERY');
  const answer = await open.ask('QUERY', 'Product', { json: {}, headers: { origin } });
  expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
  expect(answer.headers.get('access-control-expose-headers')).toContain('Accept-Query');
});
