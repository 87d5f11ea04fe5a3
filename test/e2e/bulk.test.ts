import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/app.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `
type Author @table @export { id: ID! @primaryKey name: String! books: [Book] @relationship(to: "authorId") }
type Book @table @export {
  id: ID! @primaryKey
  title: String!
  authorId: ID @indexed
  author: Author @relationship(from: "authorId")
  secret: String @hidden
}
type Closed @table { id: ID! @primaryKey book: Book @relationship(from: "bookId") bookId: ID }
type Odd @table @export { id: ID! @primaryKey closedId: ID closed: Closed @relationship(from: "closedId") }`;

describe('writes by filter, relations and hidden fields', { timeout: 120_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ schema: SCHEMA });
  }, 30_000);
  afterAll(() => server[Symbol.asyncDispose]());
  beforeEach(async () => {
    await server.put('Author/ada', { name: 'Ada' });
    for (const [id, title, authorId] of [
      ['1', 'A', 'ada'],
      ['2', 'B', 'ada'],
      ['3', 'C', null],
    ]) {
      await server.put(`Book/${id}`, { title, authorId, secret: 's' });
    }
  });

  const count = async () => (await server.ask('GET', 'Book?select=id')).records.length;

  test.each([
    ['DELETE', ''],
    ['DELETE', '?all=false'],
    ['DELETE', '?all=true&title=A'],
    ['DELETE', '?titel=A'],
    ['DELETE', '?title=A&limit=1'],
    ['DELETE', '?title=A&sort=id'],
    ['DELETE', '?all=true&cursor=x'],
    ['DELETE', '?secret=s'],
    ['DELETE', "?title=A'%20OR%201=1--&x=1"],
    ['PATCH', ''],
    ['PATCH', '?titel=A'],
  ])('%s %s is refused and changes nothing', async (method, query) => {
    const before = (await server.ask('GET', 'Book')).text;
    const answer = await server.ask(method, `Book${query}`, method === 'PATCH' ? { json: { title: 'x' } } : {});
    expect([answer.status, answer.record.code]).toEqual([400, 'INVALID_QUERY']);
    expect((await server.ask('GET', 'Book')).text).toBe(before);
  });

  test('is refused, and changes nothing, when another number of records matches than is expected', async () => {
    const wrong = await server.ask('DELETE', 'Book?authorId=ada&expect=3');
    expect([wrong.status, wrong.record.code, wrong.record.detail]).toEqual([
      412,
      'PRECONDITION_FAILED',
      '2 records match, and not 3 (expect): nothing was changed.',
    ]);
    const patch = await server.ask('PATCH', 'Book?title=A&expect=0', { json: { title: 'x' } });
    expect([patch.status, patch.record.detail]).toEqual([
      412,
      '1 record matches, and not 0 (expect): nothing was changed.',
    ]);
    expect((await server.ask('DELETE', 'Book?authorId=ada&expect=many')).record.code).toBe('INVALID_QUERY');
    expect(await count()).toBe(3);
    expect((await server.ask('DELETE', 'Book?authorId=ada&expect=2')).record).toEqual({ matched: 2, changed: 2 });
  });

  test('a filter that is all text matches nothing', async () => {
    const answer = await server.ask('DELETE', `Book?title=${encodeURIComponent("' OR 1=1 --")}`);
    expect(answer.record).toEqual({ matched: 0, changed: 0 });
    expect(await count()).toBe(3);
  });

  test('conditions of a record, the key, and a wrong value are refused', async () => {
    const match = await server.ask('DELETE', 'Book?title=A', { headers: { 'if-match': '"1"' } });
    expect([match.status, match.record.code]).toEqual([400, 'BAD_REQUEST']);
    for (const json of [{ id: 'x' }, { title: 5 }, { author: 'x' }, { nope: 1 }]) {
      const answer = await server.ask('PATCH', 'Book?title=A', { json });
      expect([answer.status, answer.record.code]).toEqual([400, 'VALIDATION_ERROR']);
    }
    expect(await count()).toBe(3);
  });

  test('by the records of another table; minimal says nothing', async () => {
    using client = await WsClient.subscribe(server.wsUrl('Book'));
    const answer = await server.ask('PATCH', 'Book?author.name==Ada', { json: { title: 'new' } });
    expect(answer.record).toEqual({ matched: 2, changed: 2 });
    const frames = await client.changes.atLeast(2);
    expect(frames.map(({ id, data }) => [id, data.title])).toEqual([
      ['1', 'new'],
      ['2', 'new'],
    ]);
    expect(answer.headers.get('x-position')).toBe(String(frames[1]?.seq));
    const gone = await server.ask('DELETE', 'Book?all=true', { headers: { prefer: 'return=minimal' } });
    expect([gone.status, gone.text]).toEqual([204, '']);
    expect(Number(gone.headers.get('x-position'))).toBeGreaterThan(Number(frames[1]?.seq));
    expect((await client.changes.atLeast(5)).slice(2).map(({ message_type, id }) => [message_type, id])).toEqual([
      ['Delete', '1'],
      ['Delete', '2'],
      ['Delete', '3'],
    ]);
  });

  test('related records are shown alike by a list, a record and a stream, as they are at that moment', async () => {
    const shown = { id: '1', author: { name: 'Ada' } };
    expect((await server.ask('GET', 'Book?id=1&select=author{name}')).records).toEqual([shown]);
    expect((await server.ask('GET', 'Book/1?select=author{name}')).record).toEqual(shown);
    using client = await WsClient.subscribe(server.wsUrl('Book/1?select=author%7Bname%7D'));
    expect((await client.next()).data).toEqual(shown);
    await server.put('Author/ada', { name: 'Ada L.' });
    await server.ask('PATCH', 'Book/1', { json: { title: 'again' } });
    expect((await client.next()).data).toEqual({ id: '1', author: { name: 'Ada L.' } });
    const books = (await server.ask('GET', 'Author/ada?select=books{title}')).record.books;
    expect(books).toEqual([{ title: 'again' }, { title: 'B' }]);
  });

  test('a table that may not be read is not shown inside of others, nor asked', async () => {
    for (const path of ['Odd?select=closed{id}', 'Odd?closed.bookId==1', 'Odd/x?select=closed{id}']) {
      const answer = await server.ask('GET', path);
      expect([path, answer.status, answer.record.code]).toEqual([path, 403, 'FORBIDDEN']);
    }
    const bulk = await server.ask('DELETE', 'Odd?closed.bookId==1');
    expect([bulk.status, bulk.record.code]).toEqual([403, 'FORBIDDEN']);
    const stream = await server.ask('GET', 'Odd?closed.bookId==1', { headers: { accept: 'text/event-stream' } });
    expect([stream.status, stream.record.code]).toEqual([403, 'FORBIDDEN']);
  });

  test('a hidden field leaves by no door', async () => {
    using client = await WsClient.subscribe(server.wsUrl('Book?retained=true'));
    const written = await server.ask('PUT', 'Book/1', { json: { title: 'A', secret: 'other' } });
    const answers = [
      written,
      await server.ask('GET', 'Book/1'),
      await server.ask('GET', 'Book'),
      await server.ask('GET', 'Book?select=*'),
    ];
    for (const { text } of answers) expect(text).not.toContain('secret');
    for (const { data } of await client.changes.atLeast(4)) expect(data).not.toHaveProperty('secret');
    for (const query of ['secret=s', 'select=secret', 'sort=secret', 'filter=secret==s']) {
      expect((await server.ask('GET', `Book?${query}`)).record.code, query).toBe('INVALID_QUERY');
    }
  });
});
