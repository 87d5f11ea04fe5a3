import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ProgressLine } from '../../../src/commands/records/progress.ts';
import { DataFolder, toLines } from './harness.ts';

const CLI = join(import.meta.dirname, '../../../dist/cli.js');
const SCHEMA = 'type Note @table @export { id: ID! @primaryKey text: String! }';
const RECORDS = 6000;
/** As a shell reports a process that ended by SIGINT. */
const INTERRUPTED_EXIT = 130;

/** Runs a command and sends SIGINT when `begun` says that it has begun to write. */
async function interrupt(args: readonly string[], begun: (child: ReturnType<typeof spawn>) => Promise<void>) {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = once(child, 'close');
  await Promise.race([begun(child), ended]);
  child.kill('SIGINT');
  const [code] = await ended;
  return { code, stderr };
}

/** Resolves when a file with the ending appears in the folder. */
async function fileAppears(folder: string, ending: string): Promise<void> {
  const watcher = watch(folder);
  try {
    await new Promise<void>((done) => {
      watcher.on('change', (_, name) => String(name).endsWith(ending) && done());
    });
  } finally {
    watcher.close();
  }
}

describe('Ctrl-C', { timeout: 120_000 }, () => {
  test('ends an export and a backup without a file that is half-written', async () => {
    const folder = await DataFolder.make(SCHEMA, 'port: 0\ndurability: normal\n');
    const rows = Array.from({ length: RECORDS }, (_, n) => ({ id: `${n}`, text: 'x'.repeat(15_000) }));
    const file = await folder.write('in/Note.ndjson', toLines(rows));
    expect(await folder.run('import', file, folder.dir)).toMatchObject({ code: 0 });
    const out = join(folder.dir, 'in');
    for (const args of [
      ['export', folder.dir, '--table', 'Note', '--out', join(out, 'out.ndjson')],
      ['backup', folder.dir, '--to', join(out, 'out.backup')],
    ]) {
      const { code, stderr } = await interrupt(args, () => fileAppears(out, '.part'));
      expect([code, stderr]).toEqual([
        INTERRUPTED_EXIT,
        expect.stringMatching(/^Interrupted: .* was not written\.\n$/),
      ]);
      expect(await readdir(out)).toEqual(['Note.ndjson']);
    }
  });

  test('ends an import between two batches, and the next run writes the rest', async () => {
    const folder = await DataFolder.make(SCHEMA, 'port: 0\ndurability: normal\n');
    const file = await folder.write(
      'Note.ndjson',
      toLines(Array.from({ length: RECORDS }, () => ({ text: 'a note' }))),
    );
    const data = folder.path('data');
    await folder.run('seed', folder.dir, '--generate', '0');
    const args = ['import', file, folder.dir];
    const { code, stderr } = await interrupt(args, () => fileAppears(data, 'data.db-wal'));
    expect([code, stderr]).toEqual([
      INTERRUPTED_EXIT,
      'Interrupted: run the same command again, and it continues where it stopped.\n',
    ]);
    const [[written]] = folder.query('SELECT count(*) FROM "data/Note"') as [[number]];
    expect(written).toBeLessThan(RECORDS);
    const { stdout } = await folder.run(...args);
    const [created, unchanged] = [RECORDS - written, written].map((count) => count.toLocaleString('en'));
    expect(stdout.replaceAll(',', '')).toBe(
      `Note: 6000 records: ${created} created, 0 updated, ${unchanged} unchanged\n`.replaceAll(',', ''),
    );
  });
});

test('progress is a bar at a terminal, and nothing elsewhere', () => {
  const written: string[] = [];
  const output = { isTTY: true, write: (text: string) => written.push(text) > 0 };
  const line = new ProgressLine('Note', output as never);
  line.update(1200, 0.25);
  line.update(1300, 0.3);
  line.end();
  expect(written).toEqual([`\r\u001b[KNote ${'█'.repeat(5)}${'░'.repeat(15)}  25 % 1,200`, '\r\u001b[K']);
  const silent = new ProgressLine('Note', { ...output, isTTY: false } as never);
  silent.update(1, 1);
  silent.end();
  expect(written).toHaveLength(2);
});
