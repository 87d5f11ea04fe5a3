import { describe, expect, test } from 'vitest';
import { cpuTimeOfProcess } from '../support/cpu-time.ts';
import { ask } from '../support/http.ts';
import { WsClient } from '../support/ws-client.ts';
import { expectProblem, JSON_TYPE, put, server, serveThings, slowestOther } from './http-helpers.ts';

serveThings();

describe('what is not JSON', () => {
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

describe('values of the wrong type, unknown fields, fields of the server', () => {
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

describe('names that every object has', () => {
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
    // A key that decoders cannot hold is no key of JSON either.
    const key = name === '__proto__' ? 'proto' : name;
    const stored = await put(`{"s":"${name}","j":{"${key}":{"a":"${name}"}},"tags":["${name}"]}`, `Thing/${name}`);
    expect(stored.status).toBe(201);
    const read = await server.ask('GET', `Thing/${name}`);
    expect(read.text).toContain(`"j":{"${key}":{"a":"${name}"}}`);
    expect((await server.ask('GET', `Thing?s==${name}`)).records).toHaveLength(1);
    expect((await server.ask('DELETE', `Thing/${name}`)).status).toBe(204);
    expect((await server.ask('GET', 'Thing/other')).text).not.toContain('polluted');
  });

  test('an enum takes its own values only', async () => {
    expectProblem(await put('{"k":"toString"}'), 400, 'VALIDATION_ERROR');
    expect((await put('{"k":"constructor"}', 'Thing/enum')).record.k).toBe('constructor');
  });
});

describe('deep, wide and long', { timeout: 120_000 }, () => {
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
  ])('a megabyte of %s is refused at once, with a short answer, and no other request waits', async (_what, make) => {
    const body = make();
    const before = cpuTimeOfProcess(server.pid);
    const path = body.startsWith('[') ? 'Thing' : 'Thing/x';
    const answering = server.ask(body.startsWith('[') ? 'POST' : 'PUT', path, { body, headers: JSON_TYPE });
    const slowest = await slowestOther(answering);
    const answer = await answering;
    expect(answer.status).toBe(400);
    expect(cpuTimeOfProcess(server.pid) - before).toBeLessThan(1500);
    expect(slowest).toBeLessThan(400);
    expect(answer.text.length).toBeLessThan(256 * 1024);
  });
});

describe('numbers', () => {
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
    '{"f":1e-400}',
    '{"f":"-1e-400"}',
    '{"j":[1e-999]}',
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

describe('text', () => {
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
