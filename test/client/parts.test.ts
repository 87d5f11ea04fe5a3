import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { delayBefore, pause, randomId } from '../../src/client/connection/backoff.ts';
import { makeEnvironment, parseMessage, printMessage, socketUrl } from '../../src/client/connection/environment.ts';
import { EventStreamParser } from '../../src/client/connection/event-stream.ts';
import { FrameQueue } from '../../src/client/connection/frame-queue.ts';
import { errorOf } from '../../src/client/connection/http.ts';
import { Outbox } from '../../src/client/connection/outbox.ts';
import { TablecastError } from '../../src/client/error.ts';
import { makeOrder } from '../../src/client/live/order.ts';
import { encode, plainSearch, tableSearch, takeOut, withSearch } from '../../src/client/query.ts';

afterEach(() => vi.restoreAllMocks());

describe('back-off', () => {
  test('grows from 0.25 s to 30 s, with full jitter', () => {
    const random = vi.spyOn(Math, 'random');
    random.mockReturnValue(1);
    expect([0, 1, 2, 6, 7, 50].map((attempt) => delayBefore(attempt))).toEqual([
      250, 500, 1000, 16_000, 30_000, 30_000,
    ]);
    expect(delayBefore(0, { busy: true })).toBe(5_000);
    expect(delayBefore(0, { minDelay: 2_000 })).toBe(2_250);
    random.mockReturnValue(0);
    expect([delayBefore(9), delayBefore(0, { busy: true }), delayBefore(3, { minDelay: 1_000 })]).toEqual([
      0, 2_500, 1_000,
    ]);
  });

  test('a pause ends with its signal', async () => {
    const controller = new AbortController();
    const waiting = pause(60_000, controller.signal);
    controller.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(pause(1, controller.signal)).rejects.toThrow('enough');
    await pause(1, new AbortController().signal);
    expect(randomId()).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe('queries', () => {
  test('of tables: parameters as they are, fields word for word', () => {
    expect(tableSearch()).toBe('');
    expect(tableSearch('?a=1')).toBe('a=1');
    expect(tableSearch({ title: 'a&(b)*', n: null, tags: ['x', 'y,z'], limit: 5, sort: '-n', none: undefined })).toBe(
      'title%5Beq%5D=a%26%28b%29*&n=null&tags%5Bin%5D=%22x%22%2C%22y%2Cz%22&limit=5&sort=-n',
    );
    expect(tableSearch({ 'price[gt]': 10, 'title[sw]': 'R&D', 'kind[in]': ['null', null, 5], name: 'null' })).toBe(
      'price%5Bgt%5D=10&title%5Bsw%5D=R%26D&kind%5Bin%5D=%22null%22%2Cnull%2C5&name%5B%3D%3D%3D%5D=null',
    );
  });

  test('of routes: names and values', () => {
    expect(plainSearch({ a: 'x y', b: [1, 2], c: undefined, d: true, e: [] })).toBe('a=x%20y&b=1&b=2&d=true');
    expect(plainSearch('?a')).toBe('a');
  });

  test('parameters are taken out, groups stay', () => {
    const { rest, taken } = takeOut('(a==1&b==2)&sort=-a%2Cb+c&limit=3&&limits=4', 'sort', 'limit');
    expect([rest, taken]).toEqual(['(a==1&b==2)&limits=4', { sort: '-a,b c', limit: '3' }]);
    expect(withSearch('x', '', '')).toBe('x');
    expect(withSearch('x', 'a', '', 'b')).toBe('x?a&b');
    expect(encode('(é)')).toBe('%28%C3%A9%29');
  });
});

test('addresses: a slash at the end, http for ws, ws for http', () => {
  expect(makeEnvironment('wss://example.com/my-app?x#y', {}).base.href).toBe('https://example.com/my-app/');
  expect(socketUrl('https://a/b')).toBe('wss://a/b');
  expect(socketUrl('http://a/b')).toBe('ws://a/b');
  expect(() => makeEnvironment('/my-app', {})).toThrow();
});

test('the order of a list: code points, null first, ties by primary key', () => {
  const order = makeOrder<Record<string, unknown>>('-n,at.place');
  const entry = (id: string | number, record: Record<string, unknown>) => ({ id, record });
  const entries = [
    entry('a', { n: 1, at: { place: '\uffee' } }),
    entry('b', { n: 1, at: { place: '😀' } }),
    entry('c', { n: 1, at: { place: '😀' } }),
    entry('d', { n: '9007199254740993', at: null }),
    entry('e', { n: null, at: { place: 'a' } }),
    entry('f', { n: 1, at: { place: 'aa' } }),
    entry('g', { n: 1, at: { place: 'a' } }),
    entry('h', { n: 1, at: {} }),
  ];
  expect(entries.toSorted(order).map(({ id }) => id)).toEqual(['d', 'h', 'g', 'f', 'a', 'b', 'c', 'e']);
  expect([10, 9, 100].map((id) => entry(id, {})).sort(makeOrder())).toEqual([9, 10, 100].map((id) => entry(id, {})));
  const texts = fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })), { maxLength: 20 });
  fc.assert(
    fc.property(texts, (pairs) => {
      for (const [a, b] of pairs) {
        const bytes = Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)));
        expect(Math.sign(makeOrder()(entry(a, {}), entry(b, {})))).toBe(bytes);
      }
    }),
  );
});

describe('event streams', () => {
  const TEXT =
    '\uFEFF: hello\n\nid: 1\ndata: {"a":1}\n\nevent: x\r\ndata:one\r\ndata: two\r\n\r\nretry: 300\rid\rdata\r\rdata: cut';
  const EVENTS = [
    { event: 'message', data: '{"a":1}', id: '1' },
    { event: 'x', data: 'one\ntwo', id: '1' },
    { event: 'message', data: '', id: '' },
  ];

  test('are read whole', () => {
    const parser = new EventStreamParser('0', 5);
    expect([parser.lastId, parser.retry]).toEqual(['0', 5]);
    expect(parser.push(TEXT)).toEqual(EVENTS);
    expect([parser.lastId, parser.retry]).toEqual(['', 300]);
  });

  test('are read in any pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (sizes) => {
        const parser = new EventStreamParser();
        const events = [];
        for (let at = 0, n = 0; at < TEXT.length; n++) {
          const size = sizes[n % sizes.length] as number;
          events.push(...parser.push(TEXT.slice(at, at + size)));
          at += size;
        }
        expect(events).toEqual(EVENTS);
      }),
    );
  });
});

test('a queue returns its frames in order, then ends', async () => {
  const queue = new FrameQueue<number>();
  const first = queue.next();
  for (let n = 0; n < 3000; n++) queue.add(n);
  expect(await first).toBe(0);
  for (let n = 1; n < 3000; n++) expect(queue.shift()).toBe(n);
  expect([queue.shift(), queue.size]).toEqual([undefined, 0]);
  queue.add(1);
  const last = [queue.next(), queue.next()];
  queue.end();
  expect(await Promise.all([...last, queue.next()])).toEqual([1, undefined, undefined]);
});

describe('the outbox', () => {
  const put = (n: number) => ({ type: 'write' as const, id: `${n}`, data: {} });
  const open = (most = 1000) => {
    const sent: { ref: string; id: string }[] = [];
    let isOpen = true;
    const outbox = new Outbox(most, (text) => isOpen && sent.push(JSON.parse(text)) > 0);
    const cut = () => {
      isOpen = false;
    };
    const join = () => {
      isOpen = true;
      outbox.connected();
    };
    return { outbox, sent, cut, join };
  };

  test('sends again what was not acknowledged, with the same ref and in the same order', async () => {
    const { outbox, sent, cut, join } = open();
    join();
    const acks = [put(1), put(2)].map((message) => outbox.add(message));
    expect(outbox.take({ type: 'ack', ref: sent[0]?.ref as string })).toBe(true);
    await acks[0];
    cut();
    outbox.lost();
    acks.push(outbox.add({ ...put(3), ref: 'mine' }));
    join();
    expect(sent.map(({ id }) => id)).toEqual(['1', '2', '2', '3']);
    expect(sent[2]).toEqual(sent[1]);
    expect(outbox.take({ type: 'error', ref: 'mine', error: new TablecastError('CONFLICT', 'no') })).toBe(true);
    await expect(acks[2]).rejects.toMatchObject({ code: 'CONFLICT', errors: [] });
    const foreign = [{ type: 'ack', ref: 'other' }, { type: 'ready' }, { type: 'error' }, { type: 'pong', ref: 1 }];
    expect(foreign.map((frame) => outbox.take(frame))).toEqual([false, false, false, false]);
  });

  test('does not exceed the rate that a server takes', async () => {
    const { outbox, sent, join } = open();
    join();
    const before = Date.now();
    for (let n = 0; n < 100; n++) void outbox.add(put(n)).catch(() => {});
    expect(sent.length).toBeGreaterThanOrEqual(80);
    expect(sent.length).toBeLessThanOrEqual(80 + (Date.now() - before) / 25);
    await expect.poll(() => sent.length, { timeout: 30_000 }).toBe(100);
    expect(Date.now() - before).toBeGreaterThan(300);
    outbox.end(new TablecastError('CLOSED', 'over'));
  });

  test('repeats writes in progress, refuses writes beyond its bound, and does not repeat writes that broke the connection', async () => {
    const { outbox, sent, join } = open(2);
    join();
    const first = outbox.add({ ...put(1), ref: 1 });
    await expect(outbox.add({ ...put(1), ref: 1 })).rejects.toMatchObject({ code: 'IDEMPOTENCY_IN_PROGRESS' });
    outbox.take({ type: 'error', ref: 1, error: new TablecastError('IDEMPOTENCY_IN_PROGRESS', '') });
    await expect.poll(() => sent.length).toBe(2);
    const second = outbox.add(put(2));
    await expect(outbox.add(put(3))).rejects.toMatchObject({ code: 'BUFFER_FULL' });
    outbox.lost(new TablecastError('PROTOCOL', 'too big'));
    await expect(first).rejects.toMatchObject({ code: 'PROTOCOL' });
    await expect(second).rejects.toMatchObject({ code: 'PROTOCOL' });
  });
});

test('messages: JSON where it can be, bytes as they are', () => {
  const bytes = new Uint8Array([1]);
  expect(['{"a":1}', 'plain', bytes].map(parseMessage)).toEqual([{ a: 1 }, 'plain', bytes]);
  expect([{ a: 1 }, 'plain', bytes, bytes.buffer].map(printMessage)).toEqual(['{"a":1}', 'plain', bytes, bytes]);
});

test('errors of responses without problem details', async () => {
  const plain = new Response('Bad gateway', { status: 502, headers: { 'retry-after': '3' } });
  expect(await errorOf(plain)).toMatchObject({ code: 'HTTP_502', status: 502, retryAfter: 3000, errors: [] });
  const dated = new Response('null', { status: 503, headers: { 'retry-after': new Date(0).toUTCString() } });
  expect(await errorOf(dated)).toMatchObject({ code: 'HTTP_503', retryAfter: 0 });
  const odd = new Response('{"error":"x"}', { status: 400, headers: { 'retry-after': 'soon' } });
  expect(await errorOf(odd)).toMatchObject({ message: 'x', retryAfter: undefined });
});
