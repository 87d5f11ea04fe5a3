import { describe, expect, test } from 'vitest';
import { PgSession } from '../../../src/store/postgres/database/session.ts';
import { reason, TEST_URL, unreachable } from '../../support/postgres/server.ts';

async function connect(): Promise<PgSession & AsyncDisposable> {
  const session = await PgSession.connect({ url: TEST_URL, schema: 'public', pool: 1 });
  return Object.assign(session, { [Symbol.asyncDispose]: () => session.close() });
}

describe.skipIf(unreachable !== undefined)(`statements that are sent together${reason}`, () => {
  test('are executed in order, each with its own answer', async () => {
    await using session = await connect();
    const answers = await session.burst([
      { sql: 'CREATE TEMP TABLE t (n int, s text)', params: [] },
      { sql: 'INSERT INTO t SELECT n, $2 FROM unnest($1::int[]) AS u(n)', params: ['{1,2}', 'ä'] },
      { sql: 'SELECT n, s, NULL, n > 1 FROM t ORDER BY n', params: [] },
      { sql: 'DELETE FROM t WHERE n > $1', params: [7] },
    ]);
    const row = ['ä', null];
    expect(answers).toEqual([
      { rows: [], count: 0, command: 'CREATE' },
      { rows: [], count: 2, command: 'INSERT' },
      {
        rows: [
          [1, ...row, 0],
          [2, ...row, 1],
        ],
        count: 2,
        command: 'SELECT',
      },
      { rows: [], count: 0, command: 'DELETE' },
    ]);
  });

  test('end with the first that fails, and can be sent again, also where some were prepared with them', async () => {
    await using session = await connect();
    await session.send('CREATE TEMP TABLE t (n int PRIMARY KEY)');
    const add = (n: number) => ({ sql: 'INSERT INTO t VALUES ($1)', params: [n] });
    const count = { sql: 'SELECT count(*) FROM t', params: [] };
    const twice = { sql: 'SELECT 2 * count(*) FROM t', params: [] };
    await session.burst([add(0), count]);
    for (let round = 1; round <= 4; round++) {
      await session.run({ sql: 'BEGIN', params: [] });
      await expect(session.burst([count, add(round), add(0), twice])).rejects.toMatchObject({ code: '23505' });
      expect((await session.send('COMMIT')).command).toBe('ROLLBACK');
    }
    const answers = await session.burst([twice, add(1), count, twice]);
    expect(answers.map(({ rows }) => rows)).toEqual([[[2]], [], [[2]], [[4]]]);
    const { rows } = await session.send('SELECT count(*) FROM pg_prepared_statements WHERE statement <> $1', ['']);
    expect(rows).toEqual([[5]]);
  });

  test('that were sent before the answer to a failed one are answered', async () => {
    await using session = await connect();
    const sent = [
      session.send('SELECT 1 / $1::int', [0]),
      session.send('SELECT 1 / $1::int', [1]),
      session.send('SELECT 3'),
    ];
    const answers = await Promise.allSettled(sent);
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(session.pending).toBe(0);
  });
});
