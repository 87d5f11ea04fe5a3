import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { takeCredential } from '../../src/server/auth/credential.ts';
import { chooseSubprotocol } from '../../src/transports/ws/subprotocol.ts';
import { tokenOf } from '../support/tokens.ts';

const ALL = { ticket: true, token: true };
const NONE = { ticket: false, token: false };
const JWT = tokenOf('ann');

interface TestRequest {
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly inQuery?: typeof ALL;
}

/** Returns the credential and the remaining URL. */
function take({ url = '/a/T', headers = {}, inQuery = ALL }: TestRequest) {
  const rawHeaders = Object.entries(headers).flat();
  const request = { method: 'GET', url, headers, rawHeaders } as unknown as IncomingMessage;
  const credential = takeCredential(request, inQuery);
  return { credential, url: request.url };
}

const bearer = (text: string) => ({ type: 'bearer', text });
const ticket = (text: string) => ({ type: 'ticket', text });
const ws = (protocols: string) => ({ upgrade: 'websocket', 'sec-websocket-protocol': protocols });
const sse = { accept: 'text/event-stream' };

describe('Authorization', () => {
  test.each([
    ['Bearer abc', 'abc'],
    ['bearer  tck_1_2 ', 'tck_1_2'],
    [`BEARER ${JWT}`, JWT],
  ])('%s', (authorization, text) => {
    expect(take({ headers: { authorization } }).credential).toEqual(bearer(text));
  });

  test.each(['Bearer', 'Bearer ', 'Bearer a b', 'Basic YTpi', JWT, 'Bearer\ta', 'Bearer ä', ''])(
    '%j is refused',
    (authorization) => {
      expect(() => take({ headers: { authorization } })).toThrow(
        expect.objectContaining({
          code: 'UNAUTHORIZED',
          headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
        }),
      );
    },
  );

  test('without the header is no credential', () => {
    expect(take({}).credential).toBeUndefined();
  });

  test('sent twice is refused, since another server may use the other one', () => {
    const headers = { authorization: 'Bearer a' };
    const rawHeaders = ['Authorization', 'Bearer a', 'authorization', 'Bearer b'];
    const request = { method: 'GET', url: '/', headers, rawHeaders } as unknown as IncomingMessage;
    expect(() => takeCredential(request, ALL)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  });
});

describe('a WebSocket subprotocol', () => {
  test.each([
    [JWT, JWT],
    [`bearer.${JWT}`, JWT],
    [`tablecast.json, bearer.${JWT}`, JWT],
    [`bearer.${JWT},tablecast.json`, JWT],
    ['bearer.tck_abcdefgh_x, tablecast.json', 'tck_abcdefgh_x'],
    [`${JWT}, tablecast.json`, JWT],
    ['tck_abcdefgh_x', 'tck_abcdefgh_x'],
    ['bearer.', ''],
    ['bearer.x', 'x'],
    [JWT.split('.').slice(0, 2).join('.'), JWT.split('.').slice(0, 2).join('.')],
  ])('%s', (offers, text) => {
    expect(take({ headers: ws(offers) }).credential).toEqual(bearer(text));
  });

  test.each(['tablecast.json', 'mqtt', 'wamp.2.json', 'graphql-transport-ws, mqtt', 'eyes'])(
    '%s is not a credential',
    (offers) => {
      expect(take({ headers: ws(offers) }).credential).toBeUndefined();
    },
  );

  test('counts only where a WebSocket is opened', () => {
    expect(take({ headers: { 'sec-websocket-protocol': JWT } }).credential).toBeUndefined();
  });

  test.each([
    [['tablecast.cbor', 'b'], 'tablecast.cbor'],
    [[JWT], JWT],
    [[`bearer.${JWT}`], `bearer.${JWT}`],
    [[`bearer.${JWT}`, 'tablecast.json'], 'tablecast.json'],
    [[JWT, 'x', 'tablecast.msgpack'], 'tablecast.msgpack'],
    [['tck_a', 'tablecast.json', 'y'], 'tablecast.json'],
    [[], undefined],
  ])('of %j the answer is %s', (offers, chosen) => {
    expect(chooseSubprotocol(offers).name).toBe(chosen);
  });
});

describe('a query parameter', () => {
  test.each([
    ['/a/T?ticket=abc', ticket('abc'), '/a/T'],
    ['/a/T?since=5&ticket=abc&limit=1', ticket('abc'), '/a/T?since=5&limit=1'],
    ['/a/T?token=a%2Eb', bearer('a.b'), '/a/T'],
    ['/a/T?ticket=', ticket(''), '/a/T'],
    ['/a/T?ticket=%E0%A4%A', ticket('%E0%A4%A'), '/a/T'],
    ['/a/T?ticketing=1&tokens=2', undefined, '/a/T?ticketing=1&tokens=2'],
    ['/a/ticket=1', undefined, '/a/ticket=1'],
    // Conditions on fields with these names.
    ['/a/T?token==x&ticket==y', undefined, '/a/T?token==x&ticket==y'],
  ])('of %s is removed from the URL', (url, credential, left) => {
    expect(take({ url, headers: sse })).toEqual({ credential, url: left });
    expect(take({ url, headers: ws('x') })).toEqual({ credential, url: left });
  });

  test('counts for streams only, and only where the table allows it', () => {
    const url = '/a/T?ticket=a&token=b';
    expect(take({ url })).toEqual({ credential: undefined, url });
    expect(take({ url, headers: sse, inQuery: NONE })).toEqual({ credential: undefined, url });
    expect(take({ url, headers: sse, inQuery: { ticket: true, token: false } })).toEqual({
      credential: ticket('a'),
      url: '/a/T?token=b',
    });
    expect(take({ url: '/a/T?stream=sse&ticket=a' })).toEqual({ credential: ticket('a'), url: '/a/T?stream=sse' });
  });
});

test.each<TestRequest>([
  { url: '/a/T?ticket=a&ticket=b', headers: sse },
  { url: '/a/T?ticket=a&token=b', headers: sse },
  { url: '/a/T?ticket=a', headers: { ...sse, authorization: 'Bearer b' } },
  { headers: { ...ws(JWT), authorization: `Bearer ${JWT}` } },
  { headers: ws(`bearer.a, bearer.b`) },
])('several credentials in %j are refused', (request) => {
  expect(() => take(request)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
});
