import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { decode as decodePack } from '@msgpack/msgpack';
import { decode as decodeCbor } from 'cborg';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ANONYMOUS, type Identity } from '../../src/auth/identity.ts';
import type { Frame } from '../../src/hub/encode.ts';
import { TokenBucket } from '../../src/server/limits/token-bucket.ts';
import { queryOf } from '../../src/server/request.ts';
import { Heartbeat } from '../../src/transports/heartbeat.ts';
import { cachedTag, parsePrecondition } from '../../src/transports/rest/request.ts';
import { etagOf } from '../../src/transports/rest/response.ts';
import { encodeJson, encodeText, PING_FRAME } from '../../src/transports/socket/text-frames.ts';
import { checkHandshake } from '../../src/transports/socket/upgrades.ts';
import { SseStream, type SseStreamOptions } from '../../src/transports/sse/stream.ts';
import { CHUNKED_ENCODING, chunked, formatEvent, PLAIN_ENCODING } from '../../src/transports/stream/events.ts';
import { loadMessageFormat, WS_ENCODING } from '../../src/transports/ws/message-format.ts';
import { chooseSubprotocol, readOffers } from '../../src/transports/ws/subprotocol.ts';

const JSON_WISH = { format: 'json', contentType: 'application/json', coding: undefined } as const;
const FRAME = { type: 'Update', op: 'create', id: 'é"', data: '{"id":"é"}', seq: 1_736_937_000_000_000 } as const;

afterEach(() => void vi.useRealTimers());

/** A stream that is never subscribed. */
const openedBy = (identity: Identity) => ({ identity, rawQuery: '', resource: {} as SseStreamOptions['resource'] });

describe('a WebSocket frame', () => {
  test.each([
    [0, [0x81, 0]],
    [125, [0x81, 125]],
    [126, [0x81, 126, 0, 126]],
    [65_535, [0x81, 126, 0xff, 0xff]],
    [65_536, [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
  ])('of %d bytes has the header %j', (length, header) => {
    const frame = encodeText('x'.repeat(length));
    expect([...frame.subarray(0, header.length)]).toEqual(header);
    expect(frame.subarray(header.length).toString()).toBe('x'.repeat(length));
  });

  test('counts bytes, not characters', () => {
    expect([...encodeText('é'.repeat(63)).subarray(0, 4)]).toEqual([0x81, 126, 0, 126]);
    expect(PING_FRAME).toEqual(Buffer.from([0x89, 0]));
  });

  test('of a change is the JSON of PROTOCOL.md', () => {
    const read = (frame: Buffer) => JSON.parse(frame.subarray(frame[1] === 126 ? 4 : 2).toString()) as unknown;
    const told = {
      message_type: 'Update',
      data: { id: 'é' },
      id: 'é"',
      timestamp: '2025-01-15T10:30:00.000Z',
      seq: FRAME.seq,
      op: 'create',
    };
    expect(read(WS_ENCODING.frame(FRAME))).toEqual(told);
    expect(read(WS_ENCODING.frame({ ...FRAME, reason: 'filter', id: null }))).toEqual({
      ...told,
      id: null,
      reason: 'filter',
    });
    expect(read(WS_ENCODING.ready(5))).toEqual({ type: 'ready', seq: 5 });
    expect(read(WS_ENCODING.reset('position_unknown', 5))).toEqual({
      type: 'reset',
      reason: 'position_unknown',
      seq: 5,
    });
    expect(encodeJson({ a: 1 })).toEqual(encodeText('{"a":1}'));
  });
});

describe('an event of a stream', () => {
  test('has its name, its data and an id when it can be resumed from', () => {
    expect(formatEvent('ping', '{}')).toBe('event: ping\ndata: {}\n\n');
    expect(String(PLAIN_ENCODING.frame(FRAME))).toBe(`id: ${FRAME.seq}\nevent: update\ndata: {"id":"é"}\n\n`);
    expect(String(PLAIN_ENCODING.frame({ ...FRAME, type: 'Retained', op: 'retained' }))).toBe(
      'event: retained\ndata: {"id":"é"}\n\n',
    );
    expect(String(PLAIN_ENCODING.ready(5))).toBe('id: 5\nevent: ready\ndata: {"type":"ready","seq":5}\n\n');
    expect(String(PLAIN_ENCODING.reset('position_trimmed', 5))).toBe(
      'event: reset\ndata: {"type":"reset","reason":"position_trimmed","seq":5}\n\n',
    );
    expect(PLAIN_ENCODING.key).not.toBe(CHUNKED_ENCODING.key);
  });

  test('is one chunk, as long as it has bytes', () => {
    expect(String(chunked('é'))).toBe('2\r\né\r\n');
    expect(String(chunked('x'.repeat(255)))).toBe(`ff\r\n${'x'.repeat(255)}\r\n`);
    const plain = PLAIN_ENCODING.frame(FRAME);
    expect(String(CHUNKED_ENCODING.frame(FRAME))).toBe(`${plain.length.toString(16)}\r\n${plain}\r\n`);
  });

  test.each([
    [true, '23\r\n', '\r\n', '0\r\n\r\n'],
    [false, '', '', ''],
  ])('is written to a stream (chunked: %s) until it ends', (isChunked, before, after, last) => {
    const output = new PassThrough();
    const stream = new SseStream(output, isChunked, openedBy(ANONYMOUS));
    expect(stream.encoding).toBe(isChunked ? CHUNKED_ENCODING : PLAIN_ENCODING);
    stream.beat();
    const ping = 'event: ping\ndata: {"type":"ping"}\n\n';
    expect(String(output.read())).toBe(`${before}${ping}${after}`);
    stream.ended('slow');
    const end = String(output.read());
    expect(end).toContain('event: error\ndata: {"code":"SLOW_CLIENT"');
    expect(end.endsWith(`\n\n${after}${last}`)).toBe(true);
    stream.write(Buffer.from('late'));
    stream.stop();
    expect(output.read()).toBeNull();
  });

  test('gets nothing more once the token has expired, whatever notices it first', () => {
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout'] });
    const output = new PassThrough();
    const identity = { type: 'principal', sub: 'ann', roles: [], claims: {}, expiresAt: Date.now() + 1000 } as const;
    const stream = new SseStream(output, false, openedBy(identity));
    stream.write(Buffer.from('early'));
    vi.setSystemTime(identity.expiresAt);
    stream.write(Buffer.from('late'));
    stream.beat();
    stream.revoked();
    const error = 'event: error\ndata: {"code":"UNAUTHORIZED","message":"The token has expired."}\n\n';
    expect(String(output.read())).toBe(`early${error}`);
  });

  test('gets the time to reconnect when the server stops', () => {
    const output = new PassThrough();
    new SseStream(output, false, openedBy(ANONYMOUS)).stop();
    const wait = Number(/^retry: (\d+)\n\n$/.exec(String(output.read()))?.[1]);
    expect(wait).toBeGreaterThanOrEqual(1000);
    expect(wait).toBeLessThanOrEqual(5000);
  });
});

describe('a binary format', () => {
  const data = fc.dictionary(fc.string({ maxLength: 8 }), fc.oneof(fc.string(), fc.integer(), fc.boolean()), {
    noNullPrototype: true,
    maxKeys: 20,
  });
  const frames = fc.record({
    type: fc.constantFrom('Update', 'Delete', 'Publish', 'Retained'),
    op: fc.constantFrom('create', 'update', 'delete', 'publish', 'retained'),
    id: fc.oneof(fc.string(), fc.integer(), fc.constant(null)),
    data: data.map((value) => JSON.stringify(value)),
    seq: fc.integer({ min: 1, max: 2 ** 53 - 1 }),
    more: fc.constantFrom({}, { reason: 'filter' }, { changed: ['a', 'b'] }),
  });

  test.each([
    ['cbor', decodeCbor],
    ['msgpack', decodePack],
  ] as const)('%s says in a binary frame what JSON says in a text frame', async (name, decode) => {
    const { encoding, encode } = await loadMessageFormat(name, { jsonDepth: 64, jsonKeys: 1000 });
    expect(encoding.key).toBe(`ws-${name}`);
    const same = (binary: Buffer, text: Buffer): void => {
      expect([binary[0], text[0]]).toEqual([0x82, 0x81]);
      expect(decode(payloadOf(binary))).toEqual(JSON.parse(payloadOf(text).toString('utf8')));
    };
    fc.assert(
      fc.property(frames, ({ more, ...rest }) => {
        const frame = { ...rest, ...more } as unknown as Frame;
        same(encoding.frame(frame), WS_ENCODING.frame(frame));
      }),
      { numRuns: 300 },
    );
    same(encoding.ready(5), WS_ENCODING.ready(5));
    same(encoding.reset('position_trimmed', 5), WS_ENCODING.reset('position_trimmed', 5));
    same(encode({ type: 'ack', ref: 'é' }), encodeJson({ type: 'ack', ref: 'é' }));
  });
});

describe('the subprotocol', () => {
  test.each([
    [undefined, undefined, 'json'],
    ['', undefined, 'json'],
    ['tablecast.json', 'tablecast.json', 'json'],
    ['a, tablecast.cbor ,tablecast.json', 'tablecast.cbor', 'cbor'],
    [',,tablecast.msgpack', 'tablecast.msgpack', 'msgpack'],
  ])('of the offer %j is %j', (header, name, format) => {
    expect(chooseSubprotocol(readOffers(header))).toEqual({ name, format });
  });

  test.each(['tablecast.xml', 'TABLECAST.JSON', 'a,b', '__proto__', 'constructor'])('is none of %j', (header) => {
    expect(() => chooseSubprotocol(readOffers(header))).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  });
});

/** Payload of a frame of a server. */
function payloadOf(frame: Buffer): Buffer {
  const short = frame[1] as number;
  return frame.subarray(short < 126 ? 2 : short === 126 ? 4 : 10);
}

describe('conditions', () => {
  test.each([
    [undefined, false],
    ['*', true],
    ['"5"', true],
    ['W/"5"', true],
    ['"4", "5"', true],
    ['"4",W/"5"', true],
    ['"4"', false],
    ['5', false],
    ['"55"', false],
  ])('If-None-Match: %s has the tag "5": %s', (header, expected) => {
    const headers = header === undefined ? {} : { 'if-none-match': header };
    expect(cachedTag(headers, etagOf(5, JSON_WISH), JSON_WISH)).toBe(expected ? '"5"' : undefined);
    expect(cachedTag(headers, 'W/"5"', JSON_WISH)).toBe(expected ? 'W/"5"' : undefined);
  });

  test.each([
    ['csv', undefined, '"5-csv"', '"5-csv"'],
    ['csv', undefined, '"5"', undefined],
    ['csv', undefined, '"5-cbor"', undefined],
    ['json', undefined, '"5-csv"', undefined],
    ['json', 'gzip', '"5-gzip"', '"5-gzip"'],
    ['json', 'gzip', '"5"', '"5"'],
    ['json', undefined, '"5-gzip"', undefined],
    ['json', 'br', '"5-gzip"', undefined],
    ['csv', 'br', 'W/"5-csv-br"', '"5-csv-br"'],
  ] as const)('as %s in %s a client that has %s has %s', (format, coding, header, expected) => {
    const wish = { ...JSON_WISH, format, coding };
    expect(cachedTag({ 'if-none-match': header }, etagOf(5, wish), wish)).toBe(expected);
  });

  test.each([
    [{}, undefined],
    [{ 'if-match': '"5"' }, [5]],
    [{ 'if-match': ' "5" , "6"' }, [5, 6]],
    [{ 'if-match': 'W/"5"' }, []],
    [{ 'if-match': '"x", "7"' }, [7]],
    [{ 'if-match': '5' }, []],
    [{ 'if-match': '"5-csv", "6-cbor-gzip", "7-br"' }, [5, 6, 7]],
    [{ 'if-match': '"5-xml", "6-", "7-gzip-csv"' }, []],
    [{ 'if-match': '' }, []],
    [{ 'if-match': ' * ' }, 'any'],
    [{ 'if-none-match': '*' }, 'none'],
  ])('%j lets a write happen when %j', (headers, expected) => {
    expect(parsePrecondition(headers)).toEqual(expected);
  });

  test.each([{ 'if-none-match': '"5"' }, { 'if-match': '"5"', 'if-none-match': '*' }])('%j is refused', (headers) => {
    expect(() => parsePrecondition(headers)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  });
});

describe('a bucket of tokens', () => {
  test('lets a burst through, then so many a second, and never more than the burst', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const bucket = new TokenBucket(10, 5);
    const taken = () => Array.from({ length: 20 }, () => bucket.take()).filter(Boolean).length;
    expect(taken()).toBe(5);
    vi.advanceTimersByTime(99);
    expect(taken()).toBe(0);
    vi.advanceTimersByTime(2);
    expect(taken()).toBe(1);
    vi.advanceTimersByTime(300);
    expect(taken()).toBe(3);
    vi.advanceTimersByTime(60_000);
    expect(taken()).toBe(5);
  });
});

describe('a heartbeat', () => {
  test('beats once per interval for each member, spread over the interval', () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const beats: number[] = [];
    const heartbeat = new Heartbeat<number>({ interval: 1000 }, (member) => beats.push(member));
    for (let member = 0; member < 40; member++) heartbeat.add(member);
    expect([heartbeat.size, [...heartbeat.members()].length]).toEqual([40, 40]);
    const perTick = Array.from({ length: 20 }, () => {
      const before = beats.length;
      vi.advanceTimersByTime(50);
      return beats.length - before;
    });
    expect(perTick).toEqual(new Array(20).fill(2));
    expect(new Set(beats).size).toBe(40);
    vi.advanceTimersByTime(1000);
    expect(beats).toHaveLength(80);
    heartbeat.stop();
    vi.advanceTimersByTime(5000);
    expect(beats).toHaveLength(80);
  });

  test('beats for a member that starts late at the end of the first interval, then in each', () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const beats: number[] = [];
    const heartbeat = new Heartbeat<number>({ interval: 1000, startsLate: true }, (member) => beats.push(member));
    vi.advanceTimersByTime(350);
    const slots = Array.from({ length: 10 }, (_, member) => heartbeat.add(member));
    vi.advanceTimersByTime(749);
    expect(beats).toEqual([]);
    vi.advanceTimersByTime(251);
    expect(new Set(beats).size).toBe(10);
    expect(beats).toHaveLength(10);
    vi.advanceTimersByTime(2000);
    expect(beats).toHaveLength(30);
    for (const [member, slot] of slots.entries()) heartbeat.remove(member, slot);
    expect(heartbeat.size).toBe(0);
    heartbeat.stop();
  });

  test('forgets members that have left, also during a beat', () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const beats: string[] = [];
    const slots = new Map<string, number>();
    const heartbeat = new Heartbeat<string>({ interval: 1000 }, (member) => {
      beats.push(member);
      heartbeat.remove(member, slots.get(member) ?? -1);
    });
    for (const member of ['a', 'b', 'c']) slots.set(member, heartbeat.add(member));
    heartbeat.remove('b', slots.get('b') ?? -1);
    heartbeat.remove('b', slots.get('b') ?? -1);
    expect(heartbeat.size).toBe(2);
    vi.advanceTimersByTime(3000);
    expect(beats).toEqual(['a', 'c']);
    expect([heartbeat.size, [...heartbeat.members()]]).toEqual([0, []]);
    heartbeat.stop();
  });
});

describe('a handshake', () => {
  const upgrade = { connection: 'keep-alive, Upgrade' };
  const headers = { ...upgrade, 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
  const check = (method: string, sent: Record<string, string>) => () =>
    checkHandshake({ method, headers: sent } as unknown as IncomingMessage);

  test('is taken with version 13 and a key of 16 bytes', () => {
    expect(check('GET', headers)).not.toThrow();
  });

  test.each([
    ['POST', headers, 'METHOD_NOT_ALLOWED'],
    ['GET', upgrade, 'BAD_REQUEST'],
    ['GET', { ...headers, connection: 'keep-alive' }, 'BAD_REQUEST'],
    ['GET', { ...headers, 'sec-websocket-version': '8' }, 'UPGRADE_REQUIRED'],
    ['GET', { ...upgrade, 'sec-websocket-version': '13' }, 'BAD_REQUEST'],
    ['GET', { ...headers, 'sec-websocket-key': 'short' }, 'BAD_REQUEST'],
  ])('%s %j is refused with %s', (method, sent, code) => {
    expect(check(method, sent)).toThrow(expect.objectContaining({ code }));
  });
});

test.each([
  ['/a/T', ''],
  ['/a/T?', ''],
  ['/a/T?x=%20&y=a?b', 'x=%20&y=a?b'],
  [undefined, ''],
])('the query of %s is %j', (url, expected) => {
  expect(queryOf({ raw: { url } } as never)).toBe(expected);
});
