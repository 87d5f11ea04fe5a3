import { expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { askHook, tellHook } from '../../src/hooks/call.ts';

const errors: string[] = [];
const options = { timeout: 20, onError: (error: unknown) => errors.push(String(error)) };

async function ask(call: () => unknown): Promise<string> {
  errors.length = 0;
  try {
    return `gave ${await askHook({ name: 'h', call }, {}, options)}`;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return `${error.code} ${error.message}`;
  }
}

function fail(error: unknown): () => never {
  return () => {
    throw error;
  };
}

const withCode = (code: string) => Object.assign(new Error('why'), { code });

test.each<[string, () => unknown, string]>([
  ['nothing', () => {}, 'gave undefined'],
  ['a promise', async () => 5, 'gave 5'],
  ['an error', fail(new Error('why')), 'HOOK_REFUSED why'],
  ['an error later', () => Promise.reject(new Error('why')), 'HOOK_REFUSED why'],
  ['false', () => false, 'HOOK_REFUSED The hook h has refused.'],
  ['no error at all', fail('why'), 'HOOK_REFUSED why'],
  ['a code of ours', fail(withCode('VALIDATION_ERROR')), 'VALIDATION_ERROR why'],
  ['an error of a table', fail(new AppError('CONFLICT', 'why')), 'CONFLICT why'],
])('a hook that returns %s has answered', async (_, call, answer) => {
  expect(await ask(call)).toBe(answer);
  expect(errors).toEqual([]);
});

const FAILED = 'HOOK_FAILED The hook h has failed; it has been logged.';

test.each<[string, () => unknown, string]>([
  ['a mistake in code', fail(new TypeError('secret')), 'Error: hook h: secret'],
  ['a code of the system', fail(withCode('ENOENT')), 'Error: hook h: why'],
  ['a code of a fault', fail(withCode('INTERNAL')), 'Error: hook h: why'],
  ['no answer', () => new Promise(() => {}), 'Error: hook h: no answer within hook_timeout (20 ms)'],
])('a hook with %s has failed, and its caller does not learn why', async (_, call, logged) => {
  expect(await ask(call)).toBe(FAILED);
  expect(errors).toEqual([logged]);
});

test('a hook after the event may fail', async () => {
  errors.length = 0;
  await tellHook({ name: 'h', call: fail(new Error('why')) }, {}, options);
  expect(errors).toEqual(['Error: hook h: why']);
});
