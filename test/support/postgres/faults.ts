import { vi } from 'vitest';
import { PgSession } from '../../../src/store/postgres/database/session.ts';
import type { Fault } from '../../suites/migration/faults.ts';
import { runSql } from './server.ts';

/** Ends the connection at the statement with this number, counted from now on: the server's process is gone before it. */
export function endSessionAt(number: number): Fault {
  let count = 0;
  const step = async <T>(session: PgSession, run: () => Promise<T>): Promise<T> => {
    if (count++ === number) await runSql('SELECT pg_terminate_backend($1)', [session.processId]);
    return run();
  };
  const { send, script } = PgSession.prototype;
  const spies = [
    vi.spyOn(PgSession.prototype, 'send').mockImplementation(function (this: PgSession, ...args) {
      return step(this, () => send.apply(this, args));
    }),
    vi.spyOn(PgSession.prototype, 'script').mockImplementation(function (this: PgSession, ...args) {
      return step(this, () => script.apply(this, args));
    }),
  ];
  return {
    isDone: () => count > number,
    end: () => {
      for (const spy of spies) spy.mockRestore();
    },
  };
}
