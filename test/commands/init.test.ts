import { execFile, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toAppId, toPackageName } from '../../src/commands/init/app-name.ts';
import { runAtTerminal, runCommand } from '../support/cli.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CLI = join(ROOT, 'dist/cli.js');
const run = promisify(execFile);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tablecast-init-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('names', () => {
  test.each([
    ['my-app', 'my-app', 'my-app'],
    ['MyApp', 'MyApp', 'myapp'],
    ['my app', 'my-app', 'my-app'],
    ['Über uns', 'Uber-uns', 'uber-uns'],
    ['_private', 'private', 'private'],
    ['.hidden', 'hidden', 'hidden'],
    ['Straße', 'Strasse', 'strasse'],
    ['日本', 'my-app', 'my-app'],
    ['api', 'api-app', 'api-app'],
    ['tablecast', 'tablecast', 'tablecast-app'],
    ['x'.repeat(200), 'x'.repeat(64), 'x'.repeat(64)],
  ])('of the folder "%s"', (written, appId, packageName) => {
    expect(toAppId(written)).toBe(appId);
    expect(toPackageName(toAppId(written))).toBe(packageName);
  });
});

describe('tablecast init', () => {
  test.each(['minimal', 'chat', 'board', 'react'])(
    '%s gives an application that passes check and its own test',
    {
      timeout: 60_000,
    },
    async (template) => {
      const dir = join(folder, template);
      const { code, stdout, stderr } = await runCommand(['init', dir, template, '--no-install']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain('npm install\n');
      expect(await readdir(dir)).toEqual(
        expect.arrayContaining([
          '.gitignore',
          'README.md',
          'config.yaml',
          'package.json',
          'schema.graphql',
          'seed',
          'test',
        ]),
      );
      for (const file of ['README.md', 'config.yaml', 'package.json']) {
        expect(await readFile(join(dir, file), 'utf8')).not.toContain('{{');
      }
      expect((await runCommand(['check', dir])).code).toBe(0);
      await mkdir(join(dir, 'node_modules'));
      await symlink(ROOT, join(dir, 'node_modules/tablecast'));
      const { stdout: report } = await run(process.execPath, ['--test', '--test-reporter=tap'], { cwd: dir });
      expect(report).toMatch(/^# fail 0$/m);
      expect(report).toMatch(/^# pass [1-9]/m);
    },
  );

  test.skipIf(process.platform === 'win32')(
    'makes a secret of its own for each chat, for the owner alone',
    async () => {
      const secretOf = async (name: string) => {
        const dir = join(folder, name);
        expect((await runCommand(['init', dir, 'chat', '--no-install'])).code).toBe(0);
        expect((await stat(join(dir, '.env'))).mode & 0o777).toBe(0o600);
        return /^JWT_SECRET=([\w-]{43})$/m.exec(await readFile(join(dir, '.env'), 'utf8'))?.[1];
      };
      const first = await secretOf('chat-1');
      expect(first).toBeDefined();
      expect(await secretOf('chat-2')).not.toBe(first);
    },
  );

  test('asks for folder and template at a terminal, and accepts the defaults', { timeout: 30_000 }, async () => {
    const dir = join(folder, 'asked');
    const { code, stdout } = await runAtTerminal(
      ['init', '--no-install'],
      [
        ['Folder (my-app)', `${dir}\n`],
        ['Template (minimal)', 'bord\n'],
        ['did you mean "board"?', '\n'],
      ],
    );
    expect(code, stdout).toBe(0);
    expect(await readFile(join(dir, 'schema.graphql'), 'utf8')).toContain('type Task ');
  });

  test.each([
    ['Ctrl-C', '\u0003'],
    ['Ctrl-D', '\u0004'],
  ])('%s at a question leaves nothing behind', async (_, key) => {
    const parent = await mkdtemp(join(folder, 'stop-'));
    const { code, stdout } = await runAtTerminal(
      ['init', '--no-install'],
      [
        ['Folder (my-app)', `${join(parent, 'app')}\n`],
        ['Template (minimal)', key],
      ],
    );
    expect(code).toBe(1);
    expect(stdout).toContain('Nothing was created.');
    expect(await readdir(parent)).toEqual([]);
  });

  test('asks nothing where the operands say everything, with --yes, or without a terminal', async () => {
    const parent = await mkdtemp(join(folder, 'quiet-'));
    const given = await runAtTerminal(['init', join(parent, 'a'), 'board', '--no-install'], []);
    const yes = await runAtTerminal(['init', join(parent, 'b'), '--yes', '--no-install'], []);
    const piped = await runCommand(['init', join(parent, 'c'), '--no-install'], 'chat\n');
    expect([given.code, yes.code, piped.code]).toEqual([0, 0, 0]);
    expect(`${given.stdout}${yes.stdout}${piped.stdout}`).not.toContain('Template (');
    const tableOf = async (name: string) =>
      /type (\w+)/.exec(await readFile(join(parent, name, 'schema.graphql'), 'utf8'));
    expect([(await tableOf('a'))?.[1], (await tableOf('b'))?.[1], (await tableOf('c'))?.[1]]).toEqual([
      'List',
      'Task',
      'Task',
    ]);
  });

  test('refuses a folder that is not empty, and only adds with --force', async () => {
    const dir = await mkdtemp(join(folder, 'full-'));
    await writeFile(join(dir, 'README.md'), 'mine\n');
    const refused = await runCommand(['init', dir, '--no-install']);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      `${dir} is not empty: it has README.md; name another folder, or add the missing files with --force\n`,
    ]);
    expect(await readdir(dir)).toEqual(['README.md']);
    const forced = await runCommand(['init', dir, '--force', '--no-install']);
    expect([forced.code, forced.stdout]).toEqual([0, expect.stringContaining('Kept README.md, which existed.')]);
    expect(await readFile(join(dir, 'README.md'), 'utf8')).toBe('mine\n');
    expect((await runCommand(['check', dir])).code).toBe(0);
  });

  test('accepts the empty folder that a repository begins with', async () => {
    const dir = await mkdtemp(join(folder, 'repository-'));
    await mkdir(join(dir, '.git'));
    const { code } = await runCommand(['init', dir, '--no-install']);
    expect(code).toBe(0);
    expect((await runCommand(['check', dir])).code).toBe(0);
  });

  test.each(['my app', 'Über uns', '_x', 'x'.repeat(200), "it's", 'api'])(
    'works in a folder named "%s"',
    async (name) => {
      const parent = await mkdtemp(join(folder, 'odd-'));
      const { code, stdout } = await runCommand(['init', join(parent, name), '--no-install']);
      expect(code).toBe(0);
      expect((await runCommand(['check', join(parent, name)])).code).toBe(0);
      const enter = /^ {2}(cd .*)$/m.exec(stdout)?.[1] ?? '';
      const { stdout: where } = await run('sh', ['-c', `${enter} && pwd`]);
      expect(where).toBe(`${join(parent, name)}\n`);
    },
  );

  test('says why a folder cannot be created, and leaves nothing behind', async () => {
    const parent = await mkdtemp(join(folder, 'refused-'));
    await writeFile(join(parent, 'file'), '');
    const refuse = async (dir: string) => {
      const { code, stdout, stderr } = await runCommand(['init', dir, '--no-install']);
      expect([code, stdout]).toEqual([1, '']);
      return stderr;
    };
    expect(await refuse(join(parent, 'file'))).toMatch(/file exists and is not a folder; name another one\n$/);
    expect(await refuse(join(parent, 'file/below'))).toMatch(/cannot be created: a part of its path is a file/);
    expect(await refuse(join(parent, 'new/folders', 'x'.repeat(300)))).toMatch(/its name is too long/);
    expect(await readdir(parent)).toEqual(['file']);
  });

  test.skipIf(process.platform === 'win32')('says that a parent is not writable', async () => {
    const parent = await mkdtemp(join(folder, 'closed-'));
    const isRoot = process.getuid?.() === 0;
    await chmod(folder, 0o755);
    await chmod(parent, 0o555);
    // The superuser may write everywhere.
    const child = spawn(process.execPath, [CLI, 'init', join(parent, 'app'), '--no-install'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      ...(isRoot ? { uid: 65_534, gid: 65_534 } : {}),
    });
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += String(chunk);
    });
    const code = await new Promise((done) => child.once('close', done));
    expect([code, stderr]).toEqual([
      1,
      `${join(parent, 'app')} cannot be created: no permission to write there; name a folder elsewhere\n`,
    ]);
    expect(await readdir(parent)).toEqual([]);
  });

  test('reports wrong arguments with exit code 2', async () => {
    for (const [args, message] of [
      [['init', 'x', 'chatt'], 'there is no template "chatt"; did you mean "chat"?'],
      [['init', 'x', 'vue'], 'there is no template "vue"; the templates are minimal, chat, board, react'],
      [['init', 'x', 'chat', '--template', 'board'], 'the template is given twice'],
      [['init', 'x', 'chat', 'y'], 'unexpected "y"'],
      [['init', '--no-instal'], 'did you mean "--no-install"?'],
    ] as const) {
      const { code, stderr } = await runCommand(args);
      expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    }
  });

  test('names the package manager that runs it', async () => {
    const { stdout } = await runCommand(['init', join(folder, 'pnpm'), '--no-install'], '', {
      npm_config_user_agent: 'pnpm/10.4.0 npm/? node/v20.20.2 linux x64',
    });
    expect(stdout).toContain('  pnpm install\n  pnpm run dev\n');
  });
});
