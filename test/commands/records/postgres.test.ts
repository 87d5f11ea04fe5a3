import { randomBytes } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../../support/app.ts';
import { reason, runSql, TEST_URL, unreachable } from '../../support/postgres/server.ts';
import { WsClient } from '../../support/ws-client.ts';
import { DataFolder, recordsOf, toLines } from './harness.ts';

const apps: string[] = [];
afterAll(async () => {
  for (const app of apps) await runSql(`DROP SCHEMA IF EXISTS "tablecast_${app}" CASCADE`);
});

const SCHEMA = `
  enum State { open done }
  type Part { sku: String! count: Int }
  type Board @table @export { id: Int! @primaryKey name: String }
  type Task @table @export {
    id: ID! @primaryKey
    title: String!
    state: State
    l: Long
    f: Float
    b: Boolean
    d: Date
    j: JSON
    tags: [String]
    part: Part
    secret: String @hidden
    boardId: Int
    board: Board @relationship(from: "boardId")
    made: Date @createdTime
  }`;

/** An application that is stored in a schema of its own in the test database. */
async function makeFolder(schema = SCHEMA): Promise<DataFolder & { readonly app: string }> {
  const app = `records-${randomBytes(5).toString('hex')}`;
  apps.push(app);
  const config = `${BASE_CONFIG}app_id: ${app}\nstore: ${TEST_URL}\n`;
  return Object.assign(await DataFolder.make(schema, config), { app });
}

const BOARDS = [
  { id: -5, name: 'é 😀 ' },
  { id: 3, name: null },
];
const TASKS = [
  {
    id: 'a',
    title: 'a "b", c\nd',
    state: 'done',
    l: '9223372036854775807',
    f: 1e-7,
    b: false,
    d: '2026-01-02T03:04:05.678Z',
    j: { deep: [null, { n: 1.5 }] },
    tags: ['x', null, ''],
    part: { sku: '7', count: null },
    secret: 'hidden',
    boardId: -5,
    made: '2020-01-01T00:00:00.000Z',
  },
  { id: 'b', title: '=1+1', state: null, boardId: 3, made: '2020-01-01T00:00:00.000Z' },
];

describe.skipIf(unreachable !== undefined)(`records on PostgreSQL${reason}`, { timeout: 120_000 }, () => {
  test('come back byte by byte from an export, in each format', async () => {
    const folder = await makeFolder();
    await folder.write('in/Board.ndjson', toLines(BOARDS));
    await folder.write('in/Task.ndjson', toLines(TASKS));
    expect(await folder.run('import', folder.path('in'), folder.dir)).toMatchObject({ code: 0, stderr: '' });
    const exported = async () => (await folder.run('export', folder.dir, '--table', 'Task')).stdout;
    const before = recordsOf(await exported());
    expect(before).toContain('"secret":"hidden"');
    for (const format of ['ndjson', 'csv', 'json']) {
      const out = folder.path(format);
      expect((await folder.run('export', folder.dir, '--all', '--format', format, '--out', out)).code).toBe(0);
      await runSql(`DROP SCHEMA "tablecast_${folder.app}" CASCADE`);
      expect(await folder.run('import', out, folder.dir)).toMatchObject({ code: 0, stderr: '' });
      expect(recordsOf(await exported())).toBe(before);
      const again = await folder.run('import', out, folder.dir);
      expect(again.stdout).toContain('Task: 2 records: 0 created, 0 updated, 2 unchanged');
    }
  });

  test('are seeded through a running server, once', async () => {
    const folder = await makeFolder();
    await folder.write('seed/Board.json', JSON.stringify(BOARDS));
    await using server = await startServer({ dir: folder.dir });
    const at = (path: string) => `${server.origin}/${folder.app}/${path}`;
    using client = await WsClient.subscribe(at('Board').replace('http', 'ws'));
    expect(await folder.run('seed', folder.dir)).toMatchObject({ code: 0, stderr: '' });
    expect(await client.changes.next(() => true)).toMatchObject({ data: BOARDS[0] });
    const position = async () => (await fetch(at('Board'))).headers.get('x-position');
    const before = await position();
    const second = await folder.run('seed', folder.dir);
    expect(second.stdout).toContain('Board: 2 records: 0 created, 0 updated, 2 unchanged');
    expect(await position()).toBe(before);
  });

  test('are generated, the same for the same number, and removed by --reset', async () => {
    const folder = await makeFolder();
    const generate = (...more: string[]) => folder.run('seed', folder.dir, '--generate', '300', ...more);
    expect(await generate()).toMatchObject({ code: 0, stderr: '' });
    expect((await generate()).stdout).toContain('Task: 300 records: 0 created, 0 updated, 300 unchanged');
    expect((await generate('--reset', '--random-seed', '2')).stdout).toContain('Task: 300 records removed');
    const [{ count } = {}] = await runSql(`SELECT count(*)::int FROM "tablecast_${folder.app}"."data/task"`);
    expect(count).toBe(300);
  });

  test('are exported as they were at an earlier position', async () => {
    const folder = await makeFolder();
    const file = await folder.write('Board.ndjson', toLines(BOARDS));
    await folder.run('import', file, folder.dir);
    const first = (await folder.run('export', folder.dir, '--table', 'Board')).stdout;
    const { $export } = JSON.parse(first.slice(0, first.indexOf('\n')));
    const changed = await folder.write('changed/Board.ndjson', toLines([{ id: 3, name: 'new' }, { id: 4 }]));
    await folder.run('import', changed, folder.dir, '--mode', 'upsert');
    const past = await folder.run('export', folder.dir, '--table', 'Board', '--at', String($export.position));
    expect(past.stdout).toBe(first);
  });

  test('are refused with a reason, and --dry-run writes nothing', async () => {
    const folder = await makeFolder();
    const file = await folder.write('Board.ndjson', toLines([...BOARDS, { id: 'x' }]));
    const tried = await folder.run('import', file, folder.dir, '--dry-run', '--on-error', 'skip');
    expect([tried.code, JSON.parse(tried.stderr)]).toMatchObject([1, { table: 'Board', row: 3 }]);
    expect(await runSql(`SELECT id FROM "tablecast_${folder.app}"."data/board"`)).toEqual([]);
  });

  test('are backed up by the tools of PostgreSQL, which the commands name', async () => {
    const folder = await makeFolder();
    for (const args of [
      ['backup', folder.dir],
      ['restore', 'x.backup', folder.dir],
    ]) {
      expect(await folder.run(...args)).toMatchObject({ code: 1, stderr: expect.stringContaining('pg_dump') });
    }
  });
});
