import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { StatementCache } from '../../src/store/statement-cache.ts';

const PLAIN = { bigIntegers: false };

function cache(): StatementCache {
  const db = new Database(':memory:');
  onTestFinished(() => void db.close());
  return new StatementCache(db);
}

test('a statement is prepared once and gives rows as arrays', () => {
  const statements = cache();
  const first = statements.get('SELECT 1, ?', PLAIN);
  expect(statements.get('SELECT 1, ?', PLAIN)).toBe(first);
  expect(first.all('x')).toEqual([[1, 'x']]);
  expect(statements.get('SELECT 9007199254740993', { bigIntegers: true }).get()).toEqual([9007199254740993n]);
});

test('the statement that was not used for longest is thrown away, and the others stay', () => {
  const statements = cache();
  const all = Array.from({ length: 500 }, (_, n) => statements.get(`SELECT ${n}`, PLAIN));
  expect(statements.get('SELECT 0', PLAIN)).toBe(all[0]);
  statements.get('SELECT 500', PLAIN);
  expect(statements.get('SELECT 0', PLAIN)).toBe(all[0]);
  expect(statements.get('SELECT 2', PLAIN)).toBe(all[2]);
  expect(statements.get('SELECT 1', PLAIN)).not.toBe(all[1]);
});

test('a text that is no statement leaves nothing behind', () => {
  const statements = cache();
  expect(() => statements.get('SELECT', PLAIN)).toThrow('incomplete input');
  expect(statements.get('SELECT 1', PLAIN).get()).toEqual([1]);
});
