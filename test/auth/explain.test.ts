import { describe, expect, test } from 'vitest';
import { Access } from '../../src/auth/policy/access.ts';
import { explainAccess } from '../../src/auth/policy/explain.ts';
import { parseCaller } from '../../src/commands/caller.ts';
import { UsageError } from '../../src/commands/options.ts';
import { planOf } from '../schema/mistakes.ts';

const PLAN = planOf(`
  type Board @table @export(public: [read])
    @access(create: "authenticated", update: ["editor", "members.userId==$auth.sub", "plan==$auth.org.plan"], delete: []) {
    id: ID! @primaryKey
    plan: String @access(read: "editor", write: "members.userId==$auth.sub")
    ownerId: ID @default(value: "$auth.sub")
    secret: String @hidden
    members: [Member] @relationship(to: "boardId")
  }
  type Member @table { id: ID! @primaryKey boardId: ID userId: ID }
  type Bill @table @export @account(field: "org", claim: "org") @access(read: "authenticated") { id: ID! @primaryKey org: String }`);
const access = new Access(PLAN, { secured: true, adminRole: 'admin' });
const explain = (as: string) => explainAccess(PLAN, access, parseCaller(as));

describe('what a caller may do', () => {
  test('is listed with the rules that decide', () => {
    expect(explain('sub=u1,roles=cook')).toEqual([
      '',
      'Board',
      '  read      yes   public',
      '  create    yes   authenticated',
      '  update    some  records with members.userId==$auth.sub',
      '  delete    no    denied to all',
      '  subscribe no    no rule names it',
      '  publish   no    no rule names it',
      '  plan: read no, not by editor',
      '  plan: write some, records with members.userId==$auth.sub',
      '  secret: read no, @hidden',
      '  ownerId: set to "u1" in new records, $auth.sub',
      '',
      'Bill',
      '  read      no    authenticated; but no claim org',
      '  create    no    no rule names it',
      '  update    no    no rule names it',
      '  delete    no    no rule names it',
      '  subscribe no    authenticated; but no claim org',
      '  publish   no    no rule names it',
    ]);
    expect(explain('sub=u1,roles=cook,roles=editor,org.plan=pro')).toContain('  update    yes   editor');
    expect(explain('sub=u1,org=o1')).toContain('  read      some  authenticated; org is $auth.org');
    expect(explain('anonymous')).toContain('  create    no    not by authenticated');
    expect(explain('sub=a,roles=admin')).toContain('  delete    yes   the role of admins');
  });

  test.each(['', 'u1', 'roles=editor', 'sub=', 'sub=a,=b', 'sub=a,a.b.c.d.e=1'])('%j names no caller', (text) => {
    expect(() => parseCaller(text)).toThrow(UsageError);
  });

  test('claims have types and places', () => {
    expect(parseCaller('sub=1,age=30,ok=true,team=red,team=blue,org.id=o1,org.plan=pro')).toMatchObject({
      sub: '1',
      roles: [],
      claims: { age: 30, ok: true, team: ['red', 'blue'], org: { id: 'o1', plan: 'pro' } },
    });
  });
});
