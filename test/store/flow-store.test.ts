import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import type { FlowStore, StoredLetter } from '../../src/store/flows.ts';
import { openSqliteFlows, type SqliteFlows } from '../../src/store/sqlite/flows.ts';

let dir = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tablecast-flows-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
});

async function open(busyTimeout = 50): Promise<SqliteFlows> {
  const store = openSqliteFlows({ dir, busyTimeout });
  onTestFinished(() => store.close());
  return store;
}

function letter(id: string, more: Partial<StoredLetter> = {}): StoredLetter {
  const made = {
    flow: 'f',
    key: `key-${id}`,
    input: '{"n":1}',
    identity: '{"type":"server"}',
    error: 'no',
    notes: null,
  };
  return { id, ...made, attempts: 1, done: ['0 a'], created: 1000, ...more };
}

test('positions and letters are there after it was closed', async () => {
  const store = await open();
  expect(store.position('f:T')).toBeUndefined();
  store.setPosition('f:T', 1_795_267_461_790_001);
  store.setPosition('f:T', 1_795_267_461_790_002);
  store.addLetter(letter('1'));
  store.close();
  const again = await open();
  expect(again.position('f:T')).toBe(1_795_267_461_790_002);
  expect(again.letter('1')).toEqual(letter('1'));
  expect(again.letter('2')).toBeUndefined();
  expect(statSync(join(dir, 'flows.db')).mode & 0o777).toBe(0o600);
});

test('letters are listed with the newest first, page by page, of one flow or all', async () => {
  const store = await open();
  for (const id of ['1', '2', '3', '4']) store.addLetter(letter(id, { flow: id === '3' ? 'g' : 'f' }));
  const ids = (query: Parameters<FlowStore['letters']>[0]) => store.letters(query).map(({ id }) => id);
  expect(ids({ limit: 10 })).toEqual(['4', '3', '2', '1']);
  expect(ids({ limit: 2 })).toEqual(['4', '3']);
  expect(ids({ limit: 2, before: '3' })).toEqual(['2', '1']);
  expect(ids({ limit: 10, flow: 'f' })).toEqual(['4', '2', '1']);
  expect([...store.countLetters()].toSorted()).toEqual([
    ['f', 3],
    ['g', 1],
  ]);
});

test('an event that comes again takes the place of its letter', async () => {
  const store = await open();
  store.addLetter(letter('1', { key: 'k' }));
  store.addLetter(letter('2', { key: 'k', error: 'still no' }));
  store.addLetter(letter('3', { key: 'k', flow: 'g' }));
  expect(store.letters({ limit: 9 }).map(({ id }) => id)).toEqual(['3', '2']);
  store.updateLetter('2', { error: 'worse', attempts: 7, done: [] });
  expect(store.letter('2')).toMatchObject({ error: 'worse', attempts: 7, done: [] });
  expect([store.removeLetter('2'), store.removeLetter('2')]).toEqual([true, false]);
});

test('a file of the version before is taken with its letters', async () => {
  const db = new Database(join(dir, 'flows.db'));
  db.exec(`CREATE TABLE tablecast_flows (version INTEGER NOT NULL) STRICT;
    INSERT INTO tablecast_flows VALUES (1);
    CREATE TABLE positions (name TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE letters (
      id TEXT PRIMARY KEY, flow TEXT NOT NULL, key TEXT NOT NULL, input TEXT NOT NULL, identity TEXT NOT NULL,
      error TEXT NOT NULL, attempts INTEGER NOT NULL, done TEXT NOT NULL, created INTEGER NOT NULL, UNIQUE (flow, key)
    ) STRICT;
    CREATE INDEX letters_created ON letters (created);
    INSERT INTO letters VALUES ('1', 'f', 'key-1', '{"n":1}', '{"type":"server"}', 'no', 1, '["0 a"]', 1000);
    INSERT INTO positions VALUES ('f:T', 7)`);
  db.close();
  const store = await open();
  store.addLetter(letter('2', { notes: '{"sent":[]}' }));
  expect(store.position('f:T')).toBe(7);
  store.close();
  const again = await open();
  expect(again.letters({ limit: 9 })).toEqual([letter('2', { notes: '{"sent":[]}' }), letter('1')]);
});

test('requests are known by their keys until their time has come, also after it was closed', async () => {
  const store = await open();
  for (const [index, key] of ['a', 'b', 'c', 'd'].entries())
    store.keepRequest(key, `digest of ${key}`, 1000 * (index + 1));
  store.removeRequest('b');
  store.close();
  const again = await open();
  const known = (now: number) => ['a', 'b', 'c', 'd'].map((key) => again.requestDigest(key, now) ?? null);
  expect(known(0)).toEqual(['digest of a', null, 'digest of c', 'digest of d']);
  expect(known(3000)).toEqual([null, null, null, 'digest of d']);
  expect(again.trimRequests(1000, 1)).toBe(2);
  expect(known(0)).toEqual([null, null, null, 'digest of d']);
  again.keepRequest('d', 'another', 9000);
  expect(again.requestDigest('d', 8999)).toBe('another');
});

test('the old and the many are removed, the oldest first', async () => {
  const store = await open();
  for (const id of ['1', '2', '3', '4', '5']) store.addLetter(letter(id, { created: Number(id) * 1000 }));
  expect(store.trimLetters(2500, 2)).toBe(3);
  expect(store.letters({ limit: 9 }).map(({ id }) => id)).toEqual(['5', '4']);
  expect(store.trimLetters(2500, 2)).toBe(0);
});

test('while another process writes, it says so', async () => {
  const store = await open(10);
  const other = new Database(join(dir, 'flows.db'));
  other.exec('BEGIN IMMEDIATE');
  expect(() => store.setPosition('a', 1)).toThrow(expect.objectContaining({ code: 'STORAGE_BUSY' }));
  expect(() => store.addLetter(letter('1'))).toThrow(expect.objectContaining({ code: 'STORAGE_BUSY' }));
  other.close();
  store.addLetter(letter('1'));
});

test('a file that is none of ours is left as it is', async () => {
  const file = join(dir, 'flows.db');
  writeFileSync(file, 'no database at all, and long enough to look like one');
  await expect(open()).rejects.toThrow(/is damaged, or no database\. It was left as it is\. Move it away/);
  rmSync(file);
  const foreign = new Database(file);
  foreign.exec('CREATE TABLE other (a INTEGER)');
  foreign.close();
  await expect(open()).rejects.toThrow('is a database of another program');
  rmSync(file);
  (await open()).close();
  const newer = new Database(file);
  newer.exec('UPDATE tablecast_flows SET version = 99');
  newer.close();
  await expect(open()).rejects.toThrow('newer version');
});
