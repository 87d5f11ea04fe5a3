import { describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import { SseClient } from '../support/sse-client.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `
type Doc @table @export {
  id: ID! @primaryKey
  title: String!
  body: String!
  views: Int @indexed
}`;
const LARGE = 'lorem ipsum '.repeat(17_000);

describe('live queries', { timeout: 120_000 }, () => {
  test('of a large object only the fields that changed are sent, over both transports', async () => {
    await using server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}limits:\n  body: 1MiB\n` });
    await server.put('Doc/1', { title: 'a', body: LARGE, views: 0 });
    const before = (await server.ask('GET', 'Doc/1')).record;
    expect(JSON.stringify(before).length).toBeGreaterThan(200_000);
    using ws = await WsClient.subscribe(server.wsUrl('Doc/1?delta=true&retained=false'));
    await using sse = await SseClient.subscribe(server.url('Doc/1?delta=true&retained=false'));
    await server.ask('PATCH', 'Doc/1', { json: { title: 'b' } });
    const frame = await ws.next();
    expect(frame).toMatchObject({
      message_type: 'Update',
      op: 'update',
      id: '1',
      data: { title: 'b' },
      changed: ['title'],
    });
    expect(JSON.stringify(frame).length).toBeLessThan(1000);
    const after = (await server.ask('GET', 'Doc/1')).record;
    expect({ ...before, ...frame.data }).toEqual(after);
    expect((await sse.next('update')).json).toEqual({ id: '1', title: 'b' });
  });

  test('the URL that lists is the URL that streams: in, changed, out', async () => {
    await using server = await startServer({ schema: SCHEMA });
    await server.put('Doc/1', { title: 'one', body: '', views: 5 });
    await server.put('Doc/2', { title: 'two', body: '', views: 50 });
    const query = 'Doc?views=lt=10&select=title&retained=true';
    using ws = await WsClient.subscribe(server.wsUrl(query));
    await using sse = await SseClient.subscribe(server.url(query));
    for (const views of [7, 20, 3]) await server.ask('PATCH', 'Doc/2', { json: { views } });
    await server.ask('DELETE', 'Doc/1');
    const told = (await ws.changes.atLeast(5)).map(({ message_type, id, data, ...rest }) => [
      message_type,
      id,
      data,
      (rest as { reason?: string }).reason,
    ]);
    expect(told).toEqual([
      ['Retained', '1', { id: '1', title: 'one' }, undefined],
      ['Update', '2', { id: '2', title: 'two' }, undefined],
      ['Delete', '2', { id: '2' }, 'filter'],
      ['Update', '2', { id: '2', title: 'two' }, undefined],
      ['Delete', '1', { id: '1' }, undefined],
    ]);
    for (const event of ['update', 'delete', 'update', 'delete']) await sse.next(event);
  });

  test('the snapshot is the first page of the list, in its order', async () => {
    await using server = await startServer({ schema: SCHEMA });
    for (let n = 1; n <= 9; n++) await server.put(`Doc/${n}`, { title: `t${n % 3}`, body: '', views: n });
    const query = 'title!=t0&sort=-views&limit=4';
    const listed = (await server.ask('GET', `Doc?${query}`)).records;
    expect(listed.map(({ id }) => id)).toEqual(['8', '7', '5', '4']);
    using ws = await WsClient.subscribe(server.wsUrl(`Doc?${query}&retained=true`));
    const frames = await ws.changes.atLeast(4);
    expect(frames.map(({ data }) => data)).toEqual(listed);
    await server.put('Doc/1', { title: 'outside', body: '', views: 1 });
    await server.put('Doc/7', { title: 'new', body: '', views: 7 });
    const all = await ws.changes.atLeast(5);
    expect(all.map(({ op }) => op)).toEqual(['retained', 'retained', 'retained', 'retained', 'update']);
    expect(all[4]).toMatchObject({ id: '7', data: { title: 'new' }, at: 1 });
  });

  test('a list tells the address of its next page, and how many records there are', async () => {
    await using server = await startServer({ schema: SCHEMA });
    for (let n = 1; n <= 7; n++) await server.put(`Doc/${n}`, { title: `"${n % 2}" <é>`, body: '', views: n });
    let path: string | undefined = `Doc?title=ct=%3Cé%3E&sort=title,-views&limit=3&select=views&count=true`.replace(
      'é',
      '%C3%A9',
    );
    const seen: unknown[] = [];
    for (let pages = 0; path !== undefined && pages < 5; pages++) {
      const answer = await server.ask('GET', path);
      expect(answer.status, answer.text).toBe(200);
      expect(answer.headers.get('x-total-count')).toBe('7');
      seen.push(...answer.records.map(({ views }) => views));
      const next = /^<(\?[^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1];
      path = next && `Doc${next}`;
    }
    expect(seen).toEqual([6, 4, 2, 7, 5, 3, 1]);
    expect(path).toBeUndefined();
  });

  test('what makes no sense on a stream is refused before it begins', async () => {
    await using server = await startServer({ schema: SCHEMA });
    for (const query of [
      'cursor=x',
      'offset=9999',
      'count=yes',
      'having=count=gt=1',
      'sort=nope',
      'limit=1&echo=false',
      'delta=yes',
    ]) {
      const answer = await server.ask('GET', `Doc?${query}`, { headers: { accept: 'text/event-stream' } });
      expect([query, answer.status, answer.record.code]).toEqual([query, 400, 'INVALID_QUERY']);
    }
  });
});
