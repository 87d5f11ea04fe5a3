import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ApiKey, Session, User } from '../../src/store/accounts.ts';
import { openSqliteAccounts, type SqliteAccounts } from '../../src/store/sqlite/accounts/accounts.ts';
import { until } from '../support/wait.ts';

let dir: string;
const open: SqliteAccounts[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tablecast-accounts-'));
});

afterEach(() => {
  for (const store of open.splice(0)) store.close();
  rmSync(dir, { recursive: true });
});

async function openHere(poll?: number): Promise<SqliteAccounts> {
  const store = openSqliteAccounts({
    dir,
    busyTimeout: 0,
    ...(poll === undefined ? {} : { poll }),
  });
  open.push(store);
  return store;
}

const ADA: User = {
  id: 'u-1',
  name: 'Ada',
  password: '$scrypt$1',
  roles: ['editor'],
  claims: { accountId: 'acme' },
  disabled: false,
  created: 1000,
};
const KEY: ApiKey = {
  id: 'abcdefgh',
  hash: Buffer.alloc(32, 7),
  name: 'ci',
  sub: 'key:abcdefgh',
  roles: ['writer'],
  claims: {},
  created: 2000,
  revoked: undefined,
};
const SESSION: Session = { id: 's-1', userId: 'u-1', hash: Buffer.alloc(32, 1), created: 1000, expires: 5000 };
const hashOf = (byte: number) => Buffer.alloc(32, byte);

describe('users', () => {
  test('are found by id and by name, whatever its case', async () => {
    const store = await openHere();
    store.addUser(ADA);
    expect(store.user('u-1')).toEqual(ADA);
    for (const name of ['Ada', 'ADA', 'ada', 'Ａda']) expect(store.userByName(name)).toEqual(ADA);
    expect(store.userByName('Bob')).toBeUndefined();
    expect(store.user('u-2')).toBeUndefined();
  });

  test.each([
    ['ada', 'Ada'],
    ['JÜRGEN', 'jürgen'],
    ['e\u0301va', '\u00c9va'],
  ])('%j and %j are one name', async (first, second) => {
    const store = await openHere();
    store.addUser({ ...ADA, name: first });
    expect(() => store.addUser({ ...ADA, id: 'u-2', name: second })).toThrow(
      expect.objectContaining({ code: 'CONFLICT', message: 'name: is taken by another user.' }),
    );
    expect(store.users()).toHaveLength(1);
  });

  test('keep what is set, and are listed by name', async () => {
    const store = await openHere();
    store.addUser(ADA);
    store.addUser({ ...ADA, id: 'u-2', name: 'bob' });
    store.addUser({ ...ADA, id: 'u-3', name: 'Aaron' });
    store.setRoles('u-1', ['a', 'b']);
    store.setDisabled('u-1', true);
    expect(store.user('u-1')).toMatchObject({ roles: ['a', 'b'], disabled: true });
    expect(store.setPassword('u-1', 'next', 'not this one')).toBe(false);
    expect(store.setPassword('u-1', 'next', ADA.password)).toBe(true);
    expect(store.setPassword('u-1', 'other')).toBe(true);
    expect(store.setPassword('nobody', 'other')).toBe(false);
    expect(store.users().map(({ name }) => name)).toEqual(['Aaron', 'Ada', 'bob']);
    expect(store.user('u-1')?.password).toBe('other');
  });
});

describe('keys', () => {
  test('are found by id, listed, and revoked once', async () => {
    const store = await openHere();
    store.addKey(KEY);
    store.addKey({ ...KEY, id: 'zzzzzzzz', created: 1 });
    expect(store.key('abcdefgh')).toEqual(KEY);
    expect(store.keys().map(({ id }) => id)).toEqual(['zzzzzzzz', 'abcdefgh']);
    expect(store.revokeKey('abcdefgh', 3000)).toBe(true);
    expect(store.revokeKey('abcdefgh', 4000)).toBe(false);
    expect(store.revokeKey('nothing', 4000)).toBe(false);
    expect(store.key('abcdefgh')?.revoked).toBe(3000);
  });
});

describe('sessions', () => {
  const rotate = (store: SqliteAccounts, from: number, to: number, now = 2000) =>
    store.rotateSession('s-1', {
      old: hashOf(from),
      next: hashOf(to),
      nonce: Buffer.from([to]),
      expires: now + 4000,
      now,
      grace: 100,
    });

  test('go on with the next token; an earlier one ends them', async () => {
    const store = await openHere();
    store.addUser(ADA);
    expect(store.openSession(SESSION, ADA.password, 10)).toBe(true);
    expect(rotate(store, 1, 2)).toEqual({ outcome: 'rotated', userId: 'u-1' });
    expect(rotate(store, 2, 3)).toEqual({ outcome: 'rotated', userId: 'u-1' });
    expect(rotate(store, 1, 4)).toEqual({ outcome: 'reused', userId: 'u-1' });
    expect(rotate(store, 3, 4)).toBeUndefined();
  });

  test('know the token before the last one for a while, by what the last one was made of', async () => {
    const store = await openHere();
    store.addUser(ADA);
    store.openSession(SESSION, ADA.password, 10);
    rotate(store, 1, 2, 2000);
    const repeated = { outcome: 'repeated', userId: 'u-1', nonce: Buffer.from([2]), at: 2000 };
    // The clock may have been set back.
    for (const now of [2000, 2099, 1901]) expect(rotate(store, 1, 9, now)).toEqual(repeated);
    rotate(store, 2, 3, 2050);
    expect(rotate(store, 2, 9, 2060)).toEqual({ ...repeated, nonce: Buffer.from([3]), at: 2050 });
    expect(rotate(store, 2, 9, 2150)).toEqual({ outcome: 'reused', userId: 'u-1' });
  });

  test('are over when their time is', async () => {
    const store = await openHere();
    store.addUser(ADA);
    store.openSession(SESSION, ADA.password, 10);
    expect(rotate(store, 1, 2, 5000)).toBeUndefined();
    expect(rotate(store, 1, 2, 4999)).toMatchObject({ outcome: 'rotated' });
  });

  test('end at a log-out, with another password and when the user is disabled', async () => {
    const store = await openHere();
    store.addUser(ADA);
    const begin = () => store.openSession(SESSION, store.user('u-1')?.password ?? '', 10);
    begin();
    expect(store.endSession('s-1')).toBe('u-1');
    expect(store.endSession('s-1')).toBeUndefined();
    begin();
    store.setPassword('u-1', 'next');
    expect(rotate(store, 1, 2)).toBeUndefined();
    begin();
    store.setDisabled('u-1', true);
    expect(rotate(store, 1, 2)).toBeUndefined();
  });

  test('do not begin for a user who was disabled or changed the password meanwhile', async () => {
    const store = await openHere();
    store.addUser(ADA);
    expect(store.openSession(SESSION, 'another', 10)).toBe(false);
    expect(store.openSession({ ...SESSION, userId: 'u-2' }, ADA.password, 10)).toBe(false);
    store.setDisabled('u-1', true);
    expect(store.openSession(SESSION, ADA.password, 10)).toBe(false);
  });

  test('are so many for one user, the oldest going first, and those that are over are removed', async () => {
    const store = await openHere();
    store.addUser(ADA);
    store.addUser({ ...ADA, id: 'u-2', name: 'Bob' });
    store.openSession({ ...SESSION, id: 'over', userId: 'u-2', expires: 1001 }, ADA.password, 2);
    for (let n = 1; n <= 4; n++) {
      store.openSession({ ...SESSION, id: `s-${n}`, created: 1000 + n }, ADA.password, 2);
    }
    const db = new Database(join(dir, 'auth.db'), { readonly: true });
    expect(db.prepare('SELECT id FROM sessions ORDER BY id').pluck().all()).toEqual(['s-3', 's-4']);
    db.close();
  });
});

describe('changes', () => {
  test('of its own are told at once, those of sessions not at all', async () => {
    const store = await openHere();
    let told = 0;
    const stop = store.onChange(() => told++);
    store.addUser(ADA);
    store.setRoles('u-1', []);
    store.setDisabled('u-1', false);
    store.addKey(KEY);
    store.revokeKey(KEY.id, 1);
    expect(told).toBe(5);
    store.openSession(SESSION, ADA.password, 2);
    store.endSession('s-1');
    expect(told).toBe(5);
    stop();
    store.setRoles('u-1', ['a']);
    expect(told).toBe(5);
  });

  test('of another process are seen at once and told within the poll', async () => {
    const store = await openHere(20);
    store.addUser(ADA);
    let told = 0;
    store.onChange(() => told++);
    const script = `const db = require('better-sqlite3')(process.argv[1]);
      db.prepare('UPDATE users SET disabled = 1').run(); db.close();`;
    const { status } = spawnSync(process.execPath, ['-e', script, join(dir, 'auth.db')], { cwd: import.meta.dirname });
    expect(status).toBe(0);
    expect(store.user('u-1')?.disabled).toBe(true);
    await until(
      async () => told,
      (times) => times === 1,
    );
  });

  test('wait for another writer as long as they were told, and say that the storage is busy', async () => {
    const store = await openHere();
    const other = new Database(join(dir, 'auth.db'));
    other.exec('BEGIN IMMEDIATE');
    expect(() => store.addUser(ADA)).toThrow(expect.objectContaining({ code: 'STORAGE_BUSY' }));
    expect(store.users()).toEqual([]);
    other.exec('ROLLBACK');
    other.close();
    store.addUser(ADA);
    expect(store.users()).toHaveLength(1);
  });
});

describe('the file', () => {
  test('is there again with everything in it, and for its owner alone', async () => {
    (await openHere()).addUser(ADA);
    open.pop()?.close();
    expect((await openHere()).users()).toEqual([ADA]);
    for (const name of readdirSync(dir)) expect(statSync(join(dir, name)).mode & 0o077, name).toBe(0);
  });

  test('of an older version is brought up to date and keeps what it has', async () => {
    const store = await openHere();
    store.addUser(ADA);
    store.close();
    open.pop();
    const db = new Database(join(dir, 'auth.db'));
    db.exec('DROP TABLE sessions; DROP TABLE keys; UPDATE tablecast_accounts SET version = 1');
    db.close();
    const newer = await openHere();
    newer.addKey(KEY);
    expect(newer.openSession(SESSION, ADA.password, 1)).toBe(true);
    expect(newer.users()).toEqual([ADA]);
    const raw = new Database(join(dir, 'auth.db'), { readonly: true });
    expect(raw.prepare('SELECT version FROM tablecast_accounts').pluck().all()).toEqual([4]);
    raw.close();
  });

  test.each([
    ['a newer version', 'UPDATE tablecast_accounts SET version = 99', 'newer version of Tablecast'],
    ['another program', 'DROP TABLE tablecast_accounts', 'another program'],
  ])('of %s is refused and left as it is', async (_, sql, message) => {
    (await openHere()).close();
    open.pop();
    const file = join(dir, 'auth.db');
    const db = new Database(file);
    db.exec(sql);
    db.close();
    const before = readFileSync(file);
    await expect(openHere()).rejects.toThrow(expect.objectContaining({ message: expect.stringContaining(message) }));
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  test('that is no database is refused in a sentence', async () => {
    writeFileSync(join(dir, 'auth.db'), 'this is no database, whatever its name may say. '.repeat(100));
    const error = await openHere().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'StoreOpenError', message: expect.stringContaining('no database') });
  });
});
