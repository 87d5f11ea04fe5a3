import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { makeApp, runToExit, startServer } from '../support/app.ts';
import { runAtTerminal } from '../support/cli.ts';
import { freePort } from '../support/free-port.ts';
import { ask } from '../support/http.ts';
import { until } from '../support/wait.ts';

const PROJECT = join(import.meta.dirname, '../..');
const CLI = join(PROJECT, 'dist/cli.js');
const schemaWith = (fields: string) =>
  `type Message @table @export {\n  id: ID! @primaryKey\n  title: String!\n${fields}}\n`;

describe('tablecast', () => {
  test.each([
    [['chekc'], 'did you mean "check"?'],
    [['start', '--prot', '1'], '--port'],
    [['check', 'a', 'b'], ''],
  ])('%j is a mistake in the call: exit code 2', async (args, hint) => {
    const { code, stderr, stdout } = await runToExit(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(hint);
  });

  test('help and version go to stdout', async () => {
    const help = await runToExit(['--help']);
    expect(help.code).toBe(0);
    for (const command of ['init', 'start', 'dev', 'check', 'user add']) {
      expect(help.stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    }
    // Without a command it is the same.
    expect(await runToExit([])).toEqual(help);
    expect(await runToExit(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });
});

describe('the help of a command', () => {
  test.each([
    [['start', '--help'], 'Usage: tablecast start [dir] [options]', '--port <number>', '--role'],
    [['start', 'my-app', '-h'], 'Usage: tablecast start [dir] [options]', '--port <number>', '--role'],
    [['help', 'user', 'add'], 'Usage: tablecast user add <name> [dir] [options]', '--role <name>', '--port'],
    [['user', 'add', '--help'], 'Usage: tablecast user add <name> [dir] [options]', '--role <name>', '--port'],
    [['key', '--help'], 'Usage: tablecast key create <name> [dir] [options]', 'tablecast key revoke', '--port'],
    [['check', '--help'], 'Usage: tablecast check [dir] [options]\n', 'Examples:\n  tablecast check\n', '--port'],
  ])('%j has its usage, its options and examples, and no others', async (args, usage, part, other) => {
    const { code, stdout, stderr } = await runToExit(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(usage);
    expect(stdout).toContain(part);
    expect(stdout).not.toContain(other);
  });

  test.each([
    [['help', 'strat'], 'unknown command "strat"; did you mean "start"?'],
    [['user', 'ad', 'ada'], 'unknown command "user ad"; did you mean "user add"?'],
    [['key', 'x'], 'unknown command "key x"; the commands are key create, key revoke, key list'],
    [['user'], 'user needs one of add, passwd, role, disable, enable, list'],
    [['help', 'start', 'check'], 'help explains one command, and "start check" is more'],
    [['--hlep'], 'unknown option "--hlep"; did you mean "--help"?'],
  ])('%j is an error with the name that was probably meant', async (args, message) => {
    expect(await runToExit(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) });
  });

  test('an error in the arguments points to it', async () => {
    const { stderr } = await runToExit(['start', '--prot', '1']);
    expect(stderr).toBe('tablecast: unknown option "--prot"; did you mean "--port"?\nSee: tablecast start --help\n');
  });
});

describe('tablecast check', () => {
  test('--as lists what a caller may do, and why', async () => {
    const schema = `type Message @table @export @access(read: "ownerId==$auth.sub", create: "editor") {
      id: ID! @primaryKey\n ownerId: ID @default(value: "$auth.sub")\n}`;
    const { dir } = await makeApp({ schema });
    const { code, stdout } = await runToExit(['check', '--as', 'sub=u1,roles=editor', dir]);
    expect(code).toBe(0);
    expect(stdout).toContain('as sub=u1,roles=editor: yes, some (of the records) or no, and the rule\n');
    expect(stdout).toContain(
      '\nMessage\n  read      some  records with ownerId==$auth.sub\n  create    yes   editor\n',
    );
    expect(await runToExit(['check', '--as', 'u1', dir])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--as "u1" is not a claim: write sub=u1,roles=editor, or anonymous'),
    });
  });

  test('prints tables, URLs, channels and who may do what', async () => {
    const { dir, root } = await makeApp({ config: 'rest: true\nws: false\nschemas: [schema.graphql]\n' });
    const { code, stdout, stderr } = await runToExit(['check', dir]);
    await rm(root ?? dir, { recursive: true });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('http://127.0.0.1:9996/my-app/Message/{id}');
    expect(stdout).toContain('ws: false in config.yaml');
    expect(stdout).toMatch(/anyone +read, create, update, delete, subscribe/);
  });

  test('tells every mistake of every file of every application at once, and creates nothing', async () => {
    const root = await mkdtemp(join(tmpdir(), 'tablecast-check-'));
    for (const [name, schema] of [
      ['one', 'type A @tabel { id: ID! @primaryKey }\n'],
      ['two', 'type B @table { id: IDD! @primaryKey }\n'],
    ] as const) {
      await mkdir(join(root, name));
      await writeFile(join(root, name, 'schema.graphql'), schema);
    }
    await writeFile(join(root, 'two', 'config.yaml'), 'rets: true\n');
    const { code, stderr } = await runToExit(['check', root]);
    await rm(root, { recursive: true });
    expect(code).toBe(1);
    for (const found of ['did you mean "@table"?', 'IDD', 'did you mean "rest"?']) expect(stderr).toContain(found);
    // Paths that a terminal and an editor can open, since the folder is not the current one.
    for (const place of ['one/schema.graphql:1:8', 'two/schema.graphql:1:21', 'two/config.yaml:1:1']) {
      expect(stderr).toContain(join(root, place));
    }
  });

  test('says which tables only admins can use', async () => {
    const schema = 'type Own @table @export @account(field: "owner") { id: ID! @primaryKey  owner: ID }\n';
    const { dir, root } = await makeApp({
      schema,
      config: 'auth: {jwt: {secret: "k3Jx0-qTz8vLw2_NpYd7RbHs5UfGm1Ac"}}\n',
    });
    const { code, stdout } = await runToExit(['check', dir]);
    await rm(root ?? dir, { recursive: true });
    expect(code).toBe(0);
    expect(stdout).toContain(
      'my-app: only admins can use Own, since @account alone allows no action; add @access(read:',
    );
  });

  test('keeps the name of a folder that is none', async () => {
    expect((await runToExit(['check', '/nowhere'])).stderr).toBe('/nowhere does not exist\n');
  });
});

describe('tablecast start', () => {
  test('a port that is taken is one plain sentence and exit code 1', async () => {
    await using server = await startServer();
    const { dir, root } = await makeApp();
    const exit = await runToExit(['start', dir, '--port', String(server.port)]);
    await rm(root ?? dir, { recursive: true });
    expect(exit.code).toBe(1);
    expect(exit.stderr).toContain(`port ${server.port} on 127.0.0.1 is taken; set another one with --port`);
    expect(exit.stderr).not.toMatch(/^\s+at /m);
  });

  test('a port that is taken leaves the stored data as it was', async () => {
    await using other = await startServer();
    await using server = await startServer({ schema: schemaWith('') });
    await server.stop();
    await writeFile(join(server.dir, 'schema.graphql'), schemaWith('  extra: String\n'));
    const exit = await runToExit(['start', server.dir, '--port', String(other.port)]);
    expect(exit.code).toBe(1);
    const db = new Database(join(server.dir, 'data', 'data.db'), { readonly: true });
    try {
      const columns = db.prepare('SELECT name FROM pragma_table_info(?)').pluck().all('data/Message');
      expect(columns).not.toContain('extra');
    } finally {
      db.close();
    }
  });

  test.each([
    ['has no compiled binary', undefined],
    // What the loader finds when the file is for another system or version: no library that this process can load.
    ['was compiled for another Node.js or system', Buffer.from('\x7fELF of another machine')],
  ])('a driver that %s is one line that says how to build it', async (why, binary) => {
    const root = await mkdtemp(join(tmpdir(), 'tablecast-driver-'));
    const modules = join(PROJECT, 'node_modules');
    const driver = join(root, 'node_modules/better-sqlite3');
    await mkdir(join(root, 'node_modules'));
    for (const name of await readdir(modules)) {
      if (name !== 'better-sqlite3') await symlink(join(modules, name), join(root, 'node_modules', name));
    }
    for (const part of ['package.json', 'lib']) {
      await cp(join(modules, 'better-sqlite3', part), join(driver, part), { recursive: true });
    }
    if (binary !== undefined) {
      await mkdir(join(driver, 'build/Release'), { recursive: true });
      await writeFile(join(driver, 'build/Release/better_sqlite3.node'), binary);
    }
    await cp(join(PROJECT, 'package.json'), join(root, 'package.json'));
    await cp(join(PROJECT, 'dist'), join(root, 'dist'), { recursive: true });
    const app = await makeApp();
    try {
      for (const args of [
        ['start', app.dir],
        ['user', 'list', app.dir],
      ]) {
        const child = spawn(process.execPath, [join(root, 'dist/cli.js'), ...args], {
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        let stderr = '';
        child.stderr.on('data', (chunk) => (stderr += String(chunk)));
        const [code] = await once(child, 'close');
        expect([code, stderr.trim().split('\n')]).toEqual([1, [expect.stringContaining('npm rebuild better-sqlite3')]]);
        expect(stderr).toContain(`better-sqlite3 ${why}`);
        expect(stderr).toContain('pnpm approve-builds');
      }
    } finally {
      await rm(root, { recursive: true });
      await rm(app.root ?? app.dir, { recursive: true });
    }
  });

  test('a destructive change of the schema is refused with its plan, and made when it is allowed', async () => {
    await using server = await startServer({ schema: schemaWith('  extra: String\n') });
    await server.put('Message/a', { title: 't', extra: 'kept' });
    await server.stop();
    await writeFile(join(server.dir, 'schema.graphql'), schemaWith(''));
    const refused = await runToExit(['start', server.dir]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('--allow-destructive Message.extra');
    // Where nobody can be asked the names are needed, and they have to be right.
    const asked = await runToExit(['start', server.dir, '--allow-destructive']);
    expect([asked.code, asked.stderr]).toEqual([1, expect.stringContaining('needs the names above')]);
    const wrong = await runToExit(['start', server.dir, '--allow-destructive', 'Message.extar']);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('did you mean "Message.extra"? Nothing')]);
    const folder = await runToExit(['start', '--allow-destructive', server.dir]);
    expect([folder.code, folder.stderr]).toEqual([2, expect.stringContaining('write the folder before the option')]);
    const args = ['--allow-destructive', 'Message.extra'];
    await using allowed = await startServer({ dir: server.dir, args });
    expect((await allowed.ask('GET', 'Message')).records).toEqual([{ id: 'a', title: 't' }]);
    // A supervisor starts it with the same arguments again.
    await allowed.restart();
    expect(allowed.logs.items).toContainEqual(
      expect.objectContaining({ msg: expect.stringContaining('allows nothing') }),
    );
    expect((await runToExit(['start', server.dir, '--allow-destructive', '--port', 'x'])).stderr).toContain('--port');
  });
});

describe('tablecast start --allow-destructive without names', () => {
  test('asks at a terminal', { timeout: 40_000 }, async () => {
    await using server = await startServer({ schema: schemaWith('  extra: String\n') });
    await server.put('Message/a', { title: 't', extra: 'kept' });
    await server.stop();
    await writeFile(join(server.dir, 'schema.graphql'), schemaWith(''));
    const question = 'Make these changes now: Message.extra? (y/N) ';
    const args = ['start', server.dir, '--allow-destructive'];
    const refused = await runAtTerminal(args, [[question, '\r']]);
    expect(refused.code).toBe(1);
    expect(refused.stdout).toContain('LOSES DATA: 1 record ("a": "kept")');
    expect(refused.stdout).toContain('Nothing was changed.');
    const agreed = await runAtTerminal(args, [
      [question, 'y\r'],
      ['Ctrl-C stops it.', '\u0003'],
    ]);
    expect(agreed.code).toBe(0);
    expect(agreed.stdout).toContain('drop column data.Message.extra');
    await server.start();
    expect((await server.ask('GET', 'Message')).records).toEqual([{ id: 'a', title: 't' }]);
  });
});

describe('tablecast dev', () => {
  test('restarts on a change of the schema without losing data, and goes on serving when the change is a mistake', async () => {
    const port = await freePort();
    const { dir, root } = await makeApp({ schema: schemaWith('') });
    const args = [dir, '--port', String(port), '--allow-destructive', 'Message.extra'];
    const child = spawn(process.execPath, [CLI, 'dev', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    const url = `http://127.0.0.1:${port}/my-app/Message/a`;
    const put = async (json: object) => (await ask('PUT', url, { json }).catch(() => undefined))?.status;
    const wait = { timeout: 30_000 };
    try {
      await until(
        () => put({ title: 'first' }),
        (status) => status === 201,
        { ...wait, what: 'the first start' },
      );
      await writeFile(join(dir, 'schema.graphql'), 'type Message @tabel {\n');
      await until(
        async () => output,
        (text) => text.includes('schema.graphql:2:1'),
        { ...wait, what: 'the mistake' },
      );
      expect(await put({ title: 'still served' })).toBe(200);
      await writeFile(join(dir, 'schema.graphql'), schemaWith('  extra: String\n'));
      await until(
        () => put({ title: 'second', extra: 'new' }),
        (status) => status === 200,
        { ...wait, what: 'the new field' },
      );
      expect((await ask('GET', url)).record).toEqual({ id: 'a', title: 'second', extra: 'new' });
      await writeFile(join(dir, 'schema.graphql'), schemaWith('  other: Int\n').replace('  title: String!\n', ''));
      await until(
        async () => output,
        (text) => text.includes('--allow-destructive Message.title,Message.extra'),
        { ...wait, what: 'the refusal of what was not named' },
      );
      expect(await put({ title: 'still served', extra: 'new' })).toBe(200);
      await writeFile(join(dir, 'schema.graphql'), schemaWith('  other: Int\n'));
      await until(
        () => put({ title: 'third', other: 1 }),
        (status) => status === 200,
        { ...wait, what: 'the field that was named' },
      );
    } finally {
      child.kill('SIGTERM');
      const [code] = await once(child, 'exit');
      await rm(root ?? dir, { recursive: true, force: true });
      expect(code, output).toBe(0);
    }
  });
});

describe('modules of hooks', () => {
  const config = 'schemas: [schema.graphql]\nhooks: hooks.ts\nport: 0\n';

  test.each([
    ['hooks.ts does not parse', 'export const a = {{;\n', 'hooks.ts:1:19 does not parse: Unexpected token'],
    [
      'hooks.ts has an export that is not a hook',
      '\nexport const onRealtimeConect = () => {};\n',
      'hooks.ts:2:14 exports "onRealtimeConect", which is not a hook',
    ],
    ['hooks.ts throws', "throw new Error('not today');\n", 'hooks.ts:1:1 cannot be loaded: not today'],
  ])('are looked at by check and start: %s', async (_, text, mistake) => {
    const { dir, root } = await makeApp({ schema: schemaWith(''), config, files: { 'hooks.ts': text } });
    for (const command of ['check', 'start']) {
      const { code, stdout, stderr } = await runToExit([command, dir]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain(mistake);
    }
    await rm(root ?? dir, { recursive: true });
  });

  test('are told by check, which ends also when a module has begun something', async () => {
    const text = 'setInterval(() => {}, 1000);\nexport const onRealtimeConnect = () => {};\n';
    const { dir, root } = await makeApp({ schema: schemaWith(''), config, files: { 'hooks.ts': text } });
    const { code, stdout } = await runToExit(['check', dir]);
    await rm(root ?? dir, { recursive: true });
    expect(code).toBe(0);
    expect(stdout).toContain('  hooks    hooks.ts');
  });

  test('make dev restart when they or what they import change, and a mistake in them does not stop the server', async () => {
    const port = await freePort();
    const hooks = `import { word } from './lib/word';
export const tables = { Message: { beforeCreate({ record }: { record: { title: string } }) { record.title += word; } } };\n`;
    const { dir, root } = await makeApp({
      schema: schemaWith(''),
      config,
      files: { 'hooks.ts': hooks, 'lib/word.ts': "export const word: string = ' one';\n" },
    });
    const child = spawn(process.execPath, [CLI, 'dev', dir, '--port', String(port)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    const url = `http://127.0.0.1:${port}/my-app/Message`;
    const post = async () => (await ask('POST', url, { json: { title: 'a' } }).catch(() => undefined))?.record.title;
    const wait = { timeout: 30_000 };
    try {
      await until(post, (title) => title === 'a one', { ...wait, what: 'the first start' });
      await writeFile(join(dir, 'lib/word.ts'), 'export const word = {{;\n');
      await until(
        async () => output,
        (text) => text.includes('lib/word.ts:1:22 does not parse'),
        { ...wait, what: 'the mistake' },
      );
      expect(await post()).toBe('a one');
      await writeFile(join(dir, 'lib/word.ts'), "export const word = ' two';\n");
      await until(post, (title) => title === 'a two', { ...wait, what: 'the change' });
    } finally {
      child.kill('SIGTERM');
      const [code] = await once(child, 'exit');
      await rm(root ?? dir, { recursive: true, force: true });
      expect(code, output).toBe(0);
    }
  });
});
