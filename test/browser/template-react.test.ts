import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/app.ts';
import { readBlocks } from '../support/doc-session.ts';
import { freePort } from '../support/free-port.ts';
import { installPacked, type PackedInstall } from '../support/packed.ts';
import { ROOT } from '../support/pages.ts';
import { until } from '../support/wait.ts';
import { collectComplaints, inBrowser } from './browser.ts';

const TEMPLATE = join(ROOT, 'templates/react');
const TUTORIAL = 'docs/tutorials/react.md';
const MAX_GZIP_BYTES = 90 * 1024;
const WAIT = { timeout: 60_000 };
const LONG = { timeout: 240_000 };
const run = promisify(execFile);

let installed: PackedInstall;
/** The application, created by the packed program; its packages are in the folder around it. */
let app: string;

beforeAll(async () => {
  const { dependencies, devDependencies } = JSON.parse(await readFile(join(TEMPLATE, 'package.json'), 'utf8'));
  const packages = Object.entries({ ...dependencies, ...devDependencies } as Record<string, string>)
    .filter(([name]) => name !== 'tablecast')
    .map(([name, range]) => `${name}@${range}`);
  installed = await installPacked(packages);
  app = join(installed.dir, 'my-tasks');
  await run('npx', ['create-tablecast', 'my-tasks', 'react', '--no-install'], { cwd: installed.dir });
}, 300_000);
afterAll(() => installed[Symbol.asyncDispose]());

/** Without the environment of the test runner, which asks for development builds. */
const env = { ...process.env, NODE_ENV: '', NO_COLOR: '1' };

async function npm(...args: string[]): Promise<string> {
  const { stdout, stderr } = await run('npm', ['run', '--silent', ...args], { cwd: app, env }).catch((error) => {
    throw new Error(`npm run ${args.join(' ')}: ${error.stdout}${error.stderr}`);
  });
  return stdout + stderr;
}

async function addTask(page: Page, title: string): Promise<void> {
  await page.getByPlaceholder('What is to be done?').fill(title);
  await page.getByRole('button', { name: 'Add' }).click();
}

test('the react template passes check, its test and the build, with types as they are written', LONG, async () => {
  await npm('types');
  const [written, shipped] = await Promise.all(
    [app, TEMPLATE].map((folder) => readFile(join(folder, 'tablecast-client.d.ts'), 'utf8')),
  );
  expect(written).toBe(shipped);
  await npm('check');
  expect(await npm('test')).toMatch(/(?:#|ℹ) fail 0/);
  await npm('build');
  const scripts = (await readdir(join(app, 'web/assets'))).filter((file) => file.endsWith('.js'));
  const size = await scripts.reduce(
    async (sum, file) => (await sum) + gzipSync(await readFile(join(app, 'web/assets', file))).length,
    Promise.resolve(0),
  );
  console.log(`${size} bytes of scripts, gzipped`);
  expect(size).toBeLessThan(MAX_GZIP_BYTES);
});

inBrowser('the react template', (browser) => {
  const withPages = async (url: string, use: (pages: [Page, Page]) => Promise<void>) => {
    const pages = [await browser().newPage(), await browser().newPage()] as [Page, Page];
    const complaints = pages.map((page) => {
      const found = collectComplaints(page);
      return () => found.filter((text) => !/WebSocket|ERR_CONNECTION_REFUSED|Failed to load resource/.test(text));
    });
    for (const page of pages) await page.goto(url);
    await use(pages);
    expect(complaints.map((read) => read())).toEqual([[], []]);
    for (const page of pages) await page.close();
  };

  test('two windows are live through kill -9 and a restart', LONG, async () => {
    const port = await freePort();
    await using server: TestServer = await startServer({ dir: app, args: ['--port', String(port)] });
    await withPages(`${server.origin}/my-tasks/`, async ([first, second]) => {
      await addTask(first, 'Buy milk');
      await second.getByText('Buy milk').click();
      await expect.poll(() => first.getByRole('checkbox').isChecked(), WAIT).toBe(true);
      await server.kill();
      await first.getByText('Reconnecting…').waitFor(WAIT);
      await addTask(first, 'Written while the server is gone');
      await server.start();
      await second.getByText('Written while the server is gone').waitFor(WAIT);
      await second.getByText('Live').waitFor(WAIT);
      await second.getByRole('button', { name: 'Delete “Buy milk”' }).click();
      await first.getByText('Buy milk').waitFor({ state: 'detached', ...WAIT });
      expect(await first.getByRole('listitem').count()).toBe(1);
    });
  });

  test('in development an edit keeps the list, and the schema changes the types', LONG, async () => {
    const port = await freePort();
    const child = spawn('npm', ['run', 'dev'], { cwd: app, env: { ...env, PORT: String(port) }, detached: true });
    try {
      const [, url = ''] = await printed(child, /Local:\s+(http\S+)/, /dev: serving on/);
      await withPages(url, async ([first, second]) => {
        await addTask(first, 'Seen in development');
        await second.getByText('Seen in development').waitFor(WAIT);
        await first.evaluate('window.isSame = true');
        const source = join(app, 'src/Tasks.tsx');
        await writeFile(source, (await readFile(source, 'utf8')).replace('<h1>Tasks</h1>', '<h1>My tasks</h1>'));
        await first.getByRole('heading', { name: 'My tasks' }).waitFor(WAIT);
        await first.getByText('Seen in development').waitFor(WAIT);
        expect(await first.evaluate('window.isSame')).toBe(true);
        const schema = join(app, 'schema.graphql');
        await writeFile(schema, (await readFile(schema, 'utf8')).replace('done:', 'note: String\n  done:'));
        await until(
          () => readFile(join(app, 'tablecast-client.d.ts'), 'utf8'),
          (text) => text.includes('note'),
          {
            ...WAIT,
            what: 'the new field in the types',
          },
        );
      });
    } finally {
      process.kill(-(child.pid as number), 'SIGTERM');
      await once(child, 'exit');
    }
  });

  test('the tutorial gives a page that compiles and filters', LONG, async () => {
    for (const { kind, name, text } of readBlocks(TUTORIAL)) {
      if (kind === 'file') await writeFile(join(app, name), text);
    }
    await npm('types');
    await npm('check');
    await npm('build');
    await using server = await startServer({ dir: app, args: ['--port', '0'] });
    await withPages(`${server.origin}/my-tasks/`, async ([first, second]) => {
      await addTask(first, 'Call Ada');
      await second.getByText('Call Ada').waitFor(WAIT);
      await first.getByLabel('Only urgent tasks').check();
      await first.getByText('Call Ada').waitFor({ state: 'detached', ...WAIT });
      await second.getByLabel('Priority of “Call Ada”').selectOption('HIGH');
      await first.getByText('Call Ada').waitFor(WAIT);
      await addTask(second, '');
      await second.getByText('must have at least 1 character').waitFor(WAIT);
    });
  });
});

/** Waits until the output has all of these. Resolves with the match of the first one. */
async function printed(child: ChildProcess, first: RegExp, ...more: RegExp[]): Promise<RegExpExecArray> {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += String(chunk)));
  await until(
    async () => output,
    (text) => [first, ...more].every((pattern) => pattern.test(text)),
    { ...WAIT, what: `${first}` },
  );
  return first.exec(output) as RegExpExecArray;
}
