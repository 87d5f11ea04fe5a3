import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startServer } from '../../support/app.ts';
import { DataFolder, toLines } from './harness.ts';

const CLI = join(import.meta.dirname, '../../../dist/cli.js');
const RECORDS = 6000;

/** Runs the command and kills it after the time; resolves with its exit code, null when it was killed. */
async function runAndKill(args: readonly string[], time: number): Promise<number | null> {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: 'ignore' });
  const ended = new Promise<number | null>((done) => child.once('exit', (code) => done(code)));
  await Promise.race([ended, sleep(time)]);
  child.kill('SIGKILL');
  return ended;
}

test.each([
  ['without a server', false],
  ['through a server', true],
])('an import %s that is killed again and again writes each record once', { timeout: 240_000 }, async (_, isLive) => {
  const folder = await DataFolder.make(
    'type Note @table @export { id: ID! @primaryKey text: String! n: Int @unique }',
    'rest: true\nschemas:\n  - schema.graphql\nport: 0\nhost: 127.0.0.1\ndurability: normal\n',
  );
  // Keys are made by the import.
  const rows = Array.from({ length: RECORDS }, (_, n) => ({ text: `note ${n}`, n: n === 4321 ? 0 : n }));
  const file = await folder.write('Note.ndjson', toLines(rows));
  const server = isLive ? await startServer({ dir: folder.dir }) : undefined;
  const args = ['import', file, folder.dir, '--on-error', 'skip'];
  let killed = 0;
  for (let time = 250; killed < 8; time += 40) {
    const code = await runAndKill(args, time + Math.random() * 100);
    if (code !== null) break;
    killed++;
  }
  expect(killed).toBeGreaterThan(0);
  const done = await folder.run(...args);
  expect(done).toMatchObject({ code: 1, stdout: expect.stringContaining('1 refused') });
  const again = await folder.run(...args);
  expect(again.stdout).toBe(`Note: 6,000 records: 0 created, 0 updated, ${RECORDS - 1} unchanged, 1 refused\n`);
  await server?.stop();
  expect(folder.query('SELECT count(*), count(DISTINCT n) FROM "data/Note"')).toEqual([[RECORDS - 1, RECORDS - 1]]);
  expect(folder.query('SELECT count(*) FROM "data/Note:log"')).toEqual([[RECORDS - 1]]);
});
