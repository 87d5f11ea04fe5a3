import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { StartError } from '../../src/config/files/diagnostic.ts';
import { type HookLists, readHooks } from '../../src/hooks/exports.ts';
import { ModuleLoader } from '../../src/hooks/module-loader.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function read(...modules: string[]): Promise<HookLists> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'tablecast-hooks-')));
  folders.push(folder);
  const paths = modules.map((text, index) => {
    const path = join(folder, `hooks${index}.ts`);
    writeFileSync(path, text);
    return path;
  });
  const loader = new ModuleLoader({ folder, root: folder });
  return readHooks({ loader, paths, tables: new Set(['Message', 'Note']) });
}

async function mistakesOf(text: string): Promise<string[]> {
  const error = await read(text).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof StartError)) throw error ?? new Error('there is no mistake');
  return error.diagnostics.map(({ at, message, hint }) => `${at.line}:${at.column} ${message} | ${hint ?? ''}`);
}

/** Names of the hooks that were found. */
function namesOf({ realtime, tables }: HookLists): string[] {
  return [realtime, ...tables.values()].flatMap((lists) => [...lists.values()].flat().map(({ name }) => name));
}

describe('the exports of a module of hooks', () => {
  test('are found by name, in camel and in snake case', async () => {
    const lists = await read(`export const onRealtimeConnect = () => {};
export function on_realtime_disconnect() {}
export const tables = { Message: { beforeCreate() {}, before_delete() {} }, Note: { async afterChange() {} } };`);
    expect(namesOf(lists)).toEqual([
      'onRealtimeConnect',
      'onRealtimeDisconnect',
      'beforeCreate of Message',
      'beforeDelete of Message',
      'afterChange of Note',
    ]);
  });

  test.each([
    ['of a default object', 'export default { on_realtime_message() {}, tables: { Note: { after_change() {} } } };'],
    ['of CommonJS', 'module.exports = { on_realtime_message() {}, tables: { Note: { after_change() {} } } };'],
  ])('are the members %s', async (_, text) => {
    expect(namesOf(await read(text))).toEqual(['onRealtimeMessage', 'afterChange of Note']);
  });

  test('of several modules are called in order', async () => {
    const lists = await read(
      'export const onRealtimeConnect = () => 1;',
      'export const on_realtime_connect = () => 2;',
    );
    expect(lists.realtime.get('onRealtimeConnect')?.map(({ call }) => call({}))).toEqual([1, 2]);
  });

  test.each([
    [
      'export const onRealtimeConect = () => {};',
      '1:14 exports "onRealtimeConect", which is not a hook',
      'did you mean "onRealtimeConnect"?',
    ],
    ['export const on_realtime_conect = () => {};', 'is not a hook', 'did you mean "on_realtime_connect"?'],
    ['\nexport const helper = 1;', '2:14 exports "helper", which is not a hook', 'known are onRealtimeConnect, '],
    ['export const tables = { Mesage: {} };', '1:25 there is no exported table "Mesage"', 'did you mean "Message"?'],
    [
      'export const tables = { Note: { beforeCreat() {} } };',
      '"beforeCreat" of tables.Note is not a hook',
      'did you mean "beforeCreate"?',
    ],
    ['export const tables = { Note: 1 };', 'tables.Note must be an object of hooks', ''],
    ['export const tables = 1;', 'tables must be an object of tables', ''],
    ['export const onRealtimeConnect = 1;', 'onRealtimeConnect must be a function', ''],
    ['export default 1;', 'the default export must be an object of hooks', ''],
    ['export {};', '0:0 exports no hooks', 'a module of hooks exports'],
    [
      'export const onRealtimeConnect = () => {};\nexport const on_realtime_connect = () => {};',
      '2:14 the module has onRealtimeConnect twice',
      '',
    ],
  ])('are checked: %s', async (text, message, hint) => {
    const mistakes = await mistakesOf(text);
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toContain(message);
    expect(mistakes[0]).toContain(hint);
  });

  test('are checked all at once', async () => {
    expect(await mistakesOf('export const a = 1;\nexport const tables = { None: {} };')).toHaveLength(2);
  });
});
