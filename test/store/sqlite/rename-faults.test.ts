import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, vi } from 'vitest';
import { sqliteEngine } from '../../../src/store/sqlite/engine.ts';
import { type Fault, faultsSuite } from '../../suites/migration/faults.ts';
import { fileContents } from '../stores.ts';

class StatementError extends Error {}

/** Makes the statement with this number fail that changes the database. */
function failAt(number: number): Fault {
  let count = 0;
  const step = (run: () => unknown) => {
    if (count++ === number) throw new StatementError();
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
    isDone: () => count > number,
    end: () => {
      for (const spy of spies) spy.mockRestore();
    },
  };
}

describe('the embedded engine', () => {
  faultsSuite({
    engine: sqliteEngine,
    contents: async (dir) => fileContents(join(dir, 'data.db')),
    faultAt: failAt,
    isCaused: (error) => error instanceof StatementError,
    beginsAnew: true,
  });
});
