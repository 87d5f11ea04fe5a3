import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type AppFolder, makeApp, runToExit } from '../support/app.ts';
import { until } from '../support/wait.ts';

const CLI = join(import.meta.dirname, '../../dist/cli.js');

const MESSAGE = 'type Message @table @export { id: ID! @primaryKey title: String! }\n';

async function inApp(run: (app: AppFolder) => Promise<void>, files: Record<string, string> = {}): Promise<void> {
  const app = await makeApp({ schema: MESSAGE, files });
  try {
    await run(app);
  } finally {
    await rm(app.root ?? app.dir, { recursive: true });
  }
}

describe('tablecast types', () => {
  test('writes the file, and again only when it would be another one', async () => {
    await inApp(async ({ dir }) => {
      const path = join(dir, 'tablecast-env.d.ts');
      const client = join(dir, 'tablecast-client.d.ts');
      const definitions = join(dir, 'tablecast.graphql');
      expect((await runToExit(['types', dir, '--check'])).code).toBe(1);
      expect(await readdir(dir)).not.toContain('tablecast-env.d.ts');
      expect(await runToExit(['types', dir])).toMatchObject({
        code: 0,
        stdout: `${path} written\n${client} written\n${definitions} written\n`,
      });
      const first = await stat(path, { bigint: true });
      expect(await readFile(path, 'utf8')).toContain(
        'export interface NewMessage {\n  id?: string;\n  title: string;\n}',
      );
      expect(await runToExit(['types', dir])).toMatchObject({
        code: 0,
        stdout: `${path} is up to date\n${client} is up to date\n${definitions} is up to date\n`,
      });
      expect(await runToExit(['types', dir, '--check'])).toMatchObject({ code: 0, stdout: '', stderr: '' });
      expect((await stat(path, { bigint: true })).mtimeNs).toBe(first.mtimeNs);
      await writeFile(join(dir, 'schema.graphql'), MESSAGE.replace('}', 'more: Int }'));
      const stale = await runToExit(['types', dir, '--check']);
      const told = [path, client].map((file) => `${file} is not up to date: run tablecast types\n`).join('');
      expect([stale.code, stale.stderr]).toEqual([1, told]);
      expect((await stat(path, { bigint: true })).mtimeNs).toBe(first.mtimeNs);
      expect((await runToExit(['types', dir])).code).toBe(0);
      expect(await readFile(path, 'utf8')).toContain('more: number | null;');
      expect((await readdir(dir)).filter((name) => name.includes('tablecast-env'))).toEqual(['tablecast-env.d.ts']);
    });
  });

  test('writes elsewhere, and never over a file that it has not made', async () => {
    const own = 'export const mine = 1;\n';
    await inApp(
      async ({ dir }) => {
        const out = join(dir, 'types', 'tables.d.ts');
        const missing = await runToExit(['types', dir, '--out', out]);
        expect([missing.code, missing.stderr]).toEqual([1, expect.stringMatching(/does not exist\n$/)]);
        await mkdir(join(dir, 'types'));
        expect((await runToExit(['types', dir, '--out', out])).code).toBe(0);
        expect(await readFile(out, 'utf8')).toContain("declare module 'tablecast'");
        const page = join(dir, 'types', 'page.d.ts');
        expect((await runToExit(['types', dir, '--client', page])).code).toBe(0);
        expect(await readFile(page, 'utf8')).toContain('export interface App {');
        const refused = await runToExit(['types', dir, '--out', join(dir, 'own.ts')]);
        expect([refused.code, refused.stderr]).toEqual([
          1,
          expect.stringContaining('was not written by tablecast types'),
        ]);
        expect(await readFile(join(dir, 'own.ts'), 'utf8')).toBe(own);
      },
      { 'own.ts': own },
    );
  });

  test('writes a file for each of several applications', async () => {
    const files = Object.fromEntries(
      ['one', 'two'].flatMap((name) => [
        [`${name}/schema.graphql`, MESSAGE.replaceAll('Message', `In${name}`)],
        [`${name}/config.yaml`, 'rest: true\n'],
      ]),
    );
    await inApp(async ({ dir }) => {
      await rm(join(dir, 'schema.graphql'));
      await writeFile(join(dir, 'config.yaml'), 'port: 0\n');
      expect((await runToExit(['types', dir])).code).toBe(0);
      for (const name of ['one', 'two']) {
        expect(await readFile(join(dir, name, 'tablecast-env.d.ts'), 'utf8')).toContain(`export interface In${name} {`);
      }
      const several = await runToExit(['types', dir, '--out', join(dir, 'x.d.ts')]);
      expect([several.code, several.stderr]).toEqual([2, expect.stringContaining('there are 2 applications')]);
      const client = await runToExit(['types', dir, '--client', join(dir, 'x.d.ts')]);
      expect([client.code, client.stderr]).toEqual([2, expect.stringContaining('--client names one file')]);
    }, files);
  });

  test('with --watch writes again after each change, and keeps the files while the schema has an error', {
    timeout: 60_000,
  }, async () => {
    await inApp(async ({ dir }) => {
      const child = spawn(process.execPath, [CLI, 'types', dir, '--watch'], { stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
      const told = (text: string, count: number) =>
        until(
          async () => output.split(text).length - 1,
          (found) => found === count,
          { timeout: 30_000, what: `${count} times "${text}"` },
        );
      const save = async (schema: string) => {
        const began = performance.now();
        await writeFile(join(dir, 'schema.graphql'), schema);
        return () => performance.now() - began;
      };
      try {
        await told('watching', 1);
        const client = join(dir, 'tablecast-client.d.ts');
        const took: number[] = [];
        for (let turn = 1; turn <= 3; turn++) {
          const passed = await save(MESSAGE.replace('}', `more${turn}: Int }`));
          await told(`${client} written`, turn + 1);
          took.push(passed());
          expect(await readFile(client, 'utf8')).toContain(`more${turn}`);
        }
        process.stdout.write(`from saving to the types: ${took.map(Math.round).join(', ')} ms\n`);
        await save('type Message @tabel { id: ID! @primaryKey }\n');
        await told('schema.graphql:1:14', 1);
        expect(await readFile(client, 'utf8')).toContain('more3');
        await save(MESSAGE);
        await told(`${client} written`, 5);
        expect(await readFile(client, 'utf8')).not.toContain('more3');
        // What says the same is not written.
        expect(output.split('tablecast.graphql written')).toHaveLength(2);
      } finally {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      expect(child.exitCode).toBe(0);
    });
  });

  test('tells what is wrong with the schema, and with the call', async () => {
    await inApp(async ({ dir }) => {
      await writeFile(join(dir, 'schema.graphql'), 'type A @tabel { id: ID! @primaryKey }\n');
      const { code, stderr } = await runToExit(['types', dir]);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/schema\.graphql:1:8 .*@tabel/)]);
    });
    expect(await runToExit(['types', '--chek'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--check') });
    const both = await runToExit(['types', '--check', '--watch']);
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('use one of them')]);
  });
});

describe('tablecast dev', () => {
  test('keeps a file that is there up to date, makes none, and does not start again for it', {
    timeout: 60_000,
  }, async () => {
    await inApp(async ({ dir }) => {
      const path = join(dir, 'tablecast-env.d.ts');
      const child = spawn(process.execPath, [CLI, 'dev', dir], { stdio: ['ignore', 'ignore', 'pipe'] });
      let output = '';
      child.stderr.on('data', (chunk) => (output += String(chunk)));
      const told = (text: string, count: number) =>
        until(
          async () => output.split(text).length - 1,
          (found) => found === count,
          { timeout: 30_000, what: `${count} times "${text}"` },
        );
      try {
        await told('serving on', 1);
        expect(await readdir(dir)).not.toContain('tablecast-env.d.ts');
        expect((await runToExit(['types', dir])).code).toBe(0);
        await writeFile(join(dir, 'schema.graphql'), MESSAGE.replace('}', 'more: Int }'));
        await told(`wrote ${path}`, 1);
        await told('serving on', 2);
        expect(await readFile(path, 'utf8')).toContain('more: number | null;');
        await writeFile(path, 'export const mine = 1;\n');
        await writeFile(join(dir, 'schema.graphql'), MESSAGE.replace('}', 'more: Int other: Int }'));
        await told('serving on', 3);
        // One start for each change of the schema: none for what it wrote itself, nor for the file of others.
        expect(output.match(/changed: .*/g)).toEqual(['changed: schema.graphql', 'changed: schema.graphql']);
        expect(await readFile(path, 'utf8')).toBe('export const mine = 1;\n');
      } finally {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
    });
  });
});
