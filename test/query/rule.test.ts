import { describe, expect, test } from 'vitest';
import { bindRule, parseRule, type RuleInput } from '../../src/query/index.ts';
import { AUTHOR, BOOK } from './library.ts';
import { PRODUCT } from './products.ts';
import { LIMITS } from './tables.ts';

const parse = (text: string) => parseRule(text, PRODUCT, LIMITS, 'read');
const ADA: RuleInput = {
  authenticated: true,
  roles: ['editor'],
  claims: { sub: 'ada', age: 30, teams: ['red', 'blue'], none: [], org: { id: 'o1' }, star: 'A*' },
};
const ANONYMOUS_INPUT: RuleInput = { authenticated: false, roles: [], claims: {} };
const bind = (text: string, input: RuleInput = ADA) => bindRule(parse(text), input);

describe('a rule', () => {
  test.each([
    ['editor', true],
    ['viewer', false],
    ['authenticated', true],
    ['!viewer & editor', true],
    ['viewer | editor', true],
    ['viewer, editor', true],
    ['viewer; editor', false],
    ['$auth.sub==ada', true],
    ['$auth.sub!=ada', false],
    ['$auth.sub=in=(ben,ada)', true],
    ['$auth.teams==red', true],
    ['$auth.teams=ct=green', false],
    ['$auth.teams=out=(green)', true],
    ['$auth.org.id==o1', true],
    ['$auth.org.nope==o1', false],
    ['!($auth.org.nope==o1)', false],
    ['$auth.constructor==x', false],
    ['$auth.age==30', true],
    ['editor & ($auth.age==30 | title==x)', true],
  ])('%s is decided without a record', (text, expected) => {
    expect(bind(text)).toBe(expected);
  });

  test.each(['authenticated', 'title==$auth.sub', '!(title==$auth.sub)', 'title!=$auth.sub', '$auth.sub!=ada'])(
    '%s grants nothing to an anonymous caller',
    (text) => expect(bind(text, ANONYMOUS_INPUT)).toBe(false),
  );

  test.each(['true', 'public', 'editor | everyone', '!anyone'])(
    '%s does not take a word for everyone as a role',
    (text) =>
      expect(() => parse(text)).toThrow(
        /is no role: authenticated is for all callers who are logged in, @export\(public: …\)/,
      ),
  );

  test.each(['false', 'none', 'editor & nobody'])('%s does not take a word for no one as a role', (text) =>
    expect(() => parse(text)).toThrow(/is no role: an action without a rule is for admins only/),
  );

  test('becomes a filter with the caller in it', () => {
    const path = expect.objectContaining({ name: 'title' });
    expect(bind('title==$auth.sub')).toEqual({ type: 'compare', path, op: 'eq', value: 'ada' });
    expect(bind('viewer | title==$auth.sub')).toEqual({ type: 'compare', path, op: 'eq', value: 'ada' });
    expect(bind('title==$auth.teams')).toEqual({ type: 'in', path, values: ['red', 'blue'] });
    expect(bind('title=in=$auth.teams')).toEqual({ type: 'in', path, values: ['red', 'blue'] });
    expect(bind('title=in=($auth.teams,x)')).toEqual({ type: 'in', path, values: ['red', 'blue', 'x'] });
    expect(bind('title=in=$auth.none')).toBe(false);
    expect(bind('title=out=$auth.none')).toBe(true);
  });

  test('looks at related records', () => {
    const relation = (name: string, table = BOOK) => table.relations.find((it) => it.name === name);
    const bound = (text: string, input: RuleInput = ADA) => bindRule(parseRule(text, BOOK, LIMITS, 'read'), input);
    const author = relation('author');
    const id = expect.objectContaining({ name: 'id' });
    const name = expect.objectContaining({ name: 'name' });
    const isAda = { type: 'compare', path: name, op: 'eq', value: 'ada' };
    expect(bound('author.name==$auth.sub')).toEqual({ type: 'related', relation: author, item: isAda });
    expect(bound('author.name!=$auth.sub')).toEqual({
      type: 'not',
      item: { type: 'related', relation: author, item: isAda },
    });
    // A relation stands for the keys of its records.
    expect(bound('author==$auth.teams')).toEqual({
      type: 'related',
      relation: author,
      item: { type: 'in', path: id, values: ['red', 'blue'] },
    });
    expect(bound('author!=null')).toEqual({ type: 'related', relation: author, item: undefined });
    expect(bound('author.books.title==$auth.sub')).toMatchObject({
      relation: author,
      item: { type: 'related', relation: relation('books', AUTHOR), item: { type: 'compare', value: 'ada' } },
    });
    // One and the same record meets what is in brackets.
    const item = {
      type: 'and',
      items: [isAda, { type: 'not', item: { type: 'compare', path: id, op: 'eq', value: 'x' } }],
    };
    expect(bound('author(name==$auth.sub & id!=x & editor)')).toEqual({ type: 'related', relation: author, item });
    expect(bound('author(id!=x)')).toMatchObject({ type: 'related', item: { type: 'not' } });
    expect(bound('author(editor)')).toEqual({ type: 'related', relation: author, item: undefined });
    expect(bound('author(viewer)')).toBe(false);
    for (const text of [
      'author.name==$auth.no',
      'author.name!=$auth.no',
      'author(name==$auth.no)',
      '!author(name==$auth.no)',
    ])
      expect(bound(text), text).toBe(false);
  });

  test('treats a claim as a literal', () => {
    expect(bind('title==$auth.star')).toMatchObject({ type: 'compare', value: 'A*' });
    expect(bind('title==$auth.sub', { ...ADA, claims: { sub: 'null' } })).toMatchObject({ value: 'null' });
    expect(bind('title==$auth.org')).toBe(false);
    // A string is not a number.
    expect(bind('price==$auth.sub')).toBe(false);
    expect(bind('!(price==$auth.sub)')).toBe(false);
  });

  test.each([
    ['', 'read: column 1: expected a role or a condition, found the end'],
    ['titel==x', 'read: column 1: Product has no field "titel"; did you mean "title"?'],
    ['editor &', 'read: column 9: expected a role or a condition, found the end'],
    ['(editor', 'read: column 8: expected ) for the ( at column 1, found the end'],
    ['$user.id==x', 'read: column 1: expected $auth. and the name of a claim such as $auth.sub, found "$user.id"'],
    ['title==$user.id', 'read: column 8: expected $auth. and the name of a claim such as $auth.sub, found "$user.id"'],
    [
      '$auth.sub',
      'read: column 1: expected $auth. and the name of a claim and a comparison, such as $auth.sub==ada, found "$auth.sub"',
    ],
    ['$auth.age=gt=3', 'read: column 1: a claim is compared with ==, !=, =in=, =out= or =ct='],
    ['price==cheap', undefined],
    ['price=sw=$auth.sub', undefined],
    ['ed%tor', undefined],
  ])('%j is refused at its place', (text, message) => {
    const refused = { code: 'INVALID_QUERY', ...(message === undefined ? {} : { message }) };
    expect(() => parse(text)).toThrow(expect.objectContaining(refused));
  });
});
