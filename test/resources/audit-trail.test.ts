import { describe, expect, onTestFinished, test } from 'vitest';
import { ANONYMOUS, HOOK, type Identity, SERVER } from '../../src/auth/identity.ts';
import { Access } from '../../src/auth/policy/access.ts';
import { type AuditReaders, AuditTrail } from '../../src/resources/audit/trail.ts';
import type { AuditEntry, AuditReader } from '../../src/store/audit.ts';
import { PropertyHarness } from '../property/harness.ts';
import { LIMITS } from '../query/tables.ts';
import { planOf } from '../schema/mistakes.ts';

const SDL = `
type Note @table @audit @export { id: ID! @primaryKey text: String pin: String @hidden }
type Job @table(database: "work", table: "jobs") @audit @export(name: "job") { id: Long! @primaryKey }
type Inner @table @audit { id: ID! @primaryKey }`;
const OF_ACCOUNTS = `${SDL}
type Order @table @export @account(field: "org", claim: "org") @access(read: "authenticated") { id: ID! @primaryKey org: String }`;

function person(roles: readonly string[], claims = {}): Identity {
  return { type: 'principal', sub: 'ada', roles, claims, expiresAt: undefined };
}

function trailOf(log: AuditReader, readers: AuditReaders = 'admins', sdl = SDL): AuditTrail {
  const plan = planOf(sdl);
  return new AuditTrail({
    plan,
    log,
    limits: LIMITS,
    readers,
    access: new Access(plan, { secured: readers === 'admins', adminRole: 'root' }),
  });
}

const NOTHING: AuditReader = { page: () => ({ entries: [] }) };

function readTrail(trail: AuditTrail, identity: Identity): string {
  try {
    return String((trail.read(identity, '') as { json: string }).json);
  } catch (error) {
    return `${(error as { code: string }).code} ${(error as Error).message}`;
  }
}

describe('the audit log can be read', () => {
  test('by admins only, where authentication is on', () => {
    const trail = trailOf(NOTHING);
    expect(readTrail(trail, person(['root', 'editor']))).toBe('[]');
    expect(readTrail(trail, SERVER)).toBe('[]');
    const forbidden = 'FORBIDDEN Not allowed: reading the audit log. It is for the role root.';
    expect(readTrail(trail, person(['admin']))).toBe(forbidden);
    expect(readTrail(trail, ANONYMOUS)).toBe('UNAUTHORIZED Not allowed without credentials: reading the audit log.');
  });

  test('by no admin that is limited to one account', () => {
    const trail = trailOf(NOTHING, 'admins', OF_ACCOUNTS);
    const forbidden =
      'FORBIDDEN Not allowed: reading the audit log. It is for admins that are not limited to one account.';
    expect(readTrail(trail, person(['root'], { org: 'one' }))).toBe(forbidden);
    expect(readTrail(trail, person(['root']))).toBe('[]');
    expect(readTrail(trailOf(NOTHING), person(['root'], { org: 'one' }))).toBe('[]');
  });

  test('by all callers or by none, where authentication is off', () => {
    expect(readTrail(trailOf(NOTHING, 'anyone'), ANONYMOUS)).toBe('[]');
    const forbidden = 'FORBIDDEN Without auth in config.yaml the audit log is readable on loopback only.';
    expect(readTrail(trailOf(NOTHING, 'none'), ANONYMOUS)).toBe(forbidden);
    expect(readTrail(trailOf(NOTHING, 'none'), SERVER)).toBe(forbidden);
  });
});

describe('an entry of the audit log', () => {
  const entry = (more: Partial<AuditEntry>): AuditEntry => ({
    seq: 1_736_937_000_000_123,
    by: { type: 'hook' },
    op: 'update',
    table: 'data/Note',
    id: '1',
    changes: '{"text":{"before":"a","after":"b"},"pin":{"before":"1","after":"2"}}',
    ...more,
  });

  test('has the current names, the key in its type, and no values of fields that are hidden now', async () => {
    const entries = [
      entry({}),
      entry({ table: 'WORK/Jobs', id: '42' }),
      entry({ table: 'data/Inner' }),
      entry({ table: 'data/Gone', id: '7' }),
    ];
    const { json, next } = await trailOf({ page: async () => ({ entries, next: 5 }) }).read(SERVER, '');
    expect(next).toBe(5);
    const changes = { text: { before: 'a', after: 'b' }, pin: { before: '1', after: '2' } };
    const common = { seq: 1_736_937_000_000_123, time: '2025-01-15T10:30:00.000Z', by: { type: 'hook' }, op: 'update' };
    expect(JSON.parse(json)).toEqual([
      { ...common, table: 'Note', id: '1', changes: { ...changes, pin: { hidden: true } } },
      { ...common, table: 'job', id: 42, changes },
      { ...common, table: 'data/Inner', id: '1', changes },
      { ...common, table: 'data/Gone', id: '7', changes },
    ]);
  });

  test('names the writer', async () => {
    const rig = new PropertyHarness({ sdl: SDL });
    onTestFinished(() => rig[Symbol.dispose]());
    const notes = rig.resource('Note');
    const key = { ...person(['editor']), keyId: 'k3m9x2pq' } as Identity;
    for (const identity of [person(['editor']), key, ANONYMOUS, SERVER, HOOK]) await notes.put(identity, undefined, {});
    const log = rig.store.audit as AuditReader;
    const { json } = await trailOf(log).read(SERVER, 'table=Note');
    expect((JSON.parse(json) as { by: unknown }[]).map(({ by }) => by)).toEqual([
      { type: 'hook' },
      { type: 'server' },
      { type: 'anonymous' },
      { type: 'principal', sub: 'ada', roles: ['editor'], key: 'k3m9x2pq' },
      { type: 'principal', sub: 'ada', roles: ['editor'] },
    ]);
  });
});
