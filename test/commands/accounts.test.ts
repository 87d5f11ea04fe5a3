import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AppFolder, makeApp } from '../support/app.ts';
import { runAtTerminal, runCommand } from '../support/cli.ts';

let app: AppFolder;
const run = (words: string, input?: string) => runCommand([...words.split(' '), app.dir], input);

const CONFIG = `auth:\n  users: true\n  jwt:\n    secret: k3Jx0-qTz8vLw2_NpYd7RbHs5UfGm1Ac\n`;

beforeAll(async () => {
  app = await makeApp({ config: CONFIG });
});
afterAll(() => rmSync(app.root ?? app.dir, { recursive: true }));

/** Everything that the data folder has, as text. */
function stored(): string {
  const dir = join(app.dir, 'data');
  return readdirSync(dir)
    .map((name) => readFileSync(join(dir, name), 'latin1'))
    .join('\n');
}

describe('tablecast user', () => {
  test('adds one before the server has ever run, and lists it', async () => {
    const added = await run(
      'user add Ada --role editor --role admin --claim accountId=a=b --password-stdin',
      'correct horse\n',
    );
    expect(added).toMatchObject({ code: 0, stderr: '' });
    expect(added.stdout).toMatch(/^[0-9a-f-]{36}\n$/);
    const { code, stdout } = await run('user list');
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 5))).toEqual([
      ['NAME', 'ID', 'ROLES', 'CLAIMS', 'STATE'],
      ['Ada', added.stdout.trim(), 'editor,admin', 'accountId=a=b', 'enabled'],
      [''],
    ]);
    expect(stored()).not.toContain('correct horse');
  });

  test('changes password, roles and state', async () => {
    const before = stored();
    expect(await run('user passwd ADA --password-stdin', 'another horse\r\nand no second line')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'The password of Ada is changed, and the logins of the user have ended.\n',
    });
    expect(stored()).not.toBe(before);
    expect((await run('user role ada --role viewer --role viewer')).stderr).toBe(
      'Ada: roles were editor,admin, are viewer\n',
    );
    expect((await run('user role ada')).stderr).toBe('Ada: roles were viewer, are -\n');
    expect(await run('user disable ada')).toMatchObject({ code: 0, stderr: 'Ada is disabled\n' });
    expect((await run('user list')).stdout).toMatch(/Ada .* disabled /);
    expect(await run('user enable ada')).toMatchObject({ code: 0, stderr: 'Ada is enabled\n' });
  });

  test.each([
    ['user add ada --password-stdin', 'a user "ada" exists already'],
    ['user passwd nobody --password-stdin', 'there is no user "nobody"; tablecast user list prints the names'],
    ['user role nobody --role a', 'there is no user "nobody"'],
    ['user disable nobody', 'there is no user "nobody"'],
    ['user add bob --password-stdin', 'the password must have 8 to 256 characters'],
    ['user add bob', 'the password cannot be asked for without a terminal; use --password-stdin'],
  ])('refuses %j in a sentence, exit code 1', async (words, message) => {
    const { code, stdout, stderr } = await run(words, 'short\n');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test('refuses an empty password', async () => {
    expect(await run('user add bob --password-stdin', '\nlong enough\n')).toMatchObject({
      code: 1,
      stderr: 'stdin has no password: its first line is empty\n',
    });
  });

  test.each([
    ['user', 'user needs one of add, passwd, role, disable, enable, list'],
    ['user lsit', 'did you mean "user list"?'],
    ['user remove', 'unknown command "user remove"; the commands are user add, user passwd,'],
    ['user add', "the user's name is needed"],
    ['user role ada --rol a', 'did you mean "--role"?'],
    ['user role ada --role a,b', 'role "a,b": a role has 1 to 64 letters'],
    ['user add ada --claim accountId', '--claim "accountId" is not name=value'],
    ['user add ada --claim sub=x', 'claim "sub" is the server\'s own'],
    ['user add ada --claim a=1 --claim a=2', 'claim "a" is given twice'],
    ['user add ada --claim __proto__=1', 'claim "__proto__": a claim has a name of letters'],
    ['user list one two', 'unexpected "two"'],
    ['key', 'key needs one of create, revoke, list'],
    ['key create', 'a name for the key is needed'],
    ['key revoke', "the key's id is needed"],
  ])('%j is a mistake in the call: exit code 2', async (words, message) => {
    const { code, stdout, stderr } = await runCommand(words.split(' '));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/^See: tablecast (?:help|(?:user|key) \w+ --help)$/m);
  });

  test.each([
    ['', 'is empty'],
    [' ada', 'begins or ends with a space'],
    ['a\u0007a', 'has a control character'],
    ['a'.repeat(129), 'has more than 128 characters'],
  ])('the name %j is none', async (name, message) => {
    const { code, stderr } = await runCommand(['user', 'add', name, app.dir, '--password-stdin'], 'correct horse\n');
    expect(code).toBe(2);
    expect(stderr).toContain(`the name ${message}`);
  });

  test('tells what is wrong with the folder and its configuration', async () => {
    expect(await runCommand(['user', 'list', join(app.dir, 'nowhere')])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('does not exist'),
    });
    const { dir, root } = await makeApp({ config: 'data_dri: x\n' });
    expect(await runCommand(['user', 'list', dir])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('did you mean "data_dir"?'),
    });
    expect(existsSync(join(dir, 'data'))).toBe(false);
    writeFileSync(join(dir, 'config.yaml'), 'rest: true\n');
    expect((await runCommand(['user', 'add', 'ada', dir, '--password-stdin'], 'correct horse')).stderr).toContain(
      'config.yaml has no `auth`',
    );
    mkdirSync(join(root ?? dir, 'other'));
    writeFileSync(join(root ?? dir, 'other', 'schema.graphql'), 'type A @table { id: ID! @primaryKey }\n');
    expect(await runCommand(['user', 'list', root ?? dir])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/has several applications; name the folder of one: .*my-app, .*other\n/),
    });
    rmSync(root ?? dir, { recursive: true });
  });

  test('tells in a sentence that the file cannot be used', async () => {
    const { dir, root } = await makeApp({
      files: { 'data/auth.db': 'no database at all, but longer than a header\n' },
    });
    const { code, stderr } = await runCommand(['user', 'list', dir]);
    rmSync(root ?? dir, { recursive: true });
    expect(code).toBe(1);
    expect(stderr).toMatch(/auth\.db is damaged, or no database\. It was left as it is\./);
  });
});

describe('tablecast user at a terminal', () => {
  const has = (() => {
    try {
      return execFileSync('script', ['--version']).includes('util-linux');
    } catch {
      return false;
    }
  })();

  // There is no other terminal to be had here than that of script (util-linux).
  describe.skipIf(!has)('of script', () => {
    test('asks twice and shows nothing of what is typed', async () => {
      const typed = await runAtTerminal(
        ['user', 'add', 'Typist', app.dir],
        [
          ['Password: ', 'kaffee\u0302 creme!!\u007f\r'],
          ['Again: ', 'kaffee\u0302 creme!\r'],
        ],
      );
      expect(typed.code).toBe(0);
      expect(typed.stdout).toMatch(/^Password: \s+Again: \s+[0-9a-f-]{36}\s+$/);
      expect((await run('user list')).stdout).toContain('Typist');
    });

    test.each([
      [['first one', 'other one'], 'the two passwords differ; nothing was changed'],
      [['first\u0003'], 'interrupted; nothing was changed'],
      [['short', 'short'], 'the password must have 8 to 256 characters'],
    ])('stores nothing for %j', async (words, message) => {
      const questions = ['Password: ', 'Again: '];
      const answers = words.map((word, index) => [questions[index] ?? '', `${word}\r`] as const);
      const typed = await runAtTerminal(['user', 'add', 'Nobody', app.dir], answers);
      expect(typed.code).toBe(1);
      expect(typed.stdout).toContain(message);
      for (const word of words) expect(typed.stdout).not.toContain(word);
      expect((await run('user list')).stdout).not.toContain('Nobody');
    });
  });
});

describe('tablecast key', () => {
  test('prints a key once, keeps its hash alone, lists and revokes it', async () => {
    const made = await run('key create ci --role writer --sub robot --claim accountId=acme');
    expect(made.code).toBe(0);
    expect(made.stdout).toMatch(/^tck_[a-z02-9]{8}_[a-z02-9]{32}\n$/);
    const [, id = '', secret = ''] = made.stdout.trim().split('_');
    expect(made.stderr).toContain(`tablecast key revoke ${id}`);
    expect(stored()).toContain(id);
    expect(stored()).not.toContain(secret);
    const list = (await run('key list')).stdout;
    expect(list).toMatch(new RegExp(`${id} +ci +robot +writer +accountId=acme +\\S+Z +active`));
    expect(list).not.toContain(secret);
    const revoked = await run(`key revoke ${made.stdout.trim()}`);
    expect(revoked).toMatchObject({ code: 0, stderr: `The key ${id} (ci) is revoked.\n` });
    expect((await run('key list')).stdout).toMatch(new RegExp(`${id} .* revoked \\d{4}-`));
    const again = await run(`key revoke ${id}`);
    expect(again).toMatchObject({ code: 1, stderr: `the key "${id}" (ci) is revoked already\n` });
    expect(await run('key revoke zzzzzzzz')).toMatchObject({
      code: 1,
      stderr: 'there is no key "zzzzzzzz"; tablecast key list prints the ids\n',
    });
  });

  test('stands for itself unless it is said for whom', async () => {
    const { stdout } = await run('key create plain');
    const id = stdout.split('_')[1] ?? '';
    expect((await run('key list')).stdout).toMatch(new RegExp(`${id} +plain +key:${id} +- +- `));
  });
});

test('help lists the commands of users and keys, and their help the options', async () => {
  const { stdout } = await runCommand(['help']);
  const commands = ['user add <name>', 'user passwd', 'user role', 'user disable', 'user enable', 'user list'];
  for (const words of [...commands, 'key create <name>', 'key revoke <id>', 'key list']) {
    expect(stdout).toContain(`\n  ${words} `);
  }
  const helps = await Promise.all([runCommand(['user', '--help']), runCommand(['key', '--help'])]);
  const text = helps.map((exit) => exit.stdout).join('\n');
  for (const option of ['--role', '--claim', '--sub', '--password-stdin']) expect(text).toContain(`  ${option} `);
});
