import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { StartError } from '../../src/config/files/diagnostic.ts';
import { ModuleLoader } from '../../src/hooks/module-loader.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function write(files: Readonly<Record<string, string>>): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'tablecast-modules-')));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

function load(files: Readonly<Record<string, string>>, name: string, timeout?: number) {
  const folder = write(files);
  const loader = new ModuleLoader({ folder, root: folder, ...(timeout === undefined ? {} : { timeout }) });
  return loader.load(join(folder, name));
}

async function mistakeOf(loading: Promise<unknown>): Promise<string> {
  const error = await loading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(StartError);
  return (error as StartError).message;
}

describe('a module of an application', () => {
  test('is TypeScript with types, enums and top-level await, and imports other files', async () => {
    const exports = await load(
      {
        'hooks.ts': `import type { Hooks } from 'tablecast';
import { double } from './lib/double';
import { double as again } from './lib/double.ts';
enum Color { red = 'r' }
export const four: number = await Promise.resolve(double(2));
export const color: Color = Color.red;
export const same = double === again;
export default { x: 1 } satisfies Record<string, number>;
export type { Hooks };`,
        'lib/double.ts': 'export function double(value: number): number { return value * 2 }',
      },
      'hooks.ts',
    );
    expect({ ...exports }).toEqual({ four: 4, color: 'r', same: true, default: { x: 1 } });
  });

  test.each([
    ['a.js', 'export const a = 1;'],
    ['a.mjs', 'export const a = 1;'],
    ['a.cjs', 'exports.a = 1;'],
    ['a.mts', 'export const a: number = 1;'],
  ])('may be %s', async (name, text) => {
    expect(await load({ [name]: text }, name)).toMatchObject({ a: 1 });
  });

  test.each(['a.ts', 'a.js', 'a.mjs', 'a.mts', 'a.cjs'])(
    'finds this package from %s without node_modules',
    async (name) => {
      const text = name.endsWith('cjs')
        ? "exports.all = [require('tablecast'), require('tablecast/client')];"
        : "import * as server from 'tablecast';\nimport * as client from 'tablecast/client';\nexport const all = [server, client];";
      const { all } = (await load({ [name]: text }, name)) as { all: Record<string, unknown>[] };
      const built = (file: string) => import(new URL(`../../dist/${file}`, import.meta.url).href);
      const [server, client] = [await built('index.js'), await built('client.js')];
      expect(all[0]?.AppError).toBe(server.AppError);
      expect(all[1]?.connect).toBe(client.connect);
    },
  );

  test('imports the running package, whichever is installed', async () => {
    const files = {
      'node_modules/tablecast/package.json': '{"name":"tablecast","type":"module","exports":"./index.js"}',
      'node_modules/tablecast/index.js': 'export const defineRoute = undefined;',
      'a.ts': "export { defineRoute } from 'tablecast';",
    };
    expect(await load(files, 'a.ts')).toEqual({ defineRoute: expect.any(Function) });
  });

  test('is shared by the modules of one loader, and read again by another one', async () => {
    const folder = write({
      'state.ts': 'export const state = { n: 1 };',
      'a.ts': "export { state } from './state.ts';",
      'b.ts': "export { state } from './state.ts';",
    });
    const loader = new ModuleLoader({ folder, root: folder });
    const [a, b] = [await loader.load(join(folder, 'a.ts')), await loader.load(join(folder, 'b.ts'))];
    expect(a.state).toBe(b.state);
    writeFileSync(join(folder, 'state.ts'), 'export const state = { n: 2 };');
    const later = new ModuleLoader({ folder, root: folder });
    expect(await later.load(join(folder, 'a.ts'))).toMatchObject({ state: { n: 2 } });
  });

  test('that does not parse is reported with its place, also when another one imports it', async () => {
    const files = { 'a.ts': "import './b.ts';\n", 'b.ts': 'const b: number = 1;\n\nexport const c = {{;\n' };
    for (const name of ['a.ts', 'b.ts']) {
      const mistake = await mistakeOf(load(files, name));
      expect(mistake).toMatch(/^b\.ts:3:19 does not parse: Unexpected token/);
      expect(mistake).toContain('  3 | export const c = {{;');
    }
  });

  test('that throws while it is loaded is reported with the line', async () => {
    const text = 'interface Some {\n  a: 1;\n}\nexport const b = (undefined as unknown as { c: 1 }).c;\n';
    expect(await mistakeOf(load({ 'a.ts': text }, 'a.ts'))).toMatch(
      /^a\.ts:4:1 cannot be loaded: Cannot read properties of undefined/,
    );
  });

  test('that imports a missing file is reported', async () => {
    const mistake = await mistakeOf(load({ 'a.ts': "import { z } from './nope.ts';\nexport const b = z;\n" }, 'a.ts'));
    expect(mistake).toMatch(/^a\.ts:1:1 cannot be loaded: Cannot find module '\.\/nope\.ts'/);
  });

  test('that never finishes loading is reported', async () => {
    const mistake = await mistakeOf(load({ 'a.ts': 'await new Promise(() => {});\n' }, 'a.ts', 100));
    expect(mistake).toMatch(/^a\.ts was not loaded within 100 ms/);
  });

  test('has diagnostics at the place of a text', async () => {
    const folder = write({ 'a.ts': 'const a = 1;\nexport const onConnect = a;\n' });
    const loader = new ModuleLoader({ folder, root: dirname(folder) });
    const place = loader.diagnoseAt(join(folder, 'a.ts'), /\bonConnect\b/, { message: 'is unknown' });
    expect(place.at).toMatchObject({ line: 2, column: 14 });
    expect(place.at.file).toMatch(/^tablecast-modules-.*\/a\.ts$/);
  });
});
