import { expect, test } from 'vitest';
import { describeClosedTables } from '../../src/boot/project.ts';
import type { AuthConfig } from '../../src/config/config.ts';
import { isOffered } from '../../src/schema/plan.ts';
import { describePlan } from '../../src/schema/print.ts';

import { mistakesOf, planOf } from './mistakes.ts';

const table = (directives: string, fields = '') =>
  `type T @table @export ${directives} {\n  id: ID! @primaryKey\n  owner: String ${fields}\n}`;

test.each([
  [
    '@access',
    '',
    '1:23 @access says nothing | name one of read, create, update, delete, subscribe, publish: @access(read: "authenticated")',
  ],
  ['@access(read: 1)', '', '1:37 argument "read" of @access expects a string in double quotes, or a list of strings'],
  ['@access(write: "a")', '', '1:38 write is for fields | a type has create, update and delete'],
  ['@access(reed: "a")', '', '1:31 unknown argument "reed" of @access | did you mean "read"?'],
  ['@access(read: "ownr==x")', '', '1:37 read: column 1: T has no field "ownr"; did you mean "owner"?'],
  ['@access(read: ["a", "owner=="])', '@access(update: "a")', '3:33 update is for types | a field has read and write'],
  ['', '@access(read: "a &")', '3:31 read: column 4: expected a role or a condition, found the end'],
  ['@account(field: "nope")', '', '1:39 type "T" has no field "nope"'],
  [
    '@account(field: "id")',
    '',
    '1:39 "id" cannot say whose a record is | take a visible field of type ID, String, Int or Long',
  ],
  [
    '@account(field: "owner", claim: "a b")',
    '',
    '1:55 "a b" is not the name of a claim | write the name alone: claim: "orgId"',
  ],
  ['@account', '', '1:23 @account needs the argument "field" | write @account(field: …)'],
])('%s %s is reported with its location', (directives, field, expected) => {
  expect(mistakesOf(table(directives, field))).toContain(expected);
});

test('a rule over relations is checked to its end', () => {
  const sdl = (rule: string) => `type Card @table @export @access(read: "${rule}") {
  id: ID! @primaryKey
  boardId: ID
  secretId: ID @hidden
  board: Board @relationship(from: "boardId")
  secret: Board @relationship(from: "secretId")
}
type Board @table {
  id: ID! @primaryKey
  ownerId: ID
  cards: [Card] @relationship(to: "boardId")
}`;
  const rules = [
    'board.ownerId==$auth.sub',
    'board==$auth.boards',
    'board==null',
    'board.cards.board.cards==a',
    'board(ownerId==$auth.sub & cards.board(ownerId==x))',
  ];
  for (const rule of rules) expect(planOf(sdl(rule)).tables, rule).toHaveLength(2);
  const mistakes: readonly (readonly [string, string])[] = [
    ['borad.ownerId==$auth.sub', 'column 1: Card has no field "borad"; did you mean "board"?'],
    ['board.ownrId==$auth.sub', 'column 7: Board has no field "ownrId"; did you mean "ownerId"?'],
    ['board.ownerId', 'column 1: expected a comparison after board.ownerId, such as board.ownerId==$auth.sub'],
    ['board(ownerId==x', 'column 17: expected ) for the ( at column 6, found the end'],
    ['board(ownrId==x)', 'column 7: Board has no field "ownrId"'],
    ['board.cards.board.cards.board.ownerId==x', 'column 25: a rule follows at most 4 relations'],
    ['board.cards(board.cards(board.ownerId==x))', 'column 25: a rule follows at most 4 relations'],
    ['secret.ownerId==x', 'column 1: secret follows Card.secretId, which is @hidden to rules too'],
  ];
  for (const [rule, mistake] of mistakes) expect(mistakesOf(sdl(rule))[0], rule).toContain(mistake);
});

test('a table that only admins can use gives a notice', () => {
  const closed = (directives: string, auth = true) =>
    describeClosedTables(planOf(table(directives), auth ? { auth: {} as AuthConfig } : {}));
  const grant =
    '@access(read: "authenticated", create: "authenticated", update: "authenticated", delete: "authenticated")';
  expect(closed('@account(field: "owner")')).toEqual([
    `my-app: only admins can use T, since @account alone allows no action; add ${grant}`,
  ]);
  expect(closed('')).toEqual([
    'my-app: only admins can use T, since the application has auth and the table allows no action; add @access or public',
  ]);
  expect(closed('', false)).toEqual([]);
  expect(closed('@account(field: "owner") @access(read: "authenticated")')).toEqual([]);
  expect(closed('@access(publish: "editor")')).toEqual([]);
});

test('all errors in rules are reported at once', () => {
  const mistakes = mistakesOf(table('@access(read: "x==1", update: ["ok", "y==1"])', '@access(read: "z==1")'));
  expect(mistakes).toHaveLength(3);
});

test('a rule cannot read a hidden field, and account and public exclude each other', () => {
  expect(mistakesOf(table('@access(read: "owner==x")', '@hidden'))[0]).toContain('T has no field "owner"');
  const both = 'type T @table @account(field: "a") @export(public: [read]) { id: ID! @primaryKey a: String }';
  expect(mistakesOf(both)[0]).toContain('public and @account exclude each other');
});

test('with rules or authentication only the listed actions are public', () => {
  const open = planOf(table('')).tables[0];
  expect([...(open?.public ?? [])]).toContain('delete');
  expect(planOf(table('@access(read: "a")')).tables[0]?.public.size).toBe(0);
  expect(planOf(table(''), { auth: { users: true } as unknown as AuthConfig }).tables[0]?.public.size).toBe(0);
  expect(planOf(table(''), { auth: 'none' }).tables[0]?.public.size).toBe(open?.public.size);
  const mixed = planOf(table('@access(read: "a", create: [])').replace('@export', '@export(public: [publish])'))
    .tables[0];
  const offered = ['read', 'subscribe', 'create', 'publish', 'delete'].map(
    (action) => mixed && isOffered(mixed, action as 'read'),
  );
  expect(offered).toEqual([true, true, false, true, false]);
});

test('the plan has the rules of tables and fields', () => {
  const text = table(
    '@access(read: ["editor", "owner==$auth.sub"]) @account(field: "owner", claim: "org")',
    '@access(write: [])',
  );
  const server = { host: 'localhost', port: 1 };
  const app = { dataDir: 'd', durability: 'full', docs: false, realtime: { enabled: false }, hooks: [], routes: [] };
  const lines = describePlan(planOf(text), { server, app } as never);
  expect(lines.slice(-4)).toEqual([
    '  anyone   nothing',
    '  read     editor  or  owner==$auth.sub',
    '  account  owner is $auth.org',
    '  field    owner: write denied to all',
  ]);
});
