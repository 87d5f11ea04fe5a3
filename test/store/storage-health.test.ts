import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { StorageHealth } from '../../src/store/storage-health.ts';

const FULL = new AppError('STORAGE_FULL', 'full');

function open() {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-health-'));
  const told: string[] = [];
  const onFailing = ({ code }: AppError) => void told.push(code);
  const health = new StorageHealth({ dir, onFailing, onWritable: () => void told.push('writable') });
  onTestFinished(() => {
    health.close();
    rmSync(dir, { recursive: true, force: true });
  });
  return { dir, told, health };
}

test('a failure is reported once, and ends when a probe succeeds', async () => {
  const { dir, told, health } = open();
  let isFull = true;
  health.probeWith(() => {
    if (isFull) throw FULL;
  });
  for (let n = 0; n < 3; n++) health.report(FULL);
  await health.look();
  expect([told, health.failure, health.failed]).toEqual([['STORAGE_FULL'], FULL, 3]);
  isFull = false;
  await health.look();
  await health.look();
  expect([told, health.failure]).toEqual([['STORAGE_FULL', 'writable'], undefined]);
  // The probe leaves nothing behind.
  expect(readdirSync(dir)).toEqual([]);
});

test.each(['STORAGE_BUSY', 'CONFLICT'] as const)('%s is no failure of the storage', (code) => {
  const { told, health } = open();
  health.report(new AppError(code, 'x'));
  health.report(new Error('a fault'));
  expect([told, health.failure, health.failed]).toEqual([[], undefined, 0]);
});

test('a file that is moved, removed or replaced stops writes until it is back', async () => {
  const { dir, told, health } = open();
  const file = join(dir, 'data.db');
  writeFileSync(file, '');
  const unwatch = health.watch(file);
  const isStopped = async () => {
    await health.look();
    try {
      health.check();
      return false;
    } catch (error) {
      expect(error).toMatchObject({ code: 'STORAGE_MOVED', status: 503 });
      return true;
    }
  };
  expect(await isStopped()).toBe(false);
  renameSync(file, `${file}.away`);
  expect(await isStopped()).toBe(true);
  writeFileSync(file, '');
  expect(await isStopped()).toBe(true);
  renameSync(`${file}.away`, file);
  expect(await isStopped()).toBe(false);
  expect(told).toEqual(['STORAGE_MOVED', 'writable']);
  // A write-ahead log that comes later is looked after from then on, and only as long as it is open.
  writeFileSync(`${file}-wal`, '');
  expect(await isStopped()).toBe(false);
  rmSync(`${file}-wal`);
  expect(await isStopped()).toBe(true);
  unwatch();
  expect(await isStopped()).toBe(false);
});
