import { describe, expect, test } from 'vitest';
import { cpuTimeOfProcess } from '../support/cpu-time.ts';
import { WsClient } from '../support/ws-client.ts';
import { expectProblem, FORBIDDEN_WORDS, raw, request, server, serveThings, slowestOther } from './http-helpers.ts';

serveThings();

describe('ids in paths', () => {
  test.each([
    ['a%2Fb', 'a/b'],
    ['...', '...'],
    ['.a', '.a'],
    ['%2e%2e%2e', '...'],
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

  test.each(['.', '..', '%2e', '%2E%2e', '.%2e'])(
    '%s, which most clients take for a step, makes no record',
    async (id) => {
      const headers = ['Content-Type: application/json', 'Content-Length: 2'];
      const put = await raw(request(`PUT /my-app/Thing/${id}`, headers, '{}'));
      expect([put.status, JSON.parse(put.body)]).toMatchObject([400, { code: 'INVALID_ID' }]);
      expect((await raw(request(`GET /my-app/Thing/${id}`))).status).toBe(404);
      expect((await raw(request(`DELETE /my-app/Thing/${id}`))).status).toBe(404);
    },
  );

  test('nor does a record, or one of several, or a message that names itself so', async () => {
    const message = 'must not be "." or "..", which URLs cannot name';
    const one = await server.ask('POST', 'Thing', { json: { id: '..' } });
    expectProblem(one, 400, 'VALIDATION_ERROR');
    expect(one.record.errors).toEqual([{ field: 'id', message }]);
    const many = await server.ask('POST', 'Thing', { json: [{ id: 'kept-out' }, { id: '.' }] });
    expect(many.record.errors).toEqual([{ field: '[1].id', message }]);
    const body = 'id,s\n..,x\n';
    const rows = await server.ask('POST', 'Thing', { body, headers: { 'content-type': 'text/csv' } });
    expect(rows.record.errors).toEqual([{ field: 'row 2, column id', message }]);
    using socket = await WsClient.subscribe(server.wsUrl('Thing'));
    socket.send({ id: '..' });
    expect(await socket.control('error')).toMatchObject({
      code: 'VALIDATION_ERROR',
      details: [{ field: 'id', message }],
    });
    socket.send({ message_type: 'Update', id: '.', data: {}, ref: 1 });
    expect(await socket.control('error')).toMatchObject({ code: 'INVALID_ID', ref: 1 });
    expect((await server.ask('GET', 'Thing?id=in=(string:.,string:..,kept-out)')).text).toBe('[]');
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

describe('queries', () => {
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

test.each([
  ['DELETE', 400],
  ['PATCH', 400],
  ['PUT', 405],
])('%s of a whole table without a filter, or with one that is wrong, changes nothing', async (method, status) => {
  await server.put('Thing/kept', { s: 'kept' });
  for (const query of ['', '?', '?colour=red', '?s==kept&limit=1', '?all=yes', '?all=true&s==kept', '?sort=s']) {
    const answer = await raw(
      request(`${method} /my-app/Thing${query}`, ['Content-Type: application/json', 'Content-Length: 9'], '{"s":"x"}'),
    );
    expect([query, answer.status]).toEqual([query, status]);
  }
  expect((await server.ask('GET', 'Thing/kept')).record.s).toBe('kept');
});

describe('filters that are too much', { timeout: 120_000 }, () => {
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
  ])('%s are refused in no time, and no other request waits', async (_what, query) => {
    const before = cpuTimeOfProcess(server.pid);
    const answering = Promise.all(Array.from({ length: 20 }, () => raw(request(`GET /my-app/Thing?${query}`))));
    const slowest = await slowestOther(answering);
    for (const { status } of await answering) expect(status).toBe(400);
    expect((cpuTimeOfProcess(server.pid) - before) / 20).toBeLessThan(50);
    expect(slowest).toBeLessThan(200);
  });
});
