import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/app.ts';
import type { Answer } from '../support/http.ts';
import { rawHttp } from '../support/http.ts';
import { WsClient } from '../support/ws-client.ts';

const record = { title: 'Hello', content: 'World' };
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The members every error has, besides its own. */
function expectProblem(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.record.code]).toEqual([status, code]);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(answer.record).toMatchObject({ type: `urn:tablecast:error:${code}`, status, code });
  for (const member of ['title', 'detail', 'error']) expect(answer.record[member]).toBeTypeOf('string');
  expect(answer.text).not.toMatch(/SQLITE|SELECT |INSERT |node_modules|\.js:\d|\.ts:\d/);
}

describe('REST', { timeout: 120_000 }, () => {
  test('a record is created, listed, read, replaced, merged and deleted', async () => {
    await using server = await startServer();
    const created = await server.ask('POST', 'Message', { json: { id: 'm1', ...record } });
    expect(created.status).toBe(201);
    expect(created.record).toEqual({ id: 'm1', ...record });
    expect(created.headers.get('location')).toBe('Message/m1');
    expect(created.headers.get('content-type')).toContain('application/json');

    const read = await server.ask('GET', 'Message/m1');
    expect(read.status).toBe(200);
    expect(read.record).toEqual(created.record);
    expect(read.headers.get('etag')).toBe(created.headers.get('etag'));
    expect(read.headers.get('etag')).toMatch(/^"\d+"$/);
    expect(read.headers.get('x-position')).toMatch(/^\d+$/);

    const list = await server.ask('GET', 'Message');
    expect(list.records).toEqual([created.record]);

    const replaced = await server.ask('PUT', 'Message/m1', { json: { title: 'A', content: 'B' } });
    expect([replaced.status, replaced.record]).toEqual([200, { id: 'm1', title: 'A', content: 'B' }]);
    const upserted = await server.ask('PUT', 'Message/m2', { json: { id: 'm2', ...record } });
    expect([upserted.status, upserted.record]).toEqual([201, { id: 'm2', ...record }]);
    const merged = await server.ask('PATCH', 'Message/m1', { json: { title: 'C' } });
    expect([merged.status, merged.record]).toEqual([200, { id: 'm1', title: 'C', content: 'B' }]);

    const deleted = await server.ask('DELETE', 'Message/m1');
    expect([deleted.status, deleted.text]).toEqual([204, '']);
    expectProblem(await server.ask('GET', 'Message/m1'), 404, 'NOT_FOUND');
    expect((await server.ask('GET', 'Message')).records).toEqual([upserted.record]);
  });

  test('without an id a UUIDv7 is made, and later ids sort behind earlier ones', async () => {
    await using server = await startServer();
    const ids: string[] = [];
    for (let index = 0; index < 20; index += 1) {
      const answer = await server.ask('POST', 'Message', { json: record });
      expect(answer.status).toBe(201);
      expect(answer.record.id).toMatch(UUID_V7);
      expect(answer.headers.get('location')).toBe(`Message/${answer.record.id}`);
      ids.push(String(answer.record.id));
    }
    expect(ids).toEqual([...new Set(ids)].sort());
  });

  test('an array is stored in order, all of it or none', async () => {
    await using server = await startServer();
    const rows = ['c', 'a', 'b'].map((id) => ({ id, ...record }));
    const answer = await server.ask('POST', 'Message', { json: rows });
    expect([answer.status, answer.records]).toEqual([201, rows]);
    const bad = await server.ask('POST', 'Message', {
      json: [
        { id: 'd', ...record },
        { id: 'e', title: 'x' },
      ],
    });
    expectProblem(bad, 400, 'VALIDATION_ERROR');
    expect(bad.record.errors).toEqual([{ field: '[1].content', message: expect.any(String) }]);
    const twice = await server.ask('POST', 'Message', {
      json: [
        { id: 'd', ...record },
        { id: 'a', ...record },
      ],
    });
    expectProblem(twice, 409, 'CONFLICT');
    expect((await server.ask('GET', 'Message')).records.map((row) => row.id)).toEqual(['a', 'b', 'c']);
  });

  test('every refusal has its status and its code', async () => {
    await using server = await startServer();
    await server.put('Message/m', record);
    expectProblem(await server.ask('POST', 'Message', { json: { id: 'm', ...record } }), 409, 'CONFLICT');
    expectProblem(await server.ask('PATCH', 'Message/none', { json: { title: 'x' } }), 404, 'NOT_FOUND');
    expectProblem(await server.ask('DELETE', 'Message/none'), 404, 'NOT_FOUND');
    expectProblem(await server.ask('GET', 'Massage'), 404, 'NOT_FOUND');
    expectProblem(await server.ask('GET', 'Message/m/more'), 404, 'NOT_FOUND');
    expectProblem(await server.ask('PUT', 'Message/m', { json: { id: 'other', ...record } }), 400, 'VALIDATION_ERROR');
    expectProblem(await server.ask('PATCH', 'Message/m', { json: { title: null } }), 400, 'VALIDATION_ERROR');
    expectProblem(await server.ask('GET', 'Message?colour=red'), 400, 'INVALID_QUERY');
    const json = { 'content-type': 'application/json' };
    for (const body of ['{"title":', '', '{"a":1}{"b":2}', '{"title":NaN}', '// c\n{}']) {
      expectProblem(await server.ask('PUT', 'Message/m', { body, headers: json }), 400, 'INVALID_JSON');
    }
    for (const type of ['text/plain', 'application/json\ta', 'application/xml']) {
      const answer = await rawHttp(
        server.port,
        `PUT /my-app/Message/m HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: 2\r\n\r\n{}`,
      );
      expect(answer.status, type).toBe(415);
    }
    const large = { title: 't', content: 'x'.repeat(1024 * 1024) };
    const tooLarge = await server.ask('PUT', 'Message/m', { json: large });
    expectProblem(tooLarge, 413, 'BODY_TOO_LARGE');
    expect((await server.ask('GET', 'Message/m')).record).toEqual({ id: 'm', ...record });
  });

  test('what the schema does not allow an anonymous caller is a 403', async () => {
    const schema = `type Message @table @export(public: [read]) { id: ID! @primaryKey title: String }`;
    await using server = await startServer({ schema });
    expect((await server.ask('GET', 'Message')).status).toBe(200);
    expectProblem(await server.ask('POST', 'Message', { json: { title: 't' } }), 403, 'FORBIDDEN');
    expectProblem(await server.ask('PUT', 'Message/m', { json: { title: 't' } }), 403, 'FORBIDDEN');
    expectProblem(await server.ask('DELETE', 'Message/m'), 403, 'FORBIDDEN');
    expectProblem(await server.ask('GET', 'Message?stream=sse'), 403, 'FORBIDDEN');
  });

  test.each([
    ['Message', 'PUT', ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE']],
    ['Message/m', 'TRACE', ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE']],
    ['Message/m', 'POST', ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE']],
  ])('on %s the method %s is a 405 that names the allowed ones', async (path, method, allowed) => {
    await using server = await startServer();
    const answer = await rawHttp(
      server.port,
      `${method} /my-app/${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`,
    );
    expect(answer.status).toBe(405);
    const allow = (answer.headers.get('allow') ?? '').split(/, */);
    for (const name of allowed) expect(allow).toContain(name);
    expect(allow).not.toContain(method === 'POST' ? 'TRACE' : method);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'METHOD_NOT_ALLOWED' });
  });

  test('HEAD answers as GET without a body', async () => {
    await using server = await startServer();
    await server.put('Message/m', record);
    for (const path of ['Message', 'Message/m', 'Message/none']) {
      const get = await server.ask('GET', path);
      const head = await server.ask('HEAD', path);
      expect([head.status, head.text]).toEqual([get.status, '']);
      for (const name of ['etag', 'content-type', 'content-length', 'x-position']) {
        expect(head.headers.get(name), `${path} ${name}`).toBe(get.headers.get(name));
      }
    }
  });

  test('Prefer: return=minimal leaves the body out', async () => {
    await using server = await startServer();
    const headers = { prefer: 'return=minimal' };
    const post = await server.ask('POST', 'Message', { json: { id: 'm', ...record }, headers });
    expect([post.status, post.text]).toEqual([201, '']);
    expect(post.headers.get('location')).toBe('Message/m');
    const put = await server.ask('PUT', 'Message/m', { json: { title: 'a', content: 'b' }, headers });
    expect([put.status, put.text]).toEqual([204, '']);
    const patch = await server.ask('PATCH', 'Message/m', { json: { title: 'c' }, headers });
    expect([patch.status, patch.text]).toEqual([204, '']);
    expect(patch.headers.get('etag')).toBe((await server.ask('GET', 'Message/m')).headers.get('etag'));
    // RFC 7240 §2: without regard to case, and in quotes or not.
    for (const prefer of ['RETURN="minimal"', 'wait=10, return = minimal', 'return=minimal; x']) {
      const spelled = await server.ask('PATCH', 'Message/m', { json: { title: prefer }, headers: { prefer } });
      expect([spelled.status, spelled.headers.get('preference-applied')]).toEqual([204, 'return=minimal']);
    }
    for (const prefer of ['return=minimally', 'return=representation', 'noreturn=minimal']) {
      expect((await server.ask('PATCH', 'Message/m', { json: { title: 'c' }, headers: { prefer } })).status).toBe(200);
    }
  });

  test('PATCH keeps what is not sent, and null empties a field that may be empty', async () => {
    const schema = `
type Inner { a: Int b: Int }
type Thing @table @export { id: ID! @primaryKey name: String! note: String tags: [String!] inner: Inner }`;
    await using server = await startServer({ schema });
    await server.put('Thing/t', { name: 'n', note: 'x', tags: ['a', 'b'], inner: { a: 1, b: 2 } });
    const patched = await server.ask('PATCH', 'Thing/t', { json: { note: null, tags: ['c'] } });
    expect(patched.record).toEqual({ id: 't', name: 'n', note: null, tags: ['c'], inner: { a: 1, b: 2 } });
    const replaced = await server.ask('PUT', 'Thing/t', { json: { name: 'only' } });
    expect(replaced.record).toEqual({ id: 't', name: 'only', note: null, tags: null, inner: null });
    expectProblem(await server.ask('PATCH', 'Thing/t', { json: { id: 'u' } }), 400, 'VALIDATION_ERROR');
    expectProblem(await server.ask('PATCH', 'Thing/t', { json: { colour: 1 } }), 400, 'VALIDATION_ERROR');
    expectProblem(await server.ask('PATCH', 'Thing/t', { json: [] }), 400, 'VALIDATION_ERROR');
  });

  test('every field that is wrong is named at once', async () => {
    await using server = await startServer();
    const answer = await server.ask('POST', 'Message', { json: { title: 5, colour: 'red' } });
    expectProblem(answer, 400, 'VALIDATION_ERROR');
    const errors = answer.record.errors as { field: string; message: string }[];
    expect(errors.map(({ field }) => field).sort()).toEqual(['colour', 'content', 'title']);
    for (const { message } of errors) expect(message).not.toBe('');
  });
});

describe('conditional requests', { timeout: 120_000 }, () => {
  test('If-Match refuses a write on a record that has changed', async () => {
    await using server = await startServer();
    const old = (await server.put('Message/m', record)).headers.get('etag') ?? '';
    const current = (await server.put('Message/m', { title: 'a', content: 'b' })).headers.get('etag') ?? '';
    expect(current).not.toBe(old);
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      const json = method === 'DELETE' ? {} : { json: record };
      const answer = await server.ask(method, 'Message/m', { ...json, headers: { 'if-match': old } });
      expectProblem(answer, 412, 'PRECONDITION_FAILED');
    }
    const patch = await server.ask('PATCH', 'Message/m', { json: { title: 'c' }, headers: { 'if-match': current } });
    expect(patch.status).toBe(200);
    const newest = patch.headers.get('etag') ?? '';
    expect((await server.ask('DELETE', 'Message/m', { headers: { 'if-match': newest } })).status).toBe(204);
  });

  test('with If-Match, concurrent increments lose nothing', async () => {
    const schema = `type Counter @table @export { id: ID! @primaryKey value: Int! }`;
    await using server = await startServer({ schema });
    await server.put('Counter/c', { value: 0 });
    const increment = async (): Promise<void> => {
      for (let attempt = 0; attempt < 200; attempt += 1) {
        const read = await server.ask('GET', 'Counter/c');
        const answer = await server.ask('PATCH', 'Counter/c', {
          json: { value: Number(read.record.value) + 1 },
          headers: { 'if-match': read.headers.get('etag') ?? '' },
        });
        if (answer.status === 200) return;
        expect(answer.status).toBe(412);
      }
      throw new Error('an increment did not get through');
    };
    await Promise.all(Array.from({ length: 20 }, increment));
    expect((await server.ask('GET', 'Counter/c')).record.value).toBe(20);
  });

  test('If-None-Match: * creates and never replaces', async () => {
    await using server = await startServer();
    const headers = { 'if-none-match': '*' };
    expect((await server.ask('PUT', 'Message/m', { json: record, headers })).status).toBe(201);
    const second = await server.ask('PUT', 'Message/m', { json: { title: 'x', content: 'y' }, headers });
    expectProblem(second, 412, 'PRECONDITION_FAILED');
    expect((await server.ask('GET', 'Message/m')).record).toEqual({ id: 'm', ...record });
  });

  test('If-Match on a read is met or refused', async () => {
    await using server = await startServer();
    const tag = (await server.put('Message/m', record)).headers.get('etag') ?? '';
    const read = async (match: string, path = 'Message/m', method = 'GET') => {
      const answer = await server.ask(method, path, { headers: { 'if-match': match } });
      return [answer.status, method === 'HEAD' || answer.status === 200 ? undefined : answer.record.code];
    };
    for (const match of [tag, '*', `"1", ${tag}`, tag.replace(/"$/, '-csv"')])
      expect(await read(match)).toEqual([200, undefined]);
    for (const match of ['"1"', `W/${tag}`, 'x']) expect(await read(match)).toEqual([412, 'PRECONDITION_FAILED']);
    expect(await read('"1"', 'Message/m', 'HEAD')).toEqual([412, undefined]);
    // What would have been no success without the condition is none with it (RFC 9110 §13.2.1).
    expect(await read('"1"', 'Message/none')).toEqual([404, 'NOT_FOUND']);
    expect(await read('*', 'Message')).toEqual([200, undefined]);
    const list = (await server.ask('GET', 'Message')).headers.get('etag') ?? '';
    expect(await read(list, 'Message')).toEqual([412, 'PRECONDITION_FAILED']);
  });

  test.each([
    ['POST', 'Message'],
    ['POST', 'Message?publish=true'],
    ['POST', 'Message/m?publish=true'],
    ['PATCH', 'Message?all=true'],
    ['DELETE', 'Message?all=true'],
  ])('%s %s is about no stored record: with a condition it does nothing', async (method, path) => {
    await using server = await startServer();
    await server.put('Message/m', record);
    using events = await WsClient.subscribe(server.wsUrl('Message'));
    const json = { title: 'x', content: 'y' };
    for (const headers of [
      { 'if-match': '*' },
      { 'if-match': '"1"' },
      { 'if-none-match': '*' },
      { 'if-none-match': '"1"' },
    ]) {
      const answer = await server.ask(method, path, { ...(method === 'DELETE' ? {} : { json }), headers });
      expectProblem(answer, 400, 'BAD_REQUEST');
      expect(answer.record.detail).toContain('If-Match and If-None-Match are for PUT, PATCH and DELETE of one record');
    }
    expect((await server.ask('GET', 'Message')).records).toEqual([{ id: 'm', ...record }]);
    await server.put('Message/fence', record);
    expect(await events.next()).toMatchObject({ id: 'fence' });
  });

  test('an equal PUT stores nothing and keeps the ETag', async () => {
    await using server = await startServer();
    const first = await server.put('Message/m', record);
    const position = (await server.ask('GET', 'Message/m')).headers.get('x-position');
    const second = await server.put('Message/m', record);
    expect(second.status).toBe(200);
    expect(second.headers.get('etag')).toBe(first.headers.get('etag'));
    expect((await server.ask('GET', 'Message/m')).headers.get('x-position')).toBe(position);
  });
});

const TYPES = `
enum Colour { RED GREEN }
type Inner { n: Int! }
type T @table @export {
  id: ID! @primaryKey
  s: String
  i: Int
  f: Float
  b: Boolean
  d: Date
  l: Long
  j: JSON
  e: Colour
  list: [Int!]
  o: Inner
}`;

describe('types of values', { timeout: 120_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ schema: TYPES });
  }, 30_000);
  afterAll(() => server[Symbol.asyncDispose]());

  test.each([
    ['i', '42', 42],
    ['i', -7, -7],
    ['i', 9007199254740991, 9007199254740991],
    ['f', '1.5', 1.5],
    ['f', 3, 3],
    ['b', 'true', true],
    ['b', 'false', false],
    ['l', 5, 5],
    ['l', '9223372036854775807', '9223372036854775807'],
    ['l', '12', 12],
    ['d', '2025-01-15T10:30:00Z', '2025-01-15T10:30:00.000Z'],
    ['d', '2025-01-15T12:30:00+02:00', '2025-01-15T10:30:00.000Z'],
    ['s', '', ''],
    ['s', 'é\u0301\u{1f600}', 'é\u0301\u{1f600}'],
    ['e', 'RED', 'RED'],
    ['list', [1, '2'], [1, 2]],
    ['o', { n: '1' }, { n: 1 }],
    ['j', { any: ['thing', 1, null] }, { any: ['thing', 1, null] }],
    ['j', 'text', 'text'],
    ['s', null, null],
  ])('%s takes %j and gives %j', async (field, sent, given) => {
    const put = await server.ask('PUT', 'T/taken', { json: { [field]: sent } });
    expect(put.text).toContain(`"${field}":${JSON.stringify(given)}`);
    const read = await server.ask('GET', 'T/taken');
    expect(read.record[field]).toEqual(given);
    expect(read.text).toBe(put.text);
  });

  test.each([
    ['i', '4x'],
    ['i', '4.5'],
    ['i', 4.5],
    ['i', ' 42'],
    ['i', ''],
    ['i', true],
    ['i', 9007199254740992],
    ['i', [1]],
    ['f', 'NaN'],
    ['f', 'Infinity'],
    ['f', 'one'],
    ['b', 'yes'],
    ['b', 1],
    ['b', 'TRUE'],
    ['s', 5],
    ['s', true],
    ['s', { a: 1 }],
    ['d', 'yesterday'],
    ['d', '2025-02-30T00:00:00Z'],
    ['l', '9223372036854775808'],
    ['l', '1.0'],
    ['e', 'BLUE'],
    ['e', 'red'],
    ['list', [1, null]],
    ['list', 1],
    ['list', [1, 'x']],
    ['o', { n: 1, m: 2 }],
    ['o', {}],
    ['o', [1]],
  ])('%s refuses %j by name', async (field, sent) => {
    const put = await server.ask('PUT', 'T/refused', { json: { [field]: sent } });
    expectProblem(put, 400, 'VALIDATION_ERROR');
    const errors = put.record.errors as { field: string }[];
    expect(errors[0]?.field.startsWith(field)).toBe(true);
    expect((await server.ask('GET', 'T/refused')).status).toBe(404);
  });

  test('what JSON cannot hold exactly is refused', async () => {
    for (const body of [
      '{"s":"a\\u0000b"}',
      '{"s":"\\ud800"}',
      '{"f":1e400}',
      '{"i":9007199254740993}',
      '{"l":9007199254740993}',
    ]) {
      const headers = { 'content-type': 'application/json' };
      expect((await server.ask('PUT', 'T/refused', { body, headers })).status, body).toBe(400);
    }
  });

  test.each(['application/json', 'text/csv', 'application/x-www-form-urlencoded'])(
    'a DELETE with the Content-Type %s and no body is a DELETE',
    async (type) => {
      const headers = { 'content-type': type };
      for (const length of ['', 'Content-Length: 0\r\n']) {
        await server.put('T/typed', {});
        const lines = `Host: localhost\r\nConnection: close\r\nContent-Type: ${type}\r\n${length}\r\n`;
        expect((await rawHttp(server.port, `DELETE /my-app/T/typed HTTP/1.1\r\n${lines}`)).status).toBe(204);
      }
      const many = await server.ask('DELETE', 'T?id==typed', { headers });
      expect([many.status, many.record]).toEqual([200, { matched: 0, changed: 0 }]);
      const garbage = await server.ask('DELETE', 'T/typed', {
        headers: { 'content-type': 'application/json' },
        body: '{',
      });
      expectProblem(garbage, 400, 'INVALID_JSON');
    },
  );

  test('@createdTime is ISO for String and Date, and milliseconds for Int, Float and Long', async () => {
    const schema = `type S @table @export {
  id: ID! @primaryKey
  a: String @createdTime
  b: Date @createdTime
  c: Int @createdTime
  d: Float @updatedTime
  e: Long @updatedTime
}`;
    await using own = await startServer({ schema });
    const before = Date.now();
    const made = (await own.put('S/s', {})).record;
    const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
    expect(made.a).toMatch(iso);
    expect(made.b).toBe(made.a);
    for (const member of ['c', 'd', 'e']) expect(made[member]).toBe(Date.parse(String(made.a)));
    expect(Math.abs(Number(made.c) - before)).toBeLessThan(5_000);
  });

  test('a filter on a field without an index works', async () => {
    await using own = await startServer();
    await own.put('Message/a', { title: 'x', content: 'one' });
    await own.put('Message/b', { title: 'y', content: 'two' });
    expect((await own.ask('GET', 'Message?content=two')).records.map((row) => row.id)).toEqual(['b']);
  });
});
