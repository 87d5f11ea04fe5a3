import { cpSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test, vi } from 'vitest';
import type { StoredContents } from '../../suites/migration/harness.ts';
import { insert, StoreFolder } from '../stores.ts';

const BEFORE = `enum S { A b }
  type Card @table(expiration: "900d") @audit @compositeIndex(fields: ["n", "s"]) {
    id: ID! @primaryKey title: String @indexed(type: "fulltext") mail: String @unique n: Int @indexed s: S }`;
/** Renames in place. */
const MOVED = `enum S { A b }
  type Task @table(expiration: "900d") @audit @renamedFrom(name: "Card") @compositeIndex(fields: ["count", "s"]) {
    id: ID! @primaryKey name: String @indexed(type: "fulltext") @renamedFrom(name: "title")
    mail: String @unique count: Int @indexed @renamedFrom(name: "n") s: S more: Int }`;
/** Copies the records: values change their names and types. */
const REBUILT = MOVED.replace('A b', 'a @renamedFrom(name: "A") b').replace('count: Int', 'count: Long');

function fill(): string {
  const folder = new StoreFolder();
  insert(folder.open(BEFORE), ['c1', 'One', 'a@x', 1, 'A'], ['c2', 'Two', 'b@x', 2, 'b']);
  const once = { key: JSON.stringify(['anonymous', 'Card', 'http', 'k']), hash: 'h' };
  const open = folder.open(BEFORE);
  const [table] = open.plan.tables;
  if (table === undefined) throw new Error('no table');
  open.store.commit([{ once, writes: [{ type: 'delete', table, id: 'c2' }] }]);
  folder.close();
  const copy = mkdtempSync(join(tmpdir(), 'tablecast-store-'));
  cpSync(folder.dir, copy, { recursive: true });
  return copy;
}

class Fault extends Error {}

/** Makes the statement with this number fail that changes the database; returns how many there were before it. */
function failAt(number: number): { readonly count: () => number; readonly end: () => void } {
  let count = 0;
  const step = (run: () => unknown) => {
    if (count === number) throw new Fault();
    count++;
    return run();
  };
  const sample = new Database(':memory:');
  const statement = Object.getPrototypeOf(sample.prepare('SELECT 1')) as Database.Statement;
  sample.close();
  const { exec } = Database.prototype;
  const { run } = statement;
  const spies = [
    vi.spyOn(Database.prototype, 'exec').mockImplementation(function (this: Database.Database, sql) {
      return step(() => exec.call(this, sql)) as Database.Database;
    }),
    vi.spyOn(statement, 'run').mockImplementation(function (this: Database.Statement, ...values: unknown[]) {
      return step(() => run.apply(this, values)) as Database.RunResult;
    }),
  ];
  return {
    count: () => count,
    end: () => {
      for (const spy of spies) spy.mockRestore();
    },
  };
}

test.each([
  ['renames in place', MOVED],
  ['copies the records', REBUILT],
])('a fault at any statement of a migration that %s leaves the old or the new', { timeout: 120_000 }, (_, sdl) => {
  const origin = fill();
  const copy = () => {
    const dir = mkdtempSync(join(tmpdir(), 'tablecast-store-'));
    cpSync(origin, dir, { recursive: true });
    return new StoreFolder(dir);
  };
  const old = copy().contents();
  const finished = copy();
  finished.open(sdl);
  const names = (contents: StoredContents) => (contents.objects as { name: string }[]).map(({ name }) => name);
  const now = names(finished.contents());
  let failed = 0;
  for (let number = 0; ; number++) {
    const folder = copy();
    const fault = failAt(number);
    let isDone = false;
    try {
      folder.open(sdl);
      isDone = true;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
    } finally {
      fault.end();
    }
    if (isDone) break;
    failed++;
    const contents = folder.contents();
    // After the transaction there are statements that only prepare the store for work.
    if (names(contents).includes('data/Card')) expect(contents).toEqual(old);
    else expect(names(contents)).toEqual(now);
    const { store, plan } = folder.open(sdl);
    const [table] = plan.tables;
    if (table === undefined) throw new Error('no table');
    expect(store.page(table, undefined, 9).map(({ json }) => JSON.parse(json))).toMatchObject([
      { id: 'c1', name: 'One', mail: 'a@x', count: 1 },
    ]);
    expect(store.isStored({ key: JSON.stringify(['anonymous', 'Task', 'http', 'k']), hash: 'h' })).toBe(true);
    folder.close();
  }
  expect(failed).toBeGreaterThan(15);
});
