import { expect, test } from 'vitest';
import type { AuditPage } from '../../../src/store/audit.ts';
import { insert, type OpenStore, onlyTable, StoreFolder } from '../stores.ts';

const SDL = 'type T @table @audit { id: ID! @primaryKey pin: String @hidden }';

function page(open: OpenStore, before?: number): AuditPage {
  return open.store.audit?.page({ limit: 100, ...(before === undefined ? {} : { before }) }) as AuditPage;
}

test('the audit log keeps nothing of hidden values in the file', () => {
  const folder = new StoreFolder();
  const open = folder.open(SDL);
  insert(open, ['a', 's3cret']);
  open.store.commit([[{ type: 'delete', table: onlyTable(open), id: 'a' }]]);
  expect(page(open).entries).toHaveLength(2);
  expect(JSON.stringify(folder.query('SELECT * FROM tablecast_audit'))).not.toContain('s3cret');
});

test('the audit log takes no room in the file before the first @audit', () => {
  const folder = new StoreFolder();
  insert(folder.open(SDL.replace('@audit', '')), ['a', null]);
  expect(folder.query("SELECT name FROM sqlite_master WHERE name LIKE 'tablecast_audit%'")).toEqual([]);
});

test('a page of the audit log has no more megabytes than it must', () => {
  const open = new StoreFolder().open('type T @table @audit { id: ID! @primaryKey s: String }');
  for (const id of ['a', 'b', 'c', 'd']) insert(open, [id, 'x'.repeat(1_500_000)]);
  const first = page(open);
  const second = page(open, first.next);
  expect([first, second].map(({ entries }) => entries.map(({ id }) => id).join(''))).toEqual(['dcb', 'a']);
  expect(second.next).toBeUndefined();
});
