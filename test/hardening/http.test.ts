import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/app.ts';
import { type Answer, ask, type RawAnswer, rawHttp } from '../support/http.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `
enum Kind { RED BLUE constructor }
type Inner { n: Int! note: String }
type Thing @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  s: String
  i: Int
  f: Float
  b: Boolean
  l: Long
  j: JSON
  k: Kind
  tags: [String!]
  inner: Inner
  made: String @createdTime
}
type Number @table @export { id: Int! @primaryKey s: String }
`;
const JSON_TYPE = { 'content-type': 'application/json' };
const FORBIDDEN_WORDS = /SQLITE_|SqliteError|near "|node_modules|at \w+ \(|\.js:\d|\.ts:\d|better-sqlite/;

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ schema: SCHEMA });
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

function expectProblem(answer: Answer, status: number, code?: string): void {
  expect([answer.status, answer.text.slice(0, 300)]).toEqual([status, expect.stringContaining('"code"')]);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  if (code !== undefined) expect(answer.record.code).toBe(code);
  expect(answer.text).not.toMatch(FORBIDDEN_WORDS);
}

const put = (body: string | Uint8Array, path = 'Thing/x', headers: Record<string, string> = JSON_TYPE) =>
  server.ask('PUT', path, { body, headers });

/** Bytes on a connection of their own; everything that came until it was closed or silent. */
const raw = (text: string | Uint8Array, quiet?: number): Promise<RawAnswer> => rawHttp(server.port, text, quiet);

/** A request on a connection that goes on. */
function keepAlive(line: string, headers: readonly string[] = [], body = ''): string {
  return [`${line} HTTP/1.1`, 'Host: 127.0.0.1', ...headers, '', body].join('\r\n');
}

/** A request after whose answer the server closes, so that nobody need wait whether more comes. */
function request(line: string, headers: readonly string[] = [], body = ''): string {
  return keepAlive(line, ['Connection: close', ...headers], body);
}

/** How long others waited while something was going on. */
async function slowestOther(busy: Promise<unknown>): Promise<number> {
  let slowest = 0;
  let done = false;
  void busy.finally(() => {
    done = true;
  });
  while (!done) {
    const started = performance.now();
    expect((await ask('GET', `${server.origin}/health/live`)).status).toBe(200);
    slowest = Math.max(slowest, performance.now() - started);
  }
  return slowest;
}

describe('B1 what is not JSON', () => {
  test.each<[what: string, body: string | Uint8Array]>([
    ['nothing', ''],
    ['spaces', ' \n '],
    ['half a document', '{"s":'],
    ['two documents', '{"s":"a"}{"s":"b"}'],
    ['NaN', '{"f":NaN}'],
    ['Infinity', '{"f":-Infinity}'],
    ['a comment', '{/* */"s":"a"}'],
    ['a trailing comma', '{"s":"a",}'],
    ['single quotes', "{'s':'a'}"],
    ['a bare word', 'undefined'],
    ['a control character in a string', '{"s":"a\u0001b"}'],
    ['a leading zero', '{"i":012}'],
    ['hexadecimal', '{"i":0x10}'],
    ['UTF-16', Buffer.from('{"s":"a"}', 'utf16le')],
    ['a byte order mark', '\ufeff{"s":"a"}'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0x73, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d])],
    ['overlong UTF-8', Buffer.from([0x7b, 0x22, 0x73, 0x22, 0x3a, 0x22, 0xc0, 0xaf, 0x22, 0x7d])],
  ])('%s is a 400 and stores nothing', async (_what, body) => {
    expectProblem(await put(body, 'Thing/b1'), 400, 'INVALID_JSON');
    expect((await server.ask('GET', 'Thing/b1')).status).toBe(404);
  });

  test('the message tells the offset and quotes nothing that was sent', async () => {
    const answer = await put('{"s":"secret-value", oops}');
    expectProblem(answer, 400, 'INVALID_JSON');
    expect(answer.record.detail).toMatch(/offset 21\b/);
    expect(answer.text).not.toContain('secret');
  });
});

describe('B2 B3 B4 values of the wrong type, unknown fields, fields of the server', () => {
  test.each([
    ['null', 'null', ''],
    ['a string', '"x"', ''],
    ['a number', '5', ''],
    ['an array for a record', '[]', ''],
    ['a number for text', '{"s":5}', 's'],
    ['an object for text', '{"s":{}}', 's'],
    ['an array for text', '{"s":["a"]}', 's'],
    ['a number for a switch', '{"b":1}', 'b'],
    ['empty text for a number', '{"i":""}', 'i'],
    ['an object for a list', '{"tags":{"0":"a","length":1}}', 'tags'],
    ['a null in a list', '{"tags":["a",null]}', 'tags[1]'],
    ['a list for an object', '{"inner":[]}', 'inner'],
    ['an unknown field', '{"colour":1}', 'colour'],
    ['an unknown nested field', '{"inner":{"n":1,"m":2}}', 'inner.m'],
    ['a field of the server', '{"made":"2020-01-01T00:00:00.000Z"}', 'made'],
    ['a column of the store', '{"_seq":5}', '_seq'],
    ['a position', '{"seq":5}', 'seq'],
  ])('%s is a 400 that names it', async (_what, body, field) => {
    const answer = await put(body, 'Thing/b2');
    expectProblem(answer, 400, 'VALIDATION_ERROR');
    expect((answer.record.errors as { field: string }[])[0]?.field).toBe(field);
    expect((await server.ask('GET', 'Thing/b2')).status).toBe(404);
  });
});

describe('B5 names that every object has', () => {
  const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype', 'valueOf'];

  test.each(NAMES)('%s is no field, no parameter and no table, and is an id like any other', async (name) => {
    expectProblem(await put(`{"${name}":{"polluted":true}}`), 400, 'VALIDATION_ERROR');
    expectProblem(await put(`{"inner":{"n":1,"${name}":{"polluted":true}}}`), 400, 'VALIDATION_ERROR');
    expectProblem(await server.ask('GET', `Thing?${name}=1`), 400, 'INVALID_QUERY');
    expectProblem(await server.ask('GET', `Thing?select=${name}`), 400, 'INVALID_QUERY');
    expectProblem(await server.ask('GET', `Thing?sort=${name}`), 400, 'INVALID_QUERY');
    expectProblem(await server.ask('GET', `Thing?inner.${name}=1`), 400, 'INVALID_QUERY');
    expectProblem(await server.ask('GET', name), 404, 'NOT_FOUND');
    expectProblem(await ask('GET', `${server.origin}/${name}/Thing`), 404, 'NOT_FOUND');
    expectProblem(await server.ask('GET', `Thing/${name}`), 404, 'NOT_FOUND');
    const stored = await put(`{"s":"${name}","j":{"${name}":{"a":1}},"tags":["${name}"]}`, `Thing/${name}`);
    expect(stored.status).toBe(201);
    const read = await server.ask('GET', `Thing/${name}`);
    expect(read.text).toContain(`"j":{"${name}":{"a":1}}`);
    expect((await server.ask('GET', `Thing?s==${name}`)).records).toHaveLength(1);
    expect((await server.ask('DELETE', `Thing/${name}`)).status).toBe(204);
    expect((await server.ask('GET', 'Thing/other')).text).not.toContain('polluted');
  });

  test('an enum takes its own values only', async () => {
    expectProblem(await put('{"k":"toString"}'), 400, 'VALIDATION_ERROR');
    expect((await put('{"k":"constructor"}', 'Thing/enum')).record.k).toBe('constructor');
  });
});

describe('B6 deep, wide and long', { timeout: 30_000 }, () => {
  const deep = (levels: number) => `${'['.repeat(levels)}1${']'.repeat(levels)}`;

  test('JSON is taken to the limit of its depth, and refused beyond it by name', async () => {
    expect((await put(`{"j":${deep(64)}}`, 'Thing/deep')).status).toBe(201);
    for (const levels of [65, 1000, 100_000, 500_000]) {
      expectProblem(await put(`{"j":${deep(levels)}}`, 'Thing/deeper'), 400, 'TOO_DEEP');
    }
    expectProblem(await put(deep(100_000)), 400);
    expectProblem(await put(`{"s":${deep(100_000)}}`), 400);
    expectProblem(await put(`{"colour":${deep(100_000)}}`), 400);
    expectProblem(await put(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`), 400);
  });

  test('what is published has the same limits', async () => {
    for (const body of [deep(65), deep(100_000), `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`]) {
      const answer = await server.ask('POST', 'Thing/x?publish=true', { body, headers: JSON_TYPE });
      expectProblem(answer, 400, 'TOO_DEEP');
    }
    const wide = JSON.stringify(Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [`k${n}`, n])));
    expectProblem(
      await server.ask('POST', 'Thing/x?publish=true', { body: wide, headers: JSON_TYPE }),
      400,
      'TOO_WIDE',
    );
  });

  test('an object has at most a thousand keys', async () => {
    const wide = (count: number) =>
      JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, n])));
    expect((await put(`{"j":${wide(1000)}}`, 'Thing/wide')).status).toBe(201);
    expectProblem(await put(`{"j":${wide(1001)}}`), 400, 'TOO_WIDE');
    expectProblem(await put(`{"j":[{"a":${wide(50_000)}}]}`), 400, 'TOO_WIDE');
    expectProblem(await put(wide(60_000)), 400, 'TOO_WIDE');
  });

  const MIB = 1024 * 1024 - 100;
  test.each([
    ['digits', () => `{"i":${'9'.repeat(MIB)}}`],
    [
      'a text with a number that is too long beside it',
      () => `{"s":"${'x'.repeat(MIB - 60)}","i":99999999999999999999}`,
    ],
    ['escapes', () => `{"s":"${'\\u0041'.repeat(MIB / 6 - 20)}","x":1}`],
    ['backslashes', () => `{"s":"${'\\\\'.repeat(MIB / 2 - 40)}","i":99999999999999999999}`],
    ['quotes', () => `{"j":[${'"",'.repeat(MIB / 3 - 40)}1],"i":99999999999999999999}`],
    [
      'unknown fields in many records',
      () => `[${'{"aa":1,"ab":1,"ac":1,"ad":1,"ae":1,"af":1,"ag":1},'.repeat(990)}{}]`,
    ],
    ['one long name', () => `{"${'n'.repeat(MIB - 40)}":1}`],
    ['names that are nearly right', () => `{${Array.from({ length: 999 }, (_, n) => `"inne${n}":1`).join(',')}}`],
    ['wrong items in a list', () => `{"tags":[${'1,'.repeat(MIB / 2 - 40)}1]}`],
  ])('a megabyte of %s is refused at once, with a short answer, and nobody else waits', async (_what, make) => {
    const body = make();
    const started = performance.now();
    const path = body.startsWith('[') ? 'Thing' : 'Thing/x';
    const answering = server.ask(body.startsWith('[') ? 'POST' : 'PUT', path, { body, headers: JSON_TYPE });
    const slowest = await slowestOther(answering);
    const answer = await answering;
    expect(answer.status).toBe(400);
    expect(performance.now() - started).toBeLessThan(1500);
    expect(slowest).toBeLessThan(400);
    expect(answer.text.length).toBeLessThan(256 * 1024);
  });
});

describe('B7 bodies that are too large', { timeout: 30_000 }, () => {
  test('a Content-Length beyond the limit is refused before the body comes, and the connection ends', async () => {
    const answer = await raw(
      keepAlive('PUT /my-app/Thing/x', ['Content-Type: application/json', 'Content-Length: 1000000000'], '{"s":'),
      2000,
    );
    expect(answer.status).toBe(413);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'BODY_TOO_LARGE' });
    expect(answer.headers.get('connection')).toBe('close');
  });

  test('chunks without end are cut off when they cross the limit', async () => {
    const socket = connect({ port: server.port, host: '127.0.0.1' });
    let received = '';
    let sent = 0;
    socket.on('data', (data) => {
      received += data.toString();
    });
    socket.on('error', () => undefined);
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.write(keepAlive('PUT /my-app/Thing/x', ['Content-Type: application/json', 'Transfer-Encoding: chunked']));
    const chunk = `10000\r\n${' '.repeat(65_536)}\r\n`;
    while (!socket.destroyed && sent < 64 * 1024 * 1024) {
      sent += 65_536;
      socket.write(chunk);
      // Lets the answer in: what is sent after it may reset the connection before it was read.
      await new Promise((resolve) => setTimeout(resolve, received === '' ? 1 : 20));
    }
    await closed;
    expect(received).toMatch(/^HTTP\/1\.1 413 /);
    expect(sent).toBeLessThan(16 * 1024 * 1024);
  });

  test('a body longer than its Content-Length is not taken for part of it', async () => {
    const answer = await raw(
      keepAlive('PUT /my-app/Thing/b7', ['Content-Type: application/json', 'Content-Length: 9'], '{"s":"a"},"i":5}'),
    );
    // What is left over is no request; it may be told so before the answer to the request.
    expect(answer.all).toMatch(/HTTP\/1\.1 400 /);
    expect((await server.ask('GET', 'Thing/b7')).record).toMatchObject({ s: 'a', i: null });
  });

  test('a body shorter than its Content-Length stores nothing', async () => {
    const socket = connect({ port: server.port, host: '127.0.0.1' }).resume();
    socket.on('error', () => undefined);
    await new Promise<void>((resolve) => {
      const bytes = keepAlive(
        'PUT /my-app/Thing/short',
        [`Content-Type: application/json`, 'Content-Length: 10'],
        '{"s":"a"}',
      );
      socket.write(bytes, () => socket.end(resolve));
    });
    await new Promise((resolve) => socket.once('close', resolve));
    expect((await server.ask('GET', 'Thing/short')).status).toBe(404);
  });

  test.each([['-1'], ['abc'], ['1, 2'], ['0x10'], ['99999999999999999999999']])(
    'Content-Length: %s is a 4xx',
    async (length) => {
      const answer = await raw(
        keepAlive('PUT /my-app/Thing/x', ['Content-Type: application/json', `Content-Length: ${length}`], '{}'),
      );
      expect([400, 413]).toContain(answer.status);
    },
  );
});

test.each(['gzip', 'deflate', 'br', 'x-unknown'])('B8 a body with Content-Encoding: %s is a 415', async (encoding) => {
  const bomb = gzipSync(Buffer.alloc(10_000_000, 0x20));
  const answer = await put(bomb, 'Thing/x', { ...JSON_TYPE, 'content-encoding': encoding });
  expectProblem(answer, 415, 'UNSUPPORTED_MEDIA_TYPE');
});

describe('B9 content types', () => {
  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json\ta',
    'application/jsonx',
    'application/json, text/plain',
    'application/ json',
    'text/plain; application/json',
    'application/json/x',
    '',
  ])('%j is a 415 and stores nothing', async (type) => {
    const answer = await raw(
      request('PUT /my-app/Thing/b9', [`Content-Type: ${type}`, 'Content-Length: 9'], '{"s":"a"}'),
    );
    expect(answer.status).toBe(415);
    expect((await server.ask('GET', 'Thing/b9')).status).toBe(404);
  });

  test('no content type at all is a 415', async () => {
    const answer = await raw(request('PUT /my-app/Thing/b9', ['Content-Length: 9'], '{"s":"a"}'));
    expect(answer.status).toBe(415);
  });

  test.each(['application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON', ' application/json'])(
    '%j is taken, and checked',
    async (type) => {
      const answer = (body: string) =>
        raw(request('PUT /my-app/Thing/b9ok', [`Content-Type:${type}`, `Content-Length: ${body.length}`], body));
      expect([200, 201]).toContain((await answer('{"s":"a"}')).status);
      expect((await answer('{"s":5}')).status).toBe(400);
    },
  );
});

describe('B10 B11 numbers', () => {
  const LONGS = [
    ['9007199254740991', '9007199254740991'],
    ['-9007199254740991', '-9007199254740991'],
    ['"9007199254740992"', '"9007199254740992"'],
    ['"9007199254740993"', '"9007199254740993"'],
    ['"-9007199254740993"', '"-9007199254740993"'],
    ['"9223372036854775807"', '"9223372036854775807"'],
    ['"-9223372036854775808"', '"-9223372036854775808"'],
    ['"42"', '42'],
    ['0', '0'],
  ] as const;

  test.each(LONGS)('a Long of %s is kept digit by digit: stored, listed, filtered and told', async (sent, given) => {
    using events = await WsClient.subscribe(server.wsUrl('Thing/long?retained=false'));
    const written = await put(`{"s":"${performance.now()}","l":${sent}}`, 'Thing/long');
    expect(written.text).toContain(`"l":${given},`);
    expect((await server.ask('GET', 'Thing/long')).text).toContain(`"l":${given},`);
    const value = given.replaceAll('"', '');
    const list = await server.ask('GET', `Thing?l==${value}`);
    expect(list.text).toContain(`"l":${given},`);
    const next = value.endsWith('7') ? value.replace(/7$/, '6') : value.replace(/.$/, '7');
    expect((await server.ask('GET', `Thing?l==${next}`)).records).toEqual([]);
    await events.next();
    expect(events.texts.at(-1)).toContain(`"l":${given},`);
    using filtered = await WsClient.subscribe(server.wsUrl(`Thing?retained=true&l==${value}`));
    expect(filtered.texts[0]).toContain(`"l":${given},`);
  });

  test.each([
    '{"l":9007199254740993}',
    '{"l":9223372036854775808}',
    '{"l":"9223372036854775808"}',
    '{"l":"-9223372036854775809"}',
    '{"l":"1e3"}',
    '{"l":"+5"}',
    '{"l":"007"}',
    '{"l":1.5}',
    '{"i":9007199254740992}',
    '{"i":"9007199254740992"}',
    '{"i":1e16}',
    '{"i":9007199254740990.9}',
    '{"i":1.0000000000000000001}',
    '{"f":1e400}',
    '{"f":-1e400}',
    '{"f":"1e400"}',
    '{"f":"NaN"}',
    '{"f":"Infinity"}',
    '{"f":"0x10"}',
    '{"j":{"a":[12345678901234567890]}}',
    '{"j":1e999}',
  ])('%s is a 400: no digit is lost in silence', async (body) => {
    expectProblem(await put(body), 400);
  });

  test.each([
    ['{"f":-0}', /"f":-?0(?:\.0)?,/],
    ['{"f":5e-324}', /"f":5e-324,/],
    ['{"f":1.7976931348623157e308}', /"f":1\.7976931348623157e\+308,/],
    ['{"f":0.1}', /"f":0\.1,/],
    ['{"f":1e21}', /"f":1e\+21,/],
    ['{"f":123456789012345680000}', /"f":123456789012345680000,/],
    ['{"i":1e3}', /"i":1000,/],
    ['{"i":1.0}', /"i":1,/],
  ])('%s is stored and read back as it is', async (body, expected) => {
    const written = await put(body, 'Thing/number');
    expect(written.text).toMatch(expected);
    expect((await server.ask('GET', 'Thing/number')).text).toBe(written.text);
  });
});

describe('B12 text', () => {
  const TEXTS = [
    ['composed', 'é'],
    ['decomposed', 'e\u0301'],
    ['right-to-left marks', '\u202eabc\u202c'],
    ['zero width', 'a\u200bb'],
    ['a byte order mark', '\ufeffx'],
    ['astral', '😀👩‍👩‍👧'],
    ['quotes', `"'\\/`],
    ['line separators', 'a\u2028b\u2029c\nd\r\te'],
    ['what looks like a delimiter', 'event: x\n\ndata: y'],
    ['non-characters', '\uffff\ufffe'],
  ] as const;

  test.each(TEXTS)('%s come back byte for byte, in REST and on a stream', async (_what, text) => {
    using events = await WsClient.subscribe(server.wsUrl('Thing/text?retained=false'));
    const written = await server.ask('PUT', 'Thing/text', { json: { s: text, j: { [text]: [text] }, i: Date.now() } });
    expect([200, 201]).toContain(written.status);
    const { record } = await server.ask('GET', 'Thing/text');
    expect([record.s, record.j]).toEqual([text, { [text]: [text] }]);
    expect((await events.next()).data).toEqual(record);
    const found = await server.ask('GET', `Thing?s==${encodeURIComponent(text).replace(/[*]/g, '%2A')}`);
    expect(found.records.map((row) => row.s)).toContain(text);
  });

  test('ids that look alike are different records', async () => {
    const ids = ['é', 'e\u0301', 'É', 'ｅ', 'e'];
    for (const id of ids) await server.put(`Thing/${encodeURIComponent(id)}`, { s: id });
    for (const id of ids) {
      expect((await server.ask('GET', `Thing/${encodeURIComponent(id)}`)).record).toMatchObject({ id, s: id });
    }
  });

  test.each([
    '{"s":"a\\u0000b"}',
    '{"s":"\\ud800"}',
    '{"s":"\\udc00\\ud800"}',
    '{"j":{"\\u0000":1}}',
    '{"tags":["\\udfff"]}',
  ])('%s is a 400', async (body) => {
    expectProblem(await put(body), 400, 'VALIDATION_ERROR');
  });
});

describe('B13 ids in paths', () => {
  test.each([
    ['a%2Fb', 'a/b'],
    ['..', '..'],
    ['.', '.'],
    ['%2e%2e', '..'],
    ['a;b=c', 'a;b=c'],
    ['a%3Fb', 'a?b'],
    ['a%23b', 'a#b'],
    ['a%25b', 'a%b'],
    ['%252F', '%2F'],
    ['a+b', 'a+b'],
    ['a%20b', 'a b'],
    ['*', '*'],
    ['null', 'null'],
    ['%F0%9F%98%80', '😀'],
    ['~!$&()=@:,', '~!$&()=@:,'],
  ])('%s is decoded once, to %j', async (segment, id) => {
    const body = '{"s":"b13"}';
    const stored = await raw(
      request(
        `PUT /my-app/Thing/${segment}`,
        ['Content-Type: application/json', `Content-Length: ${body.length}`],
        body,
      ),
    );
    expect([200, 201]).toContain(stored.status);
    expect(JSON.parse(stored.body)).toMatchObject({ id });
    const read = await raw(request(`GET /my-app/Thing/${segment}`));
    expect(JSON.parse(read.body)).toMatchObject({ id });
    const removed = await raw(request(`DELETE /my-app/Thing/${segment}`));
    expect(removed.status).toBe(204);
  });

  test.each(['%zz', '%', 'a%2', '%00', 'a%00b', '%0a', '%7f', '%c2%85', '%ff', '%c0%af', '%ed%a0%80', 'x'.repeat(257)])(
    '%s is a 400 in every method',
    async (segment) => {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const answer = await raw(
          request(`${method} /my-app/Thing/${segment}`, ['Content-Type: application/json', 'Content-Length: 2'], '{}'),
        );
        expect(answer.status, method).toBe(400);
        expect(JSON.parse(answer.body)).toMatchObject({ status: 400 });
      }
    },
  );

  test.each([
    '/my-app/Thing/',
    '/my-app/Thing//x',
    '//my-app/Thing',
    '/my-app//Thing',
    '/my-app/Thing/x/',
    '/my-app/thing',
    '/MY-APP/Thing',
    '/my-app/./Thing',
    '/my-app/x/../Thing',
    '/my-app%2FThing',
  ])('%s is not the table', async (path) => {
    const answer = await raw(request(`GET ${path}`));
    expect([400, 404]).toContain(answer.status);
    const removed = await raw(request(`DELETE ${path}`));
    expect([400, 404, 405]).toContain(removed.status);
  });

  test.each(['1.0', '1e3', ' 1', '0x1', '9007199254740993', '--1', '1a', '٣'])(
    '%s is no number as an id',
    async (segment) => {
      const answer = await server.ask('PUT', `Number/${encodeURIComponent(segment)}`, { json: { s: 'x' } });
      expectProblem(answer, 400, 'INVALID_ID');
    },
  );

  test('one number has one address', async () => {
    await server.put('Number/7', { s: 'x' });
    for (const alias of ['007', '07', '%37.']) expectProblem(await server.ask('GET', `Number/${alias}`), 400);
    await server.put('Number/0', { s: 'zero' });
    expectProblem(await server.ask('GET', 'Number/-0'), 400);
  });
});

describe('B14 B15 queries', () => {
  const INJECTIONS = [
    "x' OR '1'='1",
    '\'; DROP TABLE "data/Thing"; --',
    '1 OR 1=1',
    '" OR ""="',
    "x') OR 1=1 --",
    '%',
    '_',
    '\\',
    "' UNION SELECT * FROM sqlite_master --",
  ];

  test.each(INJECTIONS)('%j is a value and nothing else', async (text) => {
    await server.put('Thing/victim', { s: 'victim' });
    const encoded = encodeURIComponent(text);
    for (const query of [
      `s==${encoded}`,
      `s===${encoded}`,
      `s=in=${encoded}`,
      `s=sw=${encoded}`,
      `inner.note==${encoded}`,
      `tags==${encoded}`,
    ]) {
      const answer = await server.ask('GET', `Thing?${query}`);
      expect([200, 400]).toContain(answer.status);
      if (answer.status === 200) expect(answer.records).toEqual([]);
      expect(answer.text).not.toMatch(FORBIDDEN_WORDS);
    }
    for (const query of [
      `sort=${encoded}`,
      `select=${encoded}`,
      `limit=${encoded}`,
      `offset=${encoded}`,
      `${encoded}=1`,
      `i==${encoded}`,
    ]) {
      expectProblem(await server.ask('GET', `Thing?${query}`), 400, 'INVALID_QUERY');
    }
    expect((await server.ask('GET', `Thing/${encoded}`)).status).toBe(404);
    expect((await server.ask('GET', 'Thing/victim')).status).toBe(200);
  });

  test.each([
    'colour=red',
    'Title=x',
    'sort=colour',
    'sort=-colour',
    'select=colour',
    'filter=colour==1',
    'inner.colour=1',
    '_seq=1',
    'rowid=1',
    'made==x&colour=1',
    'limit=0',
    'limit=1e9',
    'limit=-1',
    'limit=1&limit=2',
    'offset=x',
    's=zz=1',
    '=x',
    'retained=true',
    'since=5',
  ])('?%s is refused, never ignored', async (query) => {
    expectProblem(await server.ask('GET', `Thing?${query}`), 400, 'INVALID_QUERY');
  });

  test('a write takes no query', async () => {
    await server.put('Thing/kept', { s: 'kept' });
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      const json = method === 'DELETE' ? {} : { json: { s: 'changed' } };
      expectProblem(await server.ask(method, 'Thing/kept?s==other', json), 400, 'INVALID_QUERY');
    }
    expectProblem(await server.ask('POST', 'Thing?publsh=true', { json: { s: 'x' } }), 400, 'INVALID_QUERY');
    expect((await server.ask('GET', 'Thing/kept')).record.s).toBe('kept');
  });
});

test.each(['DELETE', 'PATCH', 'PUT'])(
  'B16 %s of a whole table is refused with and without a filter',
  async (method) => {
    await server.put('Thing/kept', { s: 'kept' });
    for (const query of ['', '?', '?s==nothing', '?colour=red', '?all=true']) {
      const answer = await raw(
        request(`${method} /my-app/Thing${query}`, ['Content-Type: application/json', 'Content-Length: 2'], '{}'),
      );
      expect(answer.status).toBe(405);
      expect(answer.headers.get('allow')).toContain('POST');
    }
    expect((await server.ask('GET', 'Thing/kept')).status).toBe(200);
  },
);

describe('B17 filters that are too much', { timeout: 30_000 }, () => {
  test.each([
    ['parentheses', `filter=${'('.repeat(3000)}`],
    ['matched parentheses', `filter=${'('.repeat(1000)}s==a${')'.repeat(1000)}`],
    ['exclamation marks', `${'!'.repeat(3000)}s==a`],
    ['conditions', Array.from({ length: 900 }, () => 's==a').join('&')],
    ['alternatives', `filter=${Array.from({ length: 900 }, () => 's==a').join(',')}`],
    ['values', `s=in=${Array.from({ length: 1500 }, (_, n) => n).join(',')}`],
    ['wildcards', `s==${'*a'.repeat(1500)}`],
    ['a long pattern', `s==*${'%25_'.repeat(800)}*`],
    ['a regular expression', 's=~=(a%2B)%2B$'],
    ['commas', `select=${','.repeat(5000)}`],
    ['dots', `inner${'.n'.repeat(2000)}=1`],
    ['signs', `sort=${'-'.repeat(5000)}`],
    ['percent', '%'.repeat(5000)],
  ])('%s are refused in no time, and nobody else waits', async (_what, query) => {
    const started = performance.now();
    const answering = Promise.all(Array.from({ length: 20 }, () => raw(request(`GET /my-app/Thing?${query}`))));
    const slowest = await slowestOther(answering);
    for (const { status } of await answering) expect(status).toBe(400);
    expect((performance.now() - started) / 20).toBeLessThan(50);
    expect(slowest).toBeLessThan(200);
  });
});

describe('B20 requests that are not what they seem', { timeout: 30_000 }, () => {
  const body = '{"s":"smuggled"}';
  const inner = keepAlive(
    'PUT /my-app/Thing/smuggled',
    ['Content-Type: application/json', `Content-Length: ${body.length}`],
    body,
  );

  test.each<[what: string, bytes: () => string]>([
    [
      'Content-Length and Transfer-Encoding',
      () =>
        keepAlive(
          'POST /my-app/Thing',
          ['Content-Type: application/json', 'Content-Length: 4', 'Transfer-Encoding: chunked'],
          `0\r\n\r\n${inner}`,
        ),
    ],
    [
      'two Content-Lengths',
      () =>
        keepAlive(
          'POST /my-app/Thing',
          ['Content-Type: application/json', 'Content-Length: 2', 'Content-Length: 200'],
          `{}${inner}`,
        ),
    ],
    [
      'an unknown Transfer-Encoding',
      () => keepAlive('POST /my-app/Thing', ['Transfer-Encoding: xchunked'], `0\r\n\r\n${inner}`),
    ],
    [
      'chunked that is not last',
      () => keepAlive('POST /my-app/Thing', ['Transfer-Encoding: chunked, identity'], `0\r\n\r\n${inner}`),
    ],
    [
      'a space before the colon',
      () => keepAlive('POST /my-app/Thing', ['Transfer-Encoding : chunked', 'Content-Length: 0'], inner),
    ],
    ['a folded header', () => keepAlive('POST /my-app/Thing', ['X: a', ' Transfer-Encoding: chunked'], inner)],
    ['a header without a name', () => keepAlive('POST /my-app/Thing', [': x'], inner)],
    ['a NUL in a header', () => keepAlive('POST /my-app/Thing', ['X: a\u0000b'], inner)],
    ['bare line feeds', () => `POST /my-app/Thing HTTP/1.1\nHost: a\nContent-Length: 0\n\n${inner}`],
    [
      'a chunk size that overflows',
      () => keepAlive('POST /my-app/Thing', ['Transfer-Encoding: chunked'], `fffffffffffffffff\r\n${inner}`),
    ],
    ['no Host', () => 'GET /my-app/Thing HTTP/1.1\r\n\r\n'],
    ['two Hosts', () => keepAlive('GET /my-app/Thing', ['Host: other.example'])],
    ['a version of the future', () => `GET /my-app/Thing HTTP/3.7\r\nHost: a\r\n\r\n${inner}`],
    ['no method', () => `/my-app/Thing HTTP/1.1\r\nHost: a\r\n\r\n${inner}`],
    ['an unknown method', () => `STEAL /my-app/Thing HTTP/1.1\r\nHost: a\r\n\r\n${inner}`],
    ['a preface of HTTP/2', () => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${inner}`],
    ['a TLS greeting', () => `\u0016\u0003\u0001\u0002\u0000\u0001${inner}`],
  ])('%s is refused and closed, and what follows is not run', async (_what, bytes) => {
    await server.ask('DELETE', 'Thing/smuggled');
    const answer = await raw(Buffer.from(bytes(), 'latin1'), 1000);
    const statuses = [...answer.all.matchAll(/HTTP\/1\.1 (\d+)/g)].map((found) => Number(found[1]));
    expect(statuses.length).toBeGreaterThan(0);
    for (const status of statuses) expect(Math.trunc(status / 100)).toBe(4);
    expect((await server.ask('GET', 'Thing/smuggled')).status).toBe(404);
  });

  test('a URL that is too long is a 414, and one at the limit is not', async () => {
    const path = (length: number) => `/my-app/Thing?s==${'x'.repeat(length - '/my-app/Thing?s=='.length)}`;
    expect((await raw(request(`GET ${path(8193)}`))).status).toBe(414);
    expect((await raw(request(`GET ${path(12_000)}`))).status).toBe(414);
    expect((await raw(request(`GET ${path(4000)}`))).status).toBe(200);
    expect([414, 431]).toContain((await raw(request(`GET ${path(100_000)}`), 1000)).status);
  });

  test('header fields that are too large are a 431', async () => {
    expect((await raw(request('GET /my-app/Thing', [`X: ${'y'.repeat(20_000)}`]))).status).toBe(431);
    expect(
      (
        await raw(
          request(
            'GET /my-app/Thing',
            Array.from({ length: 3000 }, (_, n) => `x${n}: yyyy`),
          ),
        )
      ).status,
    ).toBe(431);
  });

  test('more header fields than the limit are a 431: none is left out in silence', async () => {
    const filler = Array.from({ length: 120 }, (_, n) => `x${n}: y`);
    await server.put('Thing/guarded', { s: 'first' });
    const json = '{"s":"second"}';
    const answer = await raw(
      request(
        'PUT /my-app/Thing/guarded',
        ['Content-Type: application/json', `Content-Length: ${json.length}`, ...filler, 'If-Match: "1"'],
        json,
      ),
    );
    expect(answer.status).toBe(431);
    expect((await server.ask('GET', 'Thing/guarded')).record.s).toBe('first');
  });

  test('requests in a row on one connection are answered in order', async () => {
    const answer = await raw(['s1', 's2', 's3'].map((id) => keepAlive(`GET /my-app/Thing/${id}`)).join(''));
    const problems = [...answer.all.matchAll(/"detail":"There is no record with the id \\"(s\d)\\"/g)].map(
      (found) => found[1],
    );
    expect(problems).toEqual(['s1', 's2', 's3']);
  });

  test('a stream that is asked for behind another request does not come before its answer', async () => {
    const json = '{"s":"first"}';
    const first = keepAlive(
      'PUT /my-app/Thing/pipelined',
      ['Content-Type: application/json', `Content-Length: ${json.length}`],
      json,
    );
    const answer = await raw(first + keepAlive('GET /my-app/Thing?stream=sse'));
    expect(answer.all).toMatch(/^HTTP\/1\.1 20[01] /);
    const stream = answer.all.indexOf('text/event-stream');
    const written = answer.all.indexOf('"id":"pipelined"');
    expect(written).toBeGreaterThan(0);
    if (stream >= 0) expect(written).toBeLessThan(stream);
  });

  test('a HEAD has no body, and an answer never has two lengths', async () => {
    const answer = await raw(request('HEAD /my-app/Thing/none'));
    expect([answer.status, answer.body]).toEqual([404, '']);
    expect(answer.all.match(/content-length/gi)).toHaveLength(1);
  });
});

describe('B22 methods', () => {
  test.each(['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'])('%s is not obeyed', async (name) => {
    await server.put('Thing/kept', { s: 'kept' });
    await server.ask('POST', 'Thing/kept', { json: {}, headers: { [name]: 'DELETE' } });
    await server.ask('GET', 'Thing/kept', { headers: { [name]: 'DELETE' } });
    expect((await server.ask('GET', 'Thing/kept?_method=DELETE')).status).toBe(400);
    expect((await server.ask('GET', 'Thing/kept')).status).toBe(200);
  });

  test.each(['TRACE', 'OPTIONS', 'PROPFIND', 'LOCK', 'SEARCH'])(
    '%s is a 404 or 405 and reflects nothing',
    async (method) => {
      const answer = await raw(request(`${method} /my-app/Thing`, ['X-Secret: reflected']));
      expect([404, 405]).toContain(answer.status);
      expect(answer.all).not.toContain('reflected');
    },
  );

  test('CONNECT is not a proxy', async () => {
    const answer = await raw('CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n');
    expect(answer.all).not.toMatch(/ 200 |SSH/);
  });
});

test('B23 static files: only what is in the folder, no dot files, no links out, no other file of the application', async () => {
  await using own = await startServer({
    files: { 'web/index.html': '<p>page</p>', 'web/.secret': 'hidden', 'web/sub/a.txt': 'sub' },
  });
  await writeFile(join(own.dir, 'outside.txt'), 'outside');
  await symlink(join(own.dir, 'outside.txt'), join(own.dir, 'web', 'link.txt'));
  await mkdir(join(own.dir, 'website'));
  await writeFile(join(own.dir, 'website', 'x.txt'), 'neighbour');
  const get = (path: string) => rawHttp(own.port, request(`GET ${path}`));
  expect((await get('/my-app/')).body).toContain('page');
  expect((await get('/my-app/sub/a.txt')).body).toBe('sub');
  const paths = [
    '/my-app/.secret',
    '/my-app/%2esecret',
    '/my-app/link.txt',
    '/my-app/sub',
    '/my-app/sub/',
    ...['schema.graphql', 'config.yaml', 'data/data.db', 'outside.txt', 'website/x.txt'].flatMap((file) => [
      `/my-app/${file}`,
      `/my-app/../${file}`,
      `/my-app/..%2f${file}`,
      `/my-app/%2e%2e/${file}`,
      `/my-app/%2e%2e%2f${file}`,
      `/my-app/..%5c${file}`,
      `/my-app/sub/../../${file}`,
      `/my-app/sub%2f..%2f..%2f${file}`,
      `/my-app/....//${file}`,
      `/my-app/web/../${file}`,
    ]),
    '/my-app/%00index.html',
    '/my-app/index.html%00.txt',
    '/my-app//etc/passwd',
    '/my-app/%2fetc%2fpasswd',
    '//etc/passwd',
  ];
  for (const path of paths) {
    const answer = await get(path);
    expect([400, 403, 404, 308], `${path}: ${answer.status}`).toContain(answer.status);
    expect(answer.body, path).not.toMatch(/hidden|outside|neighbour|type Message|schemas:|SQLite|root:/);
  }
  expect((await rawHttp(own.port, request('GET /my-app/Message'))).status).toBe(200);
}, 30_000);
