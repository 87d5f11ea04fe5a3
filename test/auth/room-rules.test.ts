import { describe, expect, test } from 'vitest';
import { Access } from '../../src/auth/policy/access.ts';
import { explainRooms } from '../../src/auth/rooms/explain.ts';
import { makePattern } from '../../src/auth/rooms/pattern.ts';
import { readRoomRules } from '../../src/auth/rooms/read.ts';
import { RoomRules } from '../../src/auth/rooms/rules.ts';
import { parseCaller } from '../../src/commands/caller.ts';
import { Report } from '../../src/config/files/report.ts';
import { loadConfig } from '../../src/config/load.ts';
import { makeApp } from '../config/folders.ts';
import { planOf } from '../schema/mistakes.ts';

const PLAN = planOf(`
  type Board @table @export @access(read: "authenticated") {
    id: ID! @primaryKey
    ownerId: ID
    members: [Member] @relationship(to: "boardId")
  }
  type Member @table { id: ID! @primaryKey boardId: ID userId: ID }
  type Bill @table @export @account(field: "org", claim: "org") @access(read: "authenticated") { id: ID! @primaryKey org: String }`);

function roomsOf(yaml: string) {
  return loadConfig(makeApp(yaml), {}).app.rooms;
}

function mistakesOf(yaml: string): readonly string[] {
  const report = new Report();
  readRoomRules(roomsOf(`rooms:\n  ${yaml}\n`), PLAN.tables, report);
  return report.diagnostics.map(({ message, at }) => `${at.line}:${at.column} ${message}`);
}

describe('a pattern of rooms', () => {
  test.each([
    ['board:{id}', 'board:1', { id: '1' }],
    ['board:{id}', 'board:', undefined],
    ['board:{id}', 'board:1:2', undefined],
    ['board:{id}', 'board:1\n', { id: '1\n' }],
    ['board:{id}', 'aboard:1', undefined],
    ['{org}/board-{id}.x', 'acme/board-1.x', { org: 'acme', id: '1' }],
    ['{org}/board-{id}.x', 'acme/board-1yx', undefined],
    ['lobby', 'lobby', {}],
    ['a.b', 'axb', undefined],
  ])('%s reads %j as %j', (text, name, expected) => {
    const pattern = makePattern(text);
    expect('problem' in pattern ? pattern : pattern.match(name)).toEqual(expected);
  });

  test.each(['{a}{b}', '{a}-{b}', '{a', 'a}', '{}', '{1}', '{a}:{a}'])('cannot be %s', (text) => {
    expect(makePattern(text)).toHaveProperty('problem');
  });
});

test.each([
  ['"board:{id}": {record: Boar}', /there is no table "Boar"/],
  ['"board:{id}:{more}": {record: Board}', /which part of "board:\{id\}:\{more\}" is the key/],
  ['lobby: {record: Board}', /which part of "lobby" is the key/],
  ['"board:{id}": {join: ownerId==$auth.sub}', /ownerId is a field of a record, and this room has none/],
  ['"board:{id}": {join: $room.di==$auth.sub}', /the name of the room has id/],
  ['"board:{id}": {record: Board, join: owner==$auth.sub}', /owner/],
  ['"board:{id}": {joins: anyone}', /unknown key "rooms\.board:\{id\}\.joins"/],
  ['"{a}{b}": {join: anyone}', /the pattern "\{a\}\{b\}"/],
])('%s is a mistake with its place', (yaml, message) => {
  const [first = '', ...more] = mistakesOf(yaml);
  expect(first).toMatch(/^2:\d+ /);
  expect(first).toMatch(message);
  expect(more).toEqual([]);
});

test('what a caller may do with rooms is listed with the rules that decide', () => {
  const report = new Report();
  const yaml = `rooms:
  "board:{id}": {record: Board, join: [editor, "members.userId==$auth.sub"], send: editor}
  "bill:{id}": {record: Bill, join: authenticated}
  "user:{sub}": {join: $room.sub==$auth.sub, presence: anyone}
`;
  const rules = readRoomRules(roomsOf(yaml), PLAN.tables, report);
  const access = new Access(PLAN, { secured: true, adminRole: 'admin' });
  expect(report.diagnostics).toEqual([]);
  expect(explainRooms(rules, access, parseCaller('sub=u1'))).toEqual([
    '',
    'rooms',
    '  board:{id} (Board with the key {id})',
    '    join     some  rooms with members.userId==$auth.sub',
    '    send     no    not by editor',
    '    presence no    no rule names it',
    '  bill:{id} (Bill with the key {id})',
    '    join     no    no claim org',
    '    send     no    no rule names it',
    '    presence no    no rule names it',
    '  user:{sub}',
    '    join     some  rooms with $room.sub==$auth.sub',
    '    send     no    no rule names it',
    '    presence yes   anyone',
  ]);
  expect(explainRooms(rules, access, parseCaller('sub=u2,roles=editor,org=o1'))).toEqual(
    expect.arrayContaining(['    join     yes   editor', '    join     some  authenticated; org is $auth.org']),
  );
});

test('an administrator who reads as another caller may do nothing with a room', () => {
  const access = new Access(PLAN, { secured: true, adminRole: 'admin' });
  const read = readRoomRules(roomsOf('rooms:\n  lobby:\n    join: authenticated\n'), PLAN.tables, new Report());
  const rules = new RoomRules(read ?? [], access);
  for (const roles of [[], ['admin']]) {
    const caller = { type: 'principal', sub: 'u1', roles, claims: {}, expiresAt: undefined } as const;
    expect(rules.decide('join', 'lobby', caller).permission).toBe(true);
    expect(rules.decide('join', 'lobby', { ...caller, isView: true }).permission).toBe(false);
  }
});
