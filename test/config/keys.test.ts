import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CONFIG_KEYS } from '../../src/config/keys/keys.ts';
import { formatKeyTable } from '../support/key-table.ts';

test('every default is a valid value of its key', () => {
  const written = CONFIG_KEYS.filter(({ key }) => key.default !== undefined);
  const refused = written.filter(({ key }) => 'message' in key.read(key.default));
  expect(refused.map(({ path }) => path)).toEqual([]);
});

test('every key is in snake_case, unique and has a description', () => {
  const paths = CONFIG_KEYS.map(({ path }) => path);
  expect(paths.filter((path) => !/^[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*){0,2}$/.test(path))).toEqual([]);
  expect(new Set(paths).size).toBe(paths.length);
  expect(CONFIG_KEYS.filter(({ key }) => key.what.length < 10)).toEqual([]);
});

test('the tables in docs/reference/configuration.md are made from the keys', () => {
  const docs = readFileSync(new URL('../../docs/reference/configuration.md', import.meta.url), 'utf8');
  const tables = docs.match(/(^\|.*\n)+/gm)?.map((table) => table.trim());
  expect(tables).toEqual([formatKeyTable('app'), formatKeyTable('server')]);
});
