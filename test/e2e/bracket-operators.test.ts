import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Query } from '../../src/client/index.ts';
import { startServer, type TestServer } from '../support/app.ts';
import { SseClient } from '../support/sse-client.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `enum Kind { TOOL TOY }
type Maker @table @export { id: ID! @primaryKey  name: String! }
type Item @table @export {
  id: ID! @primaryKey
  title: String!
  price: Int
  kind: Kind
  makerId: ID @indexed
  maker: Maker @relationship(from: "makerId")
}`;
const TITLES = ['R&D (x)|y z', 'R&D', 'sw=Bo', 'null', '100% [a], "b"', 'Ünï😀 +', 'a*b'];

describe('operators in brackets', { timeout: 60_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ schema: SCHEMA });
    await server.put('Maker/m', { name: 'Ada' });
    for (const [n, title] of TITLES.entries()) {
      await server.put(`Item/${n}`, {
        title,
        price: n,
        kind: n % 2 === 0 ? 'TOOL' : 'TOY',
        makerId: n === 0 ? 'm' : null,
      });
    }
  });
  afterAll(() => server.discard());

  const found = async (parameters: Record<string, string>) =>
    (await server.ask('GET', `Item?${new URLSearchParams(parameters)}`)).records.map(({ id }) => id);

  test('lists, with the values of URLSearchParams', async () => {
    expect(await found({ 'title[sw]': 'R&D (x)|y' })).toEqual(['0']);
    expect(await found({ 'price[gt]': '3', 'kind[in]': 'TOOL,TOY' })).toEqual(['4', '5', '6']);
    expect(await found({ 'maker.name[eq]': 'Ada' })).toEqual(['0']);
    expect(await found({ 'makerId[ne]': 'null', 'price[gele]': '0,9' })).toEqual(['0']);
    for (const [n, title] of TITLES.entries()) expect(await found({ 'title[===]': title }), title).toEqual([String(n)]);
    expect(await found({ 'title[in]': TITLES.map((title) => JSON.stringify(title)).join(',') })).toHaveLength(7);
  });

  test('pages: the link of the next one has the same conditions', async () => {
    const seen: unknown[] = [];
    let next: string | undefined = `Item?${new URLSearchParams({ 'price[ge]': '2', 'title[ne]': 'x', limit: '2' })}`;
    while (next !== undefined) {
      const { records, headers } = await server.ask('GET', next);
      seen.push(...records.map(({ id }) => id));
      const link = /<([^>]*)>; rel="next"/.exec(headers.get('link') ?? '')?.[1];
      next = link === undefined ? undefined : `Item${new URL(link, server.url('Item')).search}`;
    }
    expect(seen).toEqual(['2', '3', '4', '5', '6']);
  });

  test('HEAD, and a count', async () => {
    const answer = await server.ask('HEAD', 'Item?price%5Bgt%5D=2&count=true&limit=1');
    expect([answer.status, answer.headers.get('x-total-count')]).toEqual([200, '4']);
  });

  test('an operator whose = was encoded is refused on lists, streams and changes by filter', async () => {
    const message = 'write title[sw]=Bo, or for this text title[eq]=sw=Bo or title===sw=Bo';
    for (const [method, path] of [
      ['GET', 'Item?title=sw%3DBo'],
      ['HEAD', 'Item?title=sw%3DBo'],
      ['DELETE', 'Item?title=sw%3DBo'],
      ['GET', 'Item?stream=sse&title=sw%3DBo'],
    ] as const) {
      const answer = await server.ask(method, path);
      expect(answer.status, `${method} ${path}`).toBe(400);
      if (method !== 'HEAD') expect(answer.record).toMatchObject({ code: 'INVALID_QUERY' });
      if (method !== 'HEAD') expect(String(answer.record.error)).toContain(message);
    }
    expect(await found({ 'title[eq]': 'sw=Bo' })).toEqual(['2']);
    expect((await server.ask('GET', 'Item?title===sw=Bo')).records).toHaveLength(1);
  });

  test('event streams and WebSockets', async () => {
    const query = `Item?${new URLSearchParams({ 'title[sw]': 'live (', 'price[lt]': '5' })}`;
    using socket = await WsClient.subscribe(server.wsUrl(query));
    using raw = await WsClient.subscribe(server.wsUrl('Item?title[sw]=live%20(&price[lt]=5'));
    await using stream = await SseClient.subscribe(server.url(query));
    await server.put('Item/l1', { title: 'other', price: 1 });
    await server.put('Item/l2', { title: 'live (1)', price: 9 });
    await server.put('Item/l3', { title: 'live (1)', price: 1 });
    expect((await socket.changes.atLeast(1)).map(({ id }) => id)).toEqual(['l3']);
    expect((await raw.changes.atLeast(1)).map(({ id }) => id)).toEqual(['l3']);
    expect((await stream.next('update')).json).toMatchObject({ id: 'l3' });
  });

  test('the client takes them in an object, and its values are never conditions', async () => {
    const client = connect<{ Item: { id: string } }>(server.url(''));
    const ids = async (query: Query) => (await client.tables.Item.list(query)).map(({ id }) => id);
    expect(await ids({ 'price[gt]': 4, 'kind[in]': ['TOY'] })).toEqual(['5']);
    for (const [n, title] of TITLES.entries()) {
      expect(await ids({ title }), title).toEqual([String(n)]);
      expect(await ids({ title: [title] }), title).toEqual([String(n)]);
    }
    expect(await ids({ title: [] })).toEqual([]);
    expect(await ids({ 'maker.name': 'Ada', kind: ['TOOL', null] })).toEqual(['0']);
    expect(await ids({ price: 0, makerId: 'm', sort: '-id' })).toEqual(['0']);
    client.close();
  });

  test('PATCH and DELETE by filter', async () => {
    const some = new URLSearchParams({ 'title[ew]': '(x)|y z' });
    const patched = await server.ask('PATCH', `Item?${some}`, { json: { price: 100 } });
    expect(patched.record).toEqual({ matched: 1, changed: 1 });
    expect((await server.ask('DELETE', 'Item?price%5Bge%5D=100')).record).toEqual({ matched: 1, changed: 1 });
    expect((await server.ask('DELETE', 'Item?id[in]=')).record).toEqual({ matched: 0, changed: 0 });
    expect((await server.ask('DELETE', 'Item?id[out]=')).status).toBe(400);
  });
});
