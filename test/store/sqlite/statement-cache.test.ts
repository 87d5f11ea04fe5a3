import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { StatementCache } from '../../../src/store/sqlite/database/statement-cache.ts';

function cache(): StatementCache {
  const db = new Database(':memory:');
  onTestFinished(() => void db.close());
  return new StatementCache(db);
}

test('a statement is prepared once and returns the first column of each row', () => {
  const statements = cache();
  const first = statements.get('SELECT 1, ?');
  expect(statements.get('SELECT 1, ?')).toBe(first);
  expect(first.all('x')).toEqual([1]);
});

test('the least recently used statement is removed, and the others stay', () => {
  const statements = cache();
  const all = Array.from({ length: 500 }, (_, n) => statements.get(`SELECT ${n}`));
  expect(statements.get('SELECT 0')).toBe(all[0]);
  statements.get('SELECT 500');
  expect(statements.get('SELECT 0')).toBe(all[0]);
  expect(statements.get('SELECT 2')).toBe(all[2]);
  expect(statements.get('SELECT 1')).not.toBe(all[1]);
});

test('statements have the result form of the option', () => {
  const db = new Database(':memory:');
  onTestFinished(() => void db.close());
  const statements = new StatementCache(db, (statement) => statement.raw().safeIntegers());
  expect(statements.get('SELECT 1, ?').get('x')).toEqual([1n, 'x']);
});

test('a text that is no statement leaves nothing behind', () => {
  const statements = cache();
  expect(() => statements.get('SELECT')).toThrow('incomplete input');
  expect(statements.get('SELECT 1').get()).toEqual(1);
});
