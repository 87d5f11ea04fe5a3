import { describe, expect, test } from 'vitest';
import { parsePosition, parseRecordQuery, parseSubscription } from '../../src/resources/subscription-query.ts';
import { LIMITS } from '../query/tables.ts';
import { tableOf } from '../schema/mistakes.ts';

const table = tableOf('type T @table { id: ID! @primaryKey n: Int text: String l: Long }');

function parse(query: string, id?: string) {
  return parseSubscription(query, { table, id, limits: LIMITS, store: { related: () => 'null' } });
}

describe('a subscription', () => {
  test('without parameters has everything from now on, and for a record its stored state first', () => {
    expect(parse('')).toEqual({ selection: { key: '' }, retained: false, suppressEcho: false, related: new Set() });
    expect(parse('', 'a')).toEqual({
      id: 'a',
      selection: { key: '' },
      retained: true,
      suppressEcho: false,
      related: new Set(),
    });
  });

  test.each([
    ['since=5', { since: 5 }],
    ['since=9007199254740991', { since: 2 ** 53 - 1 }],
    ['retained=true', { retained: true }],
    ['retained=false', { retained: false }],
    ['echo=false', { suppressEcho: true }],
    ['echo=true', { suppressEcho: false }],
    ['stream=sse', { retained: false }],
    ['limit=3', { retained: true, selection: { window: { limit: 3, offset: 0 } } }],
    ['sort=-n', { retained: true, selection: { window: { limit: LIMITS.pageDefault } } }],
    ['offset=4&limit=1&retained=false', { retained: false, selection: { window: { limit: 1, offset: 4 } } }],
    [`offset=${LIMITS.window - 5}&limit=5`, { retained: true }],
    ['client=aZ0-._~', { client: 'aZ0-._~' }],
    [`client=${'x'.repeat(128)}`, { client: 'x'.repeat(128) }],
  ])('%s', (query, expected) => {
    expect(parse(query)).toMatchObject(expected);
  });

  test.each(['client=', `client=${'x'.repeat(129)}`, 'client=a%20b', 'client=%C3%A9', 'client==a'])(
    'refuses %s as the id of a client',
    (query) => {
      expect(() => parse(query)).toThrow(/^client is an id that the client has generated: 1 to 128 of/);
    },
  );

  test('follows a window only when the request has one of its parameters', () => {
    expect(parse('retained=true').selection).not.toHaveProperty('window');
    expect(parse('retained=true')).not.toHaveProperty('since');
    expect(parse('limit=3', 'a').selection).not.toHaveProperty('window');
  });

  test('shares its window with queries for the same records in the same order', () => {
    const keyOf = (query: string) => parse(query).selection.window?.key;
    expect(keyOf('n==1&sort=-n&limit=2&select=text')).toBe(keyOf('n=1&limit=2&sort=-n,id&delta=true'));
    const queries = ['limit=2', 'limit=3', 'limit=2&offset=1', 'limit=2&sort=n', 'limit=2&sort=-n', 'limit=2&n==1'];
    expect(new Set(queries.map(keyOf)).size).toBe(queries.length);
  });

  test.each([
    [`offset=${LIMITS.window}&limit=1`, undefined, /^offset and limit of a stream are at most 2000 together/],
    ['limit=1&echo=false', undefined, /^echo=false cannot be combined with sort, limit, offset or cursor/],
    ['sort=n', 'a', /^sort is for the channel of a table/],
    ['offset=1', 'a', /^offset is for the channel of a table/],
  ])('%s is refused with a sentence', (query, id, message) => {
    expect(() => parse(query, id)).toThrow(message);
  });

  test('with a filter has the records that match', () => {
    const { selection } = parse('n=gt=5&select=n');
    expect([selection.matches?.({ n: 6 }), selection.matches?.({ n: 5 })]).toEqual([true, false]);
    expect(selection.fields).toEqual(['id', 'n']);
  });

  test('shares its key with equal queries only', () => {
    const keys = [
      '',
      'n=5',
      'n=6',
      'n=5&select=n',
      'select=n',
      'select=text',
      'l=9007199254740993',
      'l=9007199254740995',
    ];
    expect(new Set(keys.map((query) => parse(query).selection.key)).size).toBe(keys.length);
    expect(parse('n=5&echo=false').selection.key).toBe(parse('n==5').selection.key);
  });

  test.each([
    ['since=-1', 'INVALID_POSITION'],
    ['since=', 'INVALID_POSITION'],
    ['since=x', 'INVALID_POSITION'],
    ['since=1.5', 'INVALID_POSITION'],
    ['since=9007199254740992', 'INVALID_POSITION'],
    ['since=12345678901234567', 'INVALID_POSITION'],
    ['retained=yes', 'INVALID_QUERY'],
    ['echo=0', 'INVALID_QUERY'],
    ['sort=nope', 'INVALID_QUERY'],
    ['cursor=x', 'INVALID_QUERY'],
    ['count=1', 'INVALID_QUERY'],
    ['group=n', 'INVALID_QUERY'],
    ['having=count=gt=1', 'INVALID_QUERY'],
    ['count=true&echo=false', 'INVALID_QUERY'],
    ['aggregate=count&echo=false', 'INVALID_QUERY'],
    ['aggregate=count&delta=true', 'INVALID_QUERY'],
    ['aggregate=count&count=true', 'INVALID_QUERY'],
    ['delta=1', 'INVALID_QUERY'],
    ['offset=-1', 'INVALID_QUERY'],
    ['limit=0', 'INVALID_QUERY'],
    ['nope=1', 'INVALID_QUERY'],
  ])('%s is refused with %s', (query, code) => {
    expect(() => parse(query)).toThrow(expect.objectContaining({ code }));
  });
});

describe('the query of a record', () => {
  test('selects fields', () => {
    expect(parseRecordQuery('select=text', { table, limits: LIMITS }).select?.fields.map(({ name }) => name)).toEqual([
      'id',
      'text',
    ]);
  });

  test.each(['n=1', 'sort=n', 'limit=1', 'offset=1', 'select=n&limit=2'])('refuses %s', (query) => {
    expect(() => parseRecordQuery(query, { table, limits: LIMITS })).toThrow(
      'A record accepts no query parameter except select.',
    );
  });
});

test('a position is a seq', () => {
  expect(parsePosition('1763692200000000')).toBe(1763692200000000);
  expect(parsePosition('0')).toBe(0);
  expect(() => parsePosition(' 1')).toThrow(expect.objectContaining({ code: 'INVALID_POSITION' }));
});
