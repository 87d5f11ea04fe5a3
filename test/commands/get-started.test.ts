import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { installPacked, type PackedInstall } from '../support/packed.ts';
import { until } from '../support/wait.ts';

const DOCS = resolve(import.meta.dirname, '../../docs/tutorials');
const ROOT = resolve(import.meta.dirname, '../..');
/** Packages in `node_modules` after an install, with both of ours. */
const MAX_PACKAGES = 110;
const NAME = '(?!node:)((?:@[\\w.-]+\\/)?[a-z][\\w.-]*)(?:\\/[^\'"`]*)?';
/** Of a built module. */
const LOADED = new RegExp(
  `(?:\\b(?:import|export)\\b[\\w$*{},\\s]*\\bfrom\\s*|\\bimport\\s*\\(?)['"\`]${NAME}['"\`]`,
  'g',
);
/** Of a source. A type needs no package at run time. */
const IMPORTED = new RegExp(`(?:^(?:import|export)\\s+(?!type\\b)[^;'"]*from |\\bimport\\()'${NAME}'`, 'gm');
/** The times, which `.ci/run` prints. */
const REPORT = join(ROOT, 'node_modules/.cache/tablecast/start-times.txt');
const WAIT = { timeout: 30_000 };
const run = promisify(execFile);

let installed: PackedInstall;
let port: number;
/** The application that the tutorial creates. */
let app: string;
const running: ChildProcess[] = [];
/** Lines about the time that a newcomer waits, which are reported and not asserted: a busy machine is slow. */
const times: string[] = [];

const startClock = () => performance.now();

function lap(what: string, since: number): void {
  times.push(`${((performance.now() - since) / 1000).toFixed(1).padStart(6)} s  ${what}`);
}

beforeAll(async () => {
  port = await freePort();
  const installing = startClock();
  installed = await installPacked();
  lap('packed and installed in an empty folder', installing);
  app = join(installed.dir, 'my-app');
  // npm asks for a hundred packages, and a busy machine takes minutes to unpack them.
}, 600_000);
afterAll(async () => {
  await Promise.all(running.map(stop));
  // It is not there when it could not be installed.
  await installed?.[Symbol.asyncDispose]();
});

/** The code blocks of a page in their order, with the port of this test. */
async function readBlocks(page: string): Promise<{ language: string; text: string }[]> {
  const text = (await readFile(join(DOCS, page), 'utf8')).replaceAll('9996', String(port));
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', block = '']) => ({
    language,
    text: block,
  }));
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PORT: String(port), NODE_ENV: '' };
}

async function shell(command: string, cwd = app): Promise<string> {
  const { stdout } = await run('sh', ['-c', command], { cwd, env: environment() });
  return stdout;
}

/** Starts a command that goes on. Resolves with a function that waits for a text in its output. */
function startShell(command: string): (text: string | RegExp) => Promise<string> {
  const child = spawn('sh', ['-c', command], { cwd: app, env: environment(), detached: true });
  running.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  return (text) =>
    until(
      async () => output,
      (found) => (typeof text === 'string' ? found.includes(text) : text.test(found)),
      { ...WAIT, what: `${text} of ${command}` },
    );
}

/** With the processes that it started: npm runs a shell that runs the program. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  process.kill(-child.pid, 'SIGTERM');
  await once(child, 'exit');
}

describe('the tarballs', () => {
  test('give an application by npx, which serves and passes check', { timeout: 60_000 }, async () => {
    const { dir } = installed;
    await run('npx', ['tablecast', 'init', 'app', 'minimal', '--no-install'], { cwd: dir });
    const { stdout } = await run('npx', ['tablecast', 'check'], { cwd: join(dir, 'app') });
    expect(stdout).toContain('/app/Task');
    const { stdout: report } = await run('npm', ['test', '--silent'], { cwd: join(dir, 'app') });
    expect(report).toMatch(/(?:#|ℹ) fail 0/);
  });

  test('have the same version, and one depends on the other', async () => {
    const manifest = async (name: string) =>
      JSON.parse(await readFile(join(installed.dir, 'node_modules', name, 'package.json'), 'utf8'));
    const { version } = await manifest('tablecast');
    expect(await manifest('create-tablecast')).toMatchObject({ version, dependencies: { tablecast: version } });
  });

  test('are small: at most 4 MB, and few packages with them', async () => {
    expect(installed.unpackedSize).toBeLessThanOrEqual(4_000_000);
    const file = await readFile(join(installed.dir, 'node_modules/.package-lock.json'), 'utf8');
    const { packages } = JSON.parse(file) as { packages: Record<string, { version: string }> };
    expect(Object.keys(packages).length).toBeLessThanOrEqual(MAX_PACKAGES);
  });

  test('load no package that is not installed with them', async () => {
    const folder = join(installed.dir, 'node_modules/tablecast');
    const { dependencies, peerDependencies } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    const found = new Set<string>();
    for (const file of await readdir(join(folder, 'dist'), { recursive: true })) {
      if (!/\.(?:js|d\.ts)$/.test(file) || file.startsWith('console')) continue;
      const text = await readFile(join(folder, 'dist', file), 'utf8');
      for (const [, name = ''] of text.matchAll(LOADED)) found.add(name);
    }
    const own = ['tablecast', ...Object.keys({ ...dependencies, ...peerDependencies })];
    expect([...found].filter((name) => !own.includes(name) && !builtinModules.includes(name))).toEqual([]);
    expect([...found]).toEqual(expect.arrayContaining(['better-sqlite3', 'pg', 'amqplib']));
  });

  test('have the licence of every package that is bundled', async () => {
    const folder = join(installed.dir, 'node_modules/tablecast');
    const text = await readFile(join(folder, 'dist/THIRD-PARTY-LICENSES.txt'), 'utf8');
    const listed = new Set([...text.matchAll(/^(\S+) \d+\.\d+\.\d+ \(/gm)].map(([, name]) => name));
    const { dependencies, peerDependencies } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    const others = { tablecast: '', ...dependencies, ...peerDependencies };
    const bundled = [...(await importedPackages('src')), ...(await importedPackages('console/src'))].filter(
      (name) => !Object.hasOwn(others, name),
    );
    expect(bundled).toEqual(expect.arrayContaining(['fastify', 'yaml', 'preact', '@codemirror/view']));
    expect(bundled.filter((name) => !listed.has(name))).toEqual([]);
    expect(text).toContain('Permission is hereby granted, free of charge');
    expect(text).toContain('Apache License');
  });

  test('declare types that a strict program takes', { timeout: 120_000 }, async () => {
    const program = join(installed.dir, 'types-probe.ts');
    const names = ['', '/client', '/optimistic', '/svelte'];
    const lines = names.map((name, index) => `import type * as m${index} from 'tablecast${name}';`);
    const used = names.map((_, index) => `export type T${index} = keyof typeof m${index};`);
    await writeFile(program, [...lines, ...used].join('\n'));
    const types = ['--typeRoots', join(ROOT, 'node_modules/@types'), '--types', 'node'];
    const strict = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck', 'false'];
    const tsc = run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), ...strict, ...types, program]);
    const { stdout } = await tsc.catch((error: { stdout: string }) => error);
    expect(stdout).toBe('');
  });
});

/** Names of the packages that the modules of a folder of the checkout import for more than types. */
async function importedPackages(folder: string): Promise<string[]> {
  const names = new Set<string>();
  for (const file of await readdir(join(ROOT, folder), { recursive: true })) {
    if (!/\.tsx?$/.test(file)) continue;
    const text = await readFile(join(ROOT, folder, file), 'utf8');
    for (const [, name = ''] of text.matchAll(IMPORTED)) names.add(name);
  }
  return [...names].filter((name) => !builtinModules.includes(name));
}

describe('docs/tutorials/get-started.md', () => {
  test('every command does what the page says', { timeout: 120_000 }, async () => {
    const blocks = await readBlocks('get-started.md');
    const next = (language: string): string => {
      const block = blocks.shift();
      expect(block?.language, block?.text).toBe(language);
      return block?.text ?? '';
    };
    // The application finds the packages in the folder around it: nothing is on the registry for this test.
    const [create = '', enter, dev = ''] = next('sh').trim().split('\n');
    expect(create).toBe('npm create tablecast@latest my-app');
    const starting = startClock();
    await shell(`${create.replace('npm create tablecast@latest', 'npx create-tablecast')} --no-install`, installed.dir);
    lap('npm create: the application', starting);
    expect(enter).toBe('cd my-app');
    const inDev = startShell(dev);
    await inDev('dev: serving on ');
    lap('npm run dev: it serves', starting);
    for (const [url = ''] of next('').matchAll(/http\S+/g)) {
      const { status } = await fetch(url);
      expect([url, status]).toEqual([url, 200]);
    }
    const schema = next('graphql');
    expect(await readFile(join(app, 'schema.graphql'), 'utf8')).toContain(schema);

    expect(JSON.parse(await shell(next('sh')))).toMatchObject({ title: 'Buy milk', done: false });
    lap('the first answer', starting);
    expect(JSON.parse(await shell(next('sh')))).toMatchObject([{ title: 'Buy milk' }]);
    expect(JSON.parse(await shell(next('sh')))).toMatchObject({ status: 400, errors: [{ field: 'titel' }, {}] });

    const inStream = startShell(next('sh'));
    await inStream('event: ready');
    const add = (title: string) => shell(`curl -s 127.0.0.1:${port}/my-app/Task --json '{"title":"${title}"}'`);
    await add('Call Ada');
    await inStream(/event: update[\s\S]*Call Ada/);

    await writeFile(join(app, 'listen.mjs'), next('js'));
    const inList = startShell(next('sh'));
    await inList('Call Ada, Buy milk');
    await add('Call Bob');
    await inList('Call Bob, Call Ada, Buy milk');
    lap('the first live event over WebSocket', starting);
    await mkdir(dirname(REPORT), { recursive: true });
    await writeFile(REPORT, `${times.join('\n')}\n`);

    const field = next('graphql');
    const before = await readFile(join(app, 'schema.graphql'), 'utf8');
    await writeFile(join(app, 'schema.graphql'), before.replace('  title: String!\n', `  title: String!\n${field}`));
    await inDev(/changed: schema\.graphql[\s\S]*serving on /);
    expect(JSON.parse(await shell(next('sh')))).toMatchObject({ title: 'Buy bread', note: 'two loaves' });
    // The client of before the change.
    await inList('Buy bread, Call Bob, Call Ada, Buy milk');
    expect(blocks).toEqual([]);
  });

  test('its links lead to pages', async () => {
    const text = await readFile(join(DOCS, 'get-started.md'), 'utf8');
    const links = [...text.matchAll(/\]\(([^)#]+)/g)].map(([, link = '']) => link);
    expect(links.length).toBeGreaterThan(5);
    expect(links.filter((link) => !existsSync(join(DOCS, link)))).toEqual([]);
  });

  test('names the files that are there', async () => {
    const text = await readFile(join(DOCS, 'get-started.md'), 'utf8');
    const named = [...text.matchAll(/^\| `([^`]+?)\/?` \|/gm)].map(([, name]) => name);
    expect(await readdir(app)).toEqual(expect.arrayContaining(named));
  });
});
