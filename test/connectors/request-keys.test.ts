import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { StoredRequestKeys } from '../../src/connectors/flows/run/request-keys.ts';
import { AppError } from '../../src/errors.ts';
import { loadEngine } from '../../src/store/index.ts';

async function open(limits = { retention: 60_000, maxCount: 10 }) {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-keys-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const store = await (await loadEngine()).openFlows({ dir, busyTimeout: 50 });
  onTestFinished(() => store.close());
  return { store, keys: new StoredRequestKeys(store, limits), limits };
}

const REUSED = { code: 'IDEMPOTENCY_KEY_REUSED', status: 422 };
const done = async () => 'done';

test('a key is that of the first request: the same again is run, another one is refused', async () => {
  const { store, keys, limits } = await open();
  expect(await keys.run('k', 'a', done)).toBe('done');
  expect(await keys.run('k', 'a', done)).toBe('done');
  await expect(keys.run('k', 'b', done)).rejects.toMatchObject(REUSED);
  expect(await keys.run('other', 'b', done)).toBe('done');
  // As after a restart.
  await expect(new StoredRequestKeys(store, limits).run('k', 'b', done)).rejects.toMatchObject(REUSED);
});

test('while the first request runs, the same one is refused as in progress, and another one as reused', async () => {
  const { keys } = await open();
  let finish = (_value: string): void => {};
  const first = keys.run('k', 'a', () => new Promise<string>((resolve) => (finish = resolve)));
  const busy = { code: 'IDEMPOTENCY_IN_PROGRESS', status: 409, headers: { 'retry-after': '1' } };
  await expect(keys.run('k', 'a', done)).rejects.toMatchObject(busy);
  await expect(keys.run('k', 'b', done)).rejects.toMatchObject(REUSED);
  finish('first');
  expect([await first, await keys.run('k', 'a', done)]).toEqual(['first', 'done']);
});

test('a refused request leaves the key free, one that failed does not', async () => {
  const { keys } = await open();
  const fail = (error: Error) => () => Promise.reject(error);
  await expect(keys.run('k', 'a', fail(new AppError('VALIDATION_ERROR', 'no')))).rejects.toThrow('no');
  expect(await keys.run('k', 'b', done)).toBe('done');
  // What was done once stays the first request, also when it is refused later.
  await expect(keys.run('k', 'b', fail(new AppError('CONFLICT', 'no')))).rejects.toThrow('no');
  await expect(keys.run('k', 'a', done)).rejects.toMatchObject(REUSED);
  await expect(keys.run('m', 'a', fail(new AppError('FLOW_FAILED', 'no')))).rejects.toThrow('no');
  await expect(keys.run('m', 'b', done)).rejects.toMatchObject(REUSED);
  expect(await keys.run('m', 'a', done)).toBe('done');
});

test('a key is free when its time has come, and the oldest go where there are too many', async () => {
  const { store, keys } = await open({ retention: 1, maxCount: 10 });
  await keys.run('k', 'a', done);
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(await keys.run('k', 'b', done)).toBe('done');
  const few = new StoredRequestKeys(store, { retention: 60_000, maxCount: 1 });
  store.keepRequest('old', 'a', Date.now() + 1000);
  await few.run('new', 'a', done);
  expect([store.requestDigest('old', 0), store.requestDigest('new', 0)]).toEqual([undefined, 'a']);
});
