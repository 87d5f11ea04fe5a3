import { decode as decodePack, encode as encodePack } from '@msgpack/msgpack';
import { decode as decodeCbor, encode as encodeCbor } from 'cborg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';

const SCHEMA = `
type Book @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey  title: String!  pages: Int  price: Float  big: Long  ok: Boolean  tags: [String!]  extra: JSON
  note: String @default(value: "none")  secret: String @hidden  authorId: ID @indexed
  author: Author @relationship(from: "authorId")
}
type Author @table @export { id: ID! @primaryKey  name: String!  books: [Book] @relationship(to: "authorId") }
type Shelf @table @export { id: Int! @primaryKey  name: String }
`;
const BOOKS = [
  { id: 'b1', title: 'A, "quoted"', pages: 12, price: 1.5, big: '9223372036854775807', ok: true, tags: ['x', 'y'] },
  { id: 'b2', title: '=SUM(A1)', extra: { a: [1, null] }, note: '', authorId: 'a1' },
  { id: 'b3', title: 'line\r\nbreak', extra: 'text', note: null, big: -5 },
];
const NDJSON = 'application/x-ndjson';
const BINARY = [
  ['application/cbor', (bytes: Uint8Array) => decodeCbor(bytes) as unknown, encodeCbor],
  ['application/vnd.msgpack', (bytes: Uint8Array) => decodePack(bytes), encodePack],
  ['application/msgpack', (bytes: Uint8Array) => decodePack(bytes), encodePack],
  ['application/x-msgpack', (bytes: Uint8Array) => decodePack(bytes), encodePack],
] as const;

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: BASE_CONFIG });
  await server.put('Author/a1', { name: 'Ada' });
  expect((await server.ask('POST', 'Book', { json: BOOKS })).status).toBe(201);
});
afterAll(() => server[Symbol.asyncDispose]());

const as = (accept: string) => ({ headers: { accept } });

async function bytesOf(path: string, accept: string): Promise<Uint8Array> {
  const response = await fetch(server.url(path), { headers: { accept } });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, accept]);
  return new Uint8Array(await response.arrayBuffer());
}

function lines(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}

describe('a list', () => {
  const QUERIES = [
    'Book',
    'Book?sort=-title&limit=2',
    'Book?select=title,author{name,books{id}}&id=in=b1,b2',
    'Book?pages=gt=5',
    'Book?title==nothing',
  ];

  test.each(QUERIES)('%s is the same in NDJSON, CBOR and MessagePack as in JSON', async (path) => {
    const json = (await server.ask('GET', path)).records;
    expect(lines((await server.ask('GET', path, as(NDJSON))).text)).toEqual(json);
    expect(lines((await server.ask('GET', path, as('application/jsonl'))).text)).toEqual(json);
    for (const [type, decode] of BINARY) expect(decode(await bytesOf(path, type))).toEqual(json);
  });

  test('in CSV has the visible fields, or those that were selected, also when it is empty', async () => {
    const all = await server.ask('GET', 'Book', as('text/csv'));
    expect(all.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    expect(all.text).toBe(
      [
        'id,title,pages,price,big,ok,tags,extra,note,authorId',
        'b1,"A, ""quoted""",12,1.5,9223372036854775807,true,"[""x"",""y""]",,none,',
        'b2,=SUM(A1),,,,,,"{""a"":[1,null]}","",a1',
        'b3,"line\r\nbreak",,,-5,,,"""text""",,',
        '',
      ].join('\r\n'),
    );
    const selected = await server.ask('GET', 'Book?select=title,author{name}&id=b2', as('text/csv'));
    expect(selected.text).toBe('id,title,author\r\nb2,=SUM(A1),"{""name"":""Ada""}"\r\n');
    expect((await server.ask('GET', 'Book?title==none&select=price', as('text/csv'))).text).toBe('id,price\r\n');
    expect((await server.ask('GET', 'Book?title==none', as('text/csv'))).text).toBe(
      'id,title,pages,price,big,ok,tags,extra,note,authorId\r\n',
    );
  });

  test('has cursor, count and position whatever its content type', async () => {
    for (const accept of ['application/json', 'text/csv', NDJSON, 'application/cbor']) {
      const { headers } = await server.ask('GET', 'Book?limit=1&count=true', as(accept));
      expect([headers.get('x-total-count'), headers.get('vary')]).toEqual(['3', 'Accept, Accept-Encoding']);
      expect(headers.get('x-position')).toMatch(/^\d+$/);
      const next = /<(\?[^>]*)>; rel="next"/.exec(headers.get('link') ?? '')?.[1] ?? '';
      const second = await server.ask('GET', `Book${next}`, as(NDJSON));
      expect(lines(second.text)).toMatchObject([{ id: 'b2' }]);
    }
  });

  test('has another tag in each content type, with which it is 304', async () => {
    const tags = new Set<string>();
    for (const accept of ['application/json', 'text/csv', NDJSON, 'application/cbor', 'application/msgpack']) {
      const first = await server.ask('GET', 'Book', as(accept));
      const etag = first.headers.get('etag') ?? '';
      tags.add(etag);
      const again = await server.ask('GET', 'Book', { headers: { accept, 'if-none-match': etag } });
      expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', etag]);
    }
    expect(tags.size).toBe(5);
    for (const etag of tags) {
      const { status } = await server.ask('GET', 'Book', { headers: { accept: 'text/csv', 'if-none-match': etag } });
      expect(status).toBe(etag.endsWith('-csv"') ? 304 : 200);
    }
  });
});

describe('a record', () => {
  test('is had in every content type, HEAD with the length of it', async () => {
    const json = (await server.ask('GET', 'Book/b1')).record;
    expect(lines((await server.ask('GET', 'Book/b1', as(NDJSON))).text)).toEqual([json]);
    expect((await server.ask('GET', 'Book/b1?select=pages', as('text/csv'))).text).toBe('id,pages\r\nb1,12\r\n');
    for (const [type, decode] of BINARY) {
      const bytes = await bytesOf('Book/b1', type);
      expect(decode(bytes)).toEqual(json);
      const head = await server.ask('HEAD', 'Book/b1', as(type));
      expect([head.headers.get('content-length'), head.text]).toEqual([String(bytes.length), '']);
    }
  });

  test('takes its tag of any content type in If-Match, and its own in If-None-Match', async () => {
    const { headers } = await server.put('Book/tags', { title: 'one' });
    const seq = Number(JSON.parse(headers.get('etag') ?? '0'));
    const csv = await server.ask('GET', 'Book/tags', as('text/csv'));
    expect(csv.headers.get('etag')).toBe(`"${seq}-csv"`);
    const ask = (accept: string, tag: string) =>
      server.ask('GET', 'Book/tags', { headers: { accept, 'if-none-match': tag } });
    expect((await ask('text/csv', `"${seq}-csv"`)).status).toBe(304);
    expect((await ask('text/csv', `"${seq}"`)).status).toBe(200);
    expect((await ask('application/json', `"${seq}-csv"`)).status).toBe(200);
    const patch = (tag: string, title: string) =>
      server.ask('PATCH', 'Book/tags', { json: { title }, headers: { 'if-match': tag, accept: 'application/cbor' } });
    expect((await patch(`"${seq - 1}-csv"`, 'no')).status).toBe(412);
    const done = await patch(`"${seq}-csv"`, 'two');
    expect([done.status, done.headers.get('etag')]).toEqual([200, expect.stringMatching(/^"\d+-cbor"$/)]);
    expect((await patch(`"${seq}"`, 'three')).status).toBe(412);
    expect((await patch(done.headers.get('etag') ?? '', 'three')).status).toBe(200);
    expect((await server.ask('DELETE', 'Book/tags', { headers: { 'if-match': `"${seq}-msgpack-gzip"` } })).status).toBe(
      412,
    );
  });
});

describe('what cannot be had', () => {
  test('is 406 with what can be, as problem details, and nothing is written', async () => {
    const html = as('text/html');
    for (const [method, path, options] of [
      ['GET', 'Book', html],
      ['GET', 'Book/b1', html],
      ['POST', 'Book', { ...html, json: { id: 'no', title: 'x' } }],
      ['PUT', 'Book/no', { ...html, json: { title: 'x' } }],
      ['PATCH', 'Book/b1', { ...html, json: { title: 'no' } }],
      ['PATCH', 'Book?all=true', { ...html, json: { title: 'no' } }],
      ['DELETE', 'Book?all=true', html],
      ['POST', 'Book?publish=true', { ...html, json: {} }],
    ] as const) {
      const answer = await server.ask(method, path, options);
      expect([method, answer.status, answer.record.code]).toEqual([method, 406, 'NOT_ACCEPTABLE']);
      expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
      expect(answer.record.detail).toContain('application/json, application/x-ndjson, text/csv, application/cbor');
    }
    expect((await server.ask('GET', 'Book/no')).status).toBe(404);
    expect((await server.ask('GET', 'Book/b1')).record.title).toBe('A, "quoted"');
  });

  test('errors are problem details whatever is accepted', async () => {
    const answer = await server.ask('GET', 'Book/none', as('application/cbor'));
    expect([answer.status, answer.record.code]).toEqual([404, 'NOT_FOUND']);
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  });
});

describe('a write', () => {
  test.each(BINARY)('takes and gives %s', async (type, decode, encode) => {
    const id = type.replace('/', '-');
    const send = async (method: string, path: string, value: unknown) => {
      const headers = { 'content-type': type, accept: type };
      const response = await fetch(server.url(path), { method, headers, body: Buffer.from(encode(value)) });
      const { status, headers: answered } = response;
      return { status, value: decode(new Uint8Array(await response.arrayBuffer())), headers: answered };
    };
    const record = {
      id,
      title: 'é 😀',
      pages: 7,
      price: 0.1,
      big: '9223372036854775807',
      ok: false,
      tags: [],
      extra: 1,
    };
    const { headers, ...created } = await send('POST', 'Book', record);
    expect(created).toEqual({ status: 201, value: { ...record, note: 'none', authorId: null } });
    expect([headers.get('location'), headers.get('content-type')]).toEqual([`Book/${id}`, type]);
    const expectSent = async (sent: readonly [string, string, unknown], expected: object) =>
      expect(await send(...sent)).toMatchObject(expected);
    const replaced = { status: 200, value: { title: 'x', pages: null } };
    await expectSent(['PUT', `Book/${id}`, { title: 'x' }], replaced);
    await expectSent(['PATCH', `Book/${id}`, { pages: 2 }], { status: 200, value: { title: 'x', pages: 2 } });
    const two = ['1', '2'].map((title) => ({ id: id + title, title }));
    await expectSent(['POST', 'Book', two], { status: 201, value: two });
    await expectSent(['PATCH', `Book?id=${id}1`, { pages: 3 }], { status: 200, value: { matched: 1, changed: 1 } });
    await expectSent(['POST', `Book/${id}?publish=true`, { any: [1] }], { status: 202, value: { delivered: 0 } });
    const response = await fetch(server.url(`Book?id=in=${id},${id}1,${id}2`), {
      method: 'DELETE',
      headers: { accept: type },
    });
    expect(decode(new Uint8Array(await response.arrayBuffer()))).toEqual({ matched: 3, changed: 3 });
  });

  test('of NDJSON is many records, all or none, and names the line', async () => {
    const send = (body: string) => server.ask('POST', 'Book', { body, headers: { 'content-type': NDJSON } });
    const good = await send('{"id":"n1","title":"1"}\n\n{"id":"n2","title":"2","tags":["a"]}');
    expect([good.status, good.records]).toMatchObject([201, [{ id: 'n1' }, { id: 'n2', tags: ['a'] }]]);
    const bad = await send('{"id":"n3","title":"3"}\n\n{"id":"n4","title":4,"nope":1}\n');
    expect([bad.status, bad.record.errors]).toEqual([
      400,
      [
        { field: 'line 3, title', message: 'must be a string' },
        { field: 'line 3, nope', message: expect.stringContaining('is not a field') },
      ],
    ]);
    expect((await send('{"id":"n3","title":"3"}\n{"id":')).record).toMatchObject({ code: 'INVALID_JSON' });
    expect((await send('{"id":"n3","title":"3"}\n5')).record).toMatchObject({ errors: [{ field: 'line 2' }] });
    expect((await send(`${'{"title":"x"}\n'.repeat(1001)}`)).record).toMatchObject({
      code: 'BAD_REQUEST',
      detail: 'At most 1000 records can be sent at once.',
    });
    expect((await server.ask('GET', 'Book/n3')).status).toBe(404);
    expect((await send('')).text).toBe('[]');
  });

  test('of CSV comes back with keys that are numbers', async () => {
    const shelves = [
      { id: -3, name: null },
      { id: 12, name: 'high' },
    ];
    await server.ask('POST', 'Shelf', { json: shelves });
    const { text } = await server.ask('GET', 'Shelf', as('text/csv'));
    await server.ask('DELETE', 'Shelf?all=true');
    const answer = await server.ask('POST', 'Shelf', { body: text, headers: { 'content-type': 'text/csv' } });
    expect([answer.status, answer.records]).toEqual([201, shelves]);
  });

  test('of CSV is what a list in CSV gives, typed by the schema', async () => {
    const send = (body: string, type = 'text/csv') =>
      server.ask('POST', 'Book', { body, headers: { 'content-type': type } });
    const { text } = await server.ask('GET', 'Book?id=in=b1,b2,b3', as('text/csv'));
    const before = (await server.ask('GET', 'Book?id=in=b1,b2,b3')).records;
    await server.ask('DELETE', 'Book?id=in=b1,b2,b3');
    const answer = await send(text, 'text/csv; charset=UTF-8; header=present');
    // An empty cell is a field that was not sent, so the default is taken for null.
    expect([answer.status, answer.records]).toEqual([
      201,
      before.map((book) => (book.note === null ? { ...book, note: 'none' } : book)),
    ]);
    const bad = await send('id,title,pages,tags\r\nc1,x,1,[]\r\nc2,,abc,no\r\nc3,y,2,[]\r\n');
    expect([bad.status, bad.record.code]).toEqual([400, 'VALIDATION_ERROR']);
    expect(bad.record.errors).toEqual([
      { field: 'row 3, column tags', message: expect.stringContaining('must be JSON text') },
    ]);
    expect((await send('id,title,pages\r\nc1,x,1\r\nc2,,abc\r\n')).record.errors).toEqual([
      { field: 'row 3, column pages', message: expect.stringContaining('must be an Int') },
      { field: 'row 3, column title', message: 'is required' },
    ]);
    expect((await send('id,titel\r\nc1,x\r\n')).record.errors).toEqual([
      { field: 'row 1, column titel', message: 'is not a field of this type; did you mean "title"?' },
    ]);
    expect((await send('id,title,author\r\nc1,x,a1\r\n')).record.errors).toEqual([
      { field: 'row 1, column author', message: 'stands for records of Author; send authorId' },
    ]);
    expect((await server.ask('GET', 'Book/c1')).status).toBe(404);
    expect((await send('', 'text/csv; charset=utf-16')).status).toBe(415);
    expect((await send('a,b\n', 'text/csv; header=absent')).status).toBe(415);
  });

  test('of many records is for POST to a table only', async () => {
    for (const type of ['text/csv', NDJSON]) {
      const options = {
        body: 'id,title\na,b\n'.replace(/.*/s, type === NDJSON ? '{}' : '$&'),
        headers: { 'content-type': type },
      };
      for (const [method, path] of [
        ['PUT', 'Book/x'],
        ['PATCH', 'Book/b1'],
        ['PATCH', 'Book?all=true'],
        ['POST', 'Book?publish=true'],
        ['POST', 'Book/b1?publish=true'],
      ] as const) {
        const answer = await server.ask(method, path, options);
        expect([method, answer.status, answer.record.code]).toEqual([method, 415, 'UNSUPPORTED_MEDIA_TYPE']);
      }
    }
    const other = await server.ask('POST', 'Book', { body: 'a: 1', headers: { 'content-type': 'application/yaml' } });
    expect([other.status, other.record.detail]).toEqual([
      415,
      'Send the body as application/json, application/x-ndjson, text/csv, application/cbor, application/vnd.msgpack.',
    ]);
  });

  test('with an Idempotency-Key is the same in another content type when its value is the same', async () => {
    const record = { id: 'once', title: 'x', pages: 5 };
    const send = (type: string, body: string | Uint8Array, accept = 'application/json') =>
      server.ask('POST', 'Book', { body, headers: { 'content-type': type, 'idempotency-key': 'k1', accept } });
    const first = await send('application/json', JSON.stringify(record));
    const second = await send('application/cbor', Buffer.from(encodeCbor(record, { mapSorter: () => 0 })), NDJSON);
    expect([first.status, second.status]).toEqual([201, 201]);
    expect([second.headers.get('idempotency-replayed'), lines(second.text)]).toEqual(['true', [first.record]]);
    expect((await send('application/msgpack', Buffer.from(encodePack({ ...record, pages: 6 })))).status).toBe(422);
    const csv = (body: string) =>
      server.ask('POST', 'Book', { body, headers: { 'content-type': 'text/csv', 'idempotency-key': 'k2' } });
    expect((await csv('id,title\nk2,x\n')).status).toBe(201);
    expect((await csv('id,title\r\nk2,x\r\n')).headers.get('idempotency-replayed')).toBe('true');
    expect((await csv('id,title\nk2,y\n')).status).toBe(422);
  });
});
