import { spawn } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeApp, runToExit, startServer } from '../support/app.ts';
import { runAtTerminal } from '../support/cli.ts';

const typed = (fields: string, name = 'Card', directives = '') =>
  `type ${name} @table @audit @export ${directives} { id: ID! @primaryKey ${fields} }`;

/** A folder with records that were stored with the schema. */
async function stored(schema: string, records: readonly object[]): Promise<string> {
  const { dir, root } = await makeApp({ schema });
  onTestFinished(() => rm(root ?? dir, { recursive: true, force: true }));
  const server = await startServer({ dir });
  for (const record of records) expect((await server.ask('POST', 'Card', { json: record })).status).toBe(201);
  await server.stop();
  return dir;
}

function cellsOf(dir: string, sql: string): unknown[] {
  const db = new Database(join(dir, 'data', 'data.db'), { readonly: true });
  try {
    return db.prepare(sql).raw().all();
  } finally {
    db.close();
  }
}

const setSchema = (dir: string, schema: string) => writeFile(join(dir, 'schema.graphql'), schema);

describe('tablecast migrate plan', () => {
  test('says what the next start does, with an exit code for each kind of plan', async () => {
    const dir = await stored(typed('title: String n: Int'), [{ id: 'c1', title: 'One', n: 1 }]);
    expect(await runToExit(['migrate', 'plan', dir])).toMatchObject({
      code: 0,
      stdout: 'my-app: nothing to do. The schema is as stored.\n',
    });

    await setSchema(dir, typed('name: String @renamedFrom(name: "title") n: Long'));
    const kept = await runToExit(['migrate', 'plan', dir]);
    expect(kept).toMatchObject({ code: 3, stderr: '' });
    expect(kept.stdout).toBe(
      [
        'my-app: 2 steps',
        '  rename column data.Card.title to name',
        '  change the type of data.Card.n from Int to Long: every stored value fits',
        '',
        'No value is lost. The next start makes these steps, or: tablecast migrate apply\n',
      ].join('\n'),
    );

    await setSchema(dir, typed('n: Int'));
    const losing = await runToExit(['migrate', 'plan', dir]);
    expect(losing.code).toBe(4);
    expect(losing.stdout).toContain(
      '  drop column data.Card.title with its values (Card.title)\n    LOSES DATA: 1 record',
    );
    expect(losing.stdout).toContain('tablecast migrate apply --allow-destructive Card.title');

    await setSchema(dir, typed('title: String n: Int need: Int!'));
    const impossible = await runToExit(['migrate', 'plan', dir, '--json']);
    expect(impossible.code).toBe(1);
    expect(JSON.parse(impossible.stdout)).toEqual({
      apps: [
        {
          app: 'my-app',
          stored: true,
          pending: true,
          impossible: true,
          losing: [],
          steps: [
            {
              type: 'add-required-column',
              name: 'Card.need',
              sentence: expect.stringContaining('add required column data.Card.need'),
              effect: 'impossible',
              records: 1,
              found: '1 record ("c1")',
              advice: expect.stringContaining('@default'),
            },
          ],
        },
      ],
    });
    expect(cellsOf(dir, 'SELECT * FROM "data/Card"')).toMatchObject([['c1', 'One', 1, expect.any(Number)]]);
  });

  test('works while the server runs, and before the first start', async () => {
    const { dir, root } = await makeApp({ schema: typed('') });
    onTestFinished(() => rm(root ?? dir, { recursive: true, force: true }));
    expect((await runToExit(['migrate', 'plan', dir])).stdout).toContain('nothing is stored yet');
    const server = await startServer({ dir });
    await setSchema(dir, typed('n: Int'));
    expect((await runToExit(['migrate', 'plan', dir])).code).toBe(3);
    const { code, stderr } = await runToExit(['migrate', 'apply', dir]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('is in use by process')]);
    await server.stop();
  });
});

describe('tablecast migrate apply', () => {
  test('makes what loses nothing, and the rest by name', async () => {
    const dir = await stored(typed('title: String n: Int'), [{ id: 'c1', title: 'One', n: 1 }]);
    await setSchema(dir, typed('m: Int @renamedFrom(name: "n")'));
    const refused = await runToExit(['migrate', 'apply', dir]);
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toContain('tablecast migrate apply --allow-destructive Card.title');
    const wrong = await runToExit(['migrate', 'apply', dir, '--allow-destructive', 'Card.titel']);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('did you mean "Card.title"?')]);

    const done = await runToExit(['migrate', 'apply', dir, '--allow-destructive', 'Card.title']);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toBe(
      'my-app: rename column data.Card.n to m\nmy-app: drop column data.Card.title with its values\nDone.\n',
    );
    expect(cellsOf(dir, 'SELECT id, m FROM "data/Card"')).toEqual([['c1', 1]]);
    expect((await runToExit(['migrate', 'apply', dir])).stdout).toBe('Nothing to do. The schema is as stored.\n');
  });

  test('asks for each step at a terminal, and changes nothing after a no', async () => {
    const dir = await stored(typed('a: String b: String'), [{ id: 'c1', a: 'A', b: 'B' }]);
    await setSchema(dir, typed(''));
    const no = await runAtTerminal(
      ['migrate', 'apply', dir],
      [
        ['(y/N)', 'y\n'],
        ['(y/N)', 'n\n'],
      ],
    );
    expect([no.code, no.stdout]).toEqual([1, expect.stringContaining('Nothing was changed.')]);
    expect(cellsOf(dir, 'SELECT a, b FROM "data/Card"')).toEqual([['A', 'B']]);
    const yes = await runAtTerminal(
      ['migrate', 'apply', dir],
      [
        ['(y/N)', 'y\n'],
        ['(y/N)', 'y\n'],
      ],
    );
    expect([yes.code, yes.stdout]).toEqual([0, expect.stringContaining('Done.')]);
    expect(cellsOf(dir, "SELECT count(*) FROM pragma_table_info('data/Card')")).toEqual([[2]]);
  });
});

/** Kills the process before the statement with this number that changes a database. */
const KILLER = `
import { createRequire } from 'node:module';
const Database = createRequire(process.env.TABLECAST_ROOT + '/')('better-sqlite3');
let left = Number(process.env.KILL_AT);
const step = () => {
  if (left-- === 0) process.kill(process.pid, 'SIGKILL');
};
const { exec } = Database.prototype;
Database.prototype.exec = function (sql) {
  step();
  return exec.call(this, sql);
};
const statement = Object.getPrototypeOf(new Database(':memory:').prepare('SELECT 1'));
const { run } = statement;
statement.run = function (...values) {
  step();
  return run.apply(this, values);
};
`;

test('killed before any statement of a migration, the store is the old or the new', { timeout: 300_000 }, async () => {
  const before = 'title: String @indexed(type: "fulltext") mail: String @unique state: String';
  const origin = await stored(typed(before), [
    { id: 'c1', title: 'red words', mail: 'a@x', state: 'open' },
    { id: 'c2', title: 'blue words', mail: 'b@x', state: null },
  ]);
  const after = typed(
    'name: String @indexed(type: "fulltext") @renamedFrom(name: "title") mail: String @unique state: [String!]',
    'Task',
    '@renamedFrom(name: "Card")',
  );
  await setSchema(origin, after);
  const root = await mkdtemp(join(tmpdir(), 'tablecast-kill-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const killer = join(root, 'killer.mjs');
  await writeFile(killer, KILLER);
  const project = join(import.meta.dirname, '../..');
  const seen = new Set<string>();
  let killed = 0;
  for (let at = 0; ; at += 2) {
    const dir = join(root, `app-${at}`);
    await cp(origin, dir, { recursive: true });
    const env = { ...process.env, KILL_AT: String(at), TABLECAST_ROOT: project };
    const child = spawn(process.execPath, ['--import', killer, join(project, 'dist/cli.js'), 'migrate', 'apply', dir], {
      env,
      stdio: 'ignore',
    });
    const [code] = await new Promise<[number | null]>((done) => child.once('exit', (exit) => done([exit])));
    if (code === 0) break;
    killed++;
    const tables = cellsOf(
      dir,
      `SELECT name FROM sqlite_master WHERE name LIKE 'data/%' AND name NOT LIKE '%:words\\_%' ESCAPE '\\' ORDER BY name`,
    );
    seen.add(JSON.stringify(tables));
    expect(cellsOf(dir, 'PRAGMA integrity_check')).toEqual([['ok']]);
    expect(await runToExit(['migrate', 'apply', dir])).toMatchObject({ code: 0 });
    expect(cellsOf(dir, 'SELECT id, name, mail, state FROM "data/Task" ORDER BY id')).toEqual([
      ['c1', 'red words', 'a@x', '["open"]'],
      ['c2', 'blue words', 'b@x', null],
    ]);
    await rm(dir, { recursive: true });
  }
  expect(killed).toBeGreaterThan(8);
  expect([...seen].every((one) => one.includes('data/Card') !== one.includes('data/Task'))).toBe(true);
});
