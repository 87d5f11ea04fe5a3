import { expect, test } from 'vitest';
import {
  type GatewayMessage,
  GatewayRefusal,
  parseMessage,
  parseName,
  parseSubscribe,
} from '../../src/transports/multiplex/requests.ts';

function read(message: unknown): GatewayMessage {
  return parseMessage(Buffer.from(JSON.stringify(message)), false);
}

/** Answer to a message of a client. */
function refusalOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    if (error instanceof GatewayRefusal) return { error: error.message, ...error.members };
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
  [{ filter: 1 }, 'filter must be a string'],
  [{ select: ['a'] }, 'select must be a string'],
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
  ['{"action":"ping","id":1}', { error: 'ping has no property "id"', code: 'INVALID_MESSAGE', id: 1 }],
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

test.each(['aggregate', 'group', 'having', 'count', 'delta'])('a subscription has no %s', (name) => {
  const message = { action: 'subscribe', collection: 'posts', [name]: 'x' };
  expect(refusalOf(() => read(message))).toMatchObject({
    error: `subscribe has no property "${name}"`,
    code: 'INVALID_MESSAGE',
  });
});
