import { expect, test, vi } from 'vitest';
import type { Principal } from '../../src/auth/identity.ts';
import {
  type Message,
  parseMessage,
  parseName,
  parseSubscribe,
  Refusal,
} from '../../src/transports/gateway/requests.ts';
import { hasExpired, type TokenHolder, TokenWatch } from '../../src/transports/gateway/token-watch.ts';

function read(message: unknown): Message {
  return parseMessage(Buffer.from(JSON.stringify(message)), false);
}

/** What a client is told of its message. */
function refusalOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    if (error instanceof Refusal) return { error: error.message, ...error.members };
    throw error;
  }
  throw new Error('it was not refused');
}

test('a subscription is the query of the same one on the table', () => {
  const more = {
    operations: ['delete', 'create'],
    id: 'x',
    filter: 'a==1&b=="ü"',
    select: 'a,b{c}',
    since: 5,
    retained: true,
  };
  const request = parseSubscribe(read({ action: 'subscribe', collection: 'posts', ...more }));
  expect(request).toEqual({
    collection: 'posts',
    id: 'x',
    operations: new Set(['delete', 'create']),
    query: 'filter=a%3D%3D1%26b%3D%3D%22%C3%BC%22&select=a%2Cb%7Bc%7D&since=5&retained=true',
    positions: true,
  });
  const plain = {
    collection: 'posts',
    operations: new Set(['create', 'update', 'delete']),
    query: '',
    positions: false,
  };
  expect(parseSubscribe(read({ action: 'subscribe', collection: 'posts' }))).toEqual(plain);
  const nothing = { operations: null, id: null, filter: null, select: null, since: null, retained: null };
  expect(parseSubscribe(read({ action: 'subscribe', collection: 'posts', ...nothing }))).toEqual(plain);
});

test.each([
  [{ filter: 1 }, 'filter must be text'],
  [{ select: ['a'] }, 'select must be text'],
  [{ since: true }, 'since must be the seq of an event'],
  [{ retained: 1 }, 'retained must be true or false'],
])('%j is refused with the name of the subscription', (more, error) => {
  const message = read({ action: 'subscribe', collection: 'posts', id: 3, ...more });
  const told = { error, code: 'INVALID_MESSAGE', collection: 'posts', id: 3 };
  expect(refusalOf(() => parseSubscribe(message))).toEqual(told);
});

test.each([
  ['', { error: 'Invalid JSON' }],
  ['{"action":"ping",}', { error: 'Invalid JSON' }],
  [
    '{"action":"subscribe","since":90071992547409931}',
    { error: expect.stringContaining('exactly'), code: 'VALIDATION_ERROR' },
  ],
  ['7', { error: 'Unknown action' }],
  ['{"action":"hasOwnProperty"}', { error: 'Unknown action' }],
  ['{"action":"ping","id":1}', { error: 'ping has no member "id"', code: 'INVALID_MESSAGE', id: 1 }],
])('%s is refused', (text, told) => {
  expect(refusalOf(() => parseMessage(Buffer.from(text), false))).toEqual(told);
});

test('a binary message is not looked at, and a name is a number or a short string', () => {
  expect(refusalOf(() => parseMessage(Buffer.from('{"action":"ping"}'), true))).toEqual({ error: 'Invalid JSON' });
  const named = (id: unknown) => parseName({ action: 'unsubscribe', collection: 'posts', id });
  expect([named(0), named(''), named(null)]).toEqual([
    { collection: 'posts', id: 0 },
    { collection: 'posts', id: '' },
    { collection: 'posts' },
  ]);
  for (const id of [{}, true, 'x'.repeat(129)])
    expect(refusalOf(() => named(id))).toMatchObject({ code: 'INVALID_MESSAGE' });
});

function principal(expiresAt: number | undefined, roles: readonly string[] = []): Principal {
  return { type: 'principal', sub: 'ann', roles, claims: {}, expiresAt };
}

/** Notes what a connection is told. */
function holder(identity: TokenHolder['identity']): TokenHolder & { readonly told: string[] } {
  const told: string[] = [];
  const tell = (what: string) => () => void told.push(what);
  return {
    identity,
    told,
    expiring: tell('expiring'),
    expired: tell('expired'),
    revoked: tell('revoked'),
    changed: tell('changed'),
  };
}

test('C8 C9 a token ends its connection in time, is announced once, and one of next month does not end at once', () => {
  vi.useFakeTimers({ now: 1_000_000 });
  try {
    const watch = new TokenWatch({ refresh: (it) => it, onChange: () => () => undefined });
    const soon = holder(principal(1_000_000 + 90_000));
    const late = holder(principal(1_000_000 + 40 * 86_400_000));
    const never = holder(principal(undefined));
    const nobody = holder({ type: 'anonymous' });
    for (const each of [soon, late, never, nobody]) watch.add(each);
    vi.advanceTimersByTime(29_500);
    expect(soon.told).toEqual([]);
    vi.advanceTimersByTime(10_000);
    expect(soon.told).toEqual(['expiring']);
    vi.advanceTimersByTime(50_000);
    expect(hasExpired(soon.identity)).toBe(false);
    vi.advanceTimersByTime(1000);
    expect([hasExpired(soon.identity), soon.told]).toEqual([true, ['expiring', 'expired']]);
    vi.advanceTimersByTime(120_000);
    expect([soon.told.length, late.told, never.told, nobody.told]).toEqual([2, [], [], []]);
    watch.stop();
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('C10 C11 who has other roles is told, who may do nothing any more is let go, and a newer token counts', () => {
  let changed = (): void => undefined;
  let refresh = (it: Principal): Principal | undefined => it;
  const onChange = (listener: () => void) => {
    changed = listener;
    return () => undefined;
  };
  const watch = new TokenWatch({ refresh: (it) => refresh(it), onChange });
  const one = holder(principal(undefined));
  watch.add(one);
  changed();
  expect(one.told).toEqual([]);
  const present = principal(undefined, ['editor']);
  refresh = () => present;
  changed();
  expect([one.identity, one.told]).toEqual([present, ['changed']]);
  const newer = principal(Date.now() + 600_000);
  watch.renew(one, newer);
  expect([one.identity, one.told]).toEqual([newer, ['changed', 'changed']]);
  refresh = () => undefined;
  changed();
  changed();
  expect(one.told).toEqual(['changed', 'changed', 'revoked']);
  const other = holder(principal(undefined));
  watch.renew(other, newer);
  expect(other.identity).not.toBe(newer);
  watch.add(other);
  expect(other.told).toEqual(['revoked']);
  watch.stop();
});
