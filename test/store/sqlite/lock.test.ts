import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StoreOpenError } from '../../../src/store/open-errors.ts';
import { DirectoryInUseError, lockDirectory } from '../../../src/store/sqlite/database/lock.ts';

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-lock-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'deep', 'data');
}

/** A process of its own that holds the directory. */
async function holder(dir: string): Promise<ReturnType<typeof spawn>> {
  const program = `
    const Database = require('better-sqlite3');
    const db = new Database(process.argv[1]);
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
    console.log('held');
    setInterval(() => db.open, 1000);`;
  const child = spawn(process.execPath, ['-e', program, join(dir, 'server.lock')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

describe('the lock of a data directory', () => {
  test('makes the directory and says who has it', () => {
    const dir = folder();
    const lock = lockDirectory(dir);
    const { pid, started } = JSON.parse(readFileSync(join(dir, 'server.json'), 'utf8')) as Record<string, unknown>;
    expect(pid).toBe(process.pid);
    expect(Math.abs(Date.parse(String(started)) - Date.now())).toBeLessThan(60_000);
    lock.release();
  });

  test('is held by one at a time, and free after it was released', () => {
    const dir = folder();
    const lock = lockDirectory(dir);
    expect(() => lockDirectory(dir)).toThrow(DirectoryInUseError);
    expect(() => lockDirectory(dir)).toThrow(`in use by process ${process.pid} (started 2`);
    lock.release();
    lockDirectory(dir).release();
  });

  test('of another process is respected, and goes when that process is killed', async () => {
    const dir = folder();
    mkdirSync(dir, { recursive: true });
    const child = await holder(dir);
    expect(() => lockDirectory(dir)).toThrow(`The data directory ${dir} is in use by another process. Stop it, or`);
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    lockDirectory(dir).release();
  });

  test('that cannot be taken is explained', () => {
    const dir = folder();
    mkdirSync(join(dir, 'server.lock'), { recursive: true });
    expect(() => lockDirectory(dir)).toThrow(StoreOpenError);
    expect(() => lockDirectory(dir)).toThrow('server.lock cannot be locked');
    rmSync(join(dir, 'server.lock'), { recursive: true });
    writeFileSync(join(dir, 'server.lock'), 'this is no database, and longer than its header would be. '.repeat(20));
    expect(() => lockDirectory(dir)).toThrow('the file itself may be removed');
  });

  test.skipIf(process.getuid?.() === 0)('that may not be written is explained', () => {
    const dir = folder();
    mkdirSync(dir, { recursive: true });
    chmodSync(dir, 0o500);
    expect(() => lockDirectory(dir)).toThrow('Check who owns the folder');
    chmodSync(dir, 0o700);
  });
});
