import { readFileSync } from 'node:fs';
import { STATUS_CODES } from 'node:http';
import { describe, expect, test } from 'vitest';
import { StartError } from '../src/config/files/diagnostic.ts';
import { AppError, ERRORS, type ErrorCode, makeProblem } from '../src/errors.ts';

const PROTOCOL = readFileSync(new URL('../PROTOCOL.md', import.meta.url), 'utf8');

/** The rows of the table in PROTOCOL.md, section 6. */
function documented(): [code: string, status: number, title: string][] {
  const section = /^## 6\. Codes$([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(PROTOCOL)?.[1] ?? '';
  return [...section.matchAll(/^\| `([A-Z_]+)` \| (\d{3}) \| (.+) \|$/gm)].map(([, code, status, title]) => [
    code as string,
    Number(status),
    title as string,
  ]);
}

const codes = Object.keys(ERRORS) as ErrorCode[];

describe('the table of errors', () => {
  test('is the one in PROTOCOL.md, row by row', () => {
    const rows = documented();
    expect(rows.length).toBeGreaterThan(20);
    expect(rows).toEqual(Object.entries(ERRORS).map(([code, { status, title }]) => [code, status, title]));
  });

  test('has every code once in PROTOCOL.md', () => {
    const names = documented().map(([code]) => code);
    expect(new Set(names).size).toBe(names.length);
  });

  test.each(codes)('gives %s a status of HTTP for a failure, and a title', (code) => {
    const { status, title } = ERRORS[code];
    expect(Object.keys(STATUS_CODES)).toContain(String(status));
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(title).toMatch(/^[A-Z][^.]*$/);
  });
});

describe('an error', () => {
  test('has the status of its code, the message and its cause', () => {
    const cause = new Error('below');
    const error = new AppError('CONFLICT', 'id: is taken.', { cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: 'AppError', code: 'CONFLICT', status: 409, message: 'id: is taken.', cause });
    expect(error.headers).toEqual({});
    expect('cause' in new AppError('CONFLICT', 'x')).toBe(false);
  });

  test('of another copy of the package is one, too', async () => {
    const { AppError: Other, StartError: OtherStart } = await import(new URL('../dist/index.js', import.meta.url).href);
    expect(Other).not.toBe(AppError);
    expect(new Other('NOT_FOUND', 'x')).toBeInstanceOf(AppError);
    expect(new OtherStart([])).toBeInstanceOf(StartError);
    // A newer copy may have codes that this one knows nothing about.
    expect(Object.assign(new Other('NOT_FOUND', 'x'), { code: 'BRAND_NEW' })).not.toBeInstanceOf(AppError);
    for (const none of [new Error('x'), { code: 'NOT_FOUND' }, undefined, new OtherStart([])]) {
      expect(none).not.toBeInstanceOf(AppError);
    }
    class Special extends AppError {}
    expect(new Special('NOT_FOUND', 'x')).toBeInstanceOf(AppError);
    expect(new Special('NOT_FOUND', 'x')).toBeInstanceOf(Special);
    expect(new AppError('NOT_FOUND', 'x')).not.toBeInstanceOf(Special);
  });

  test.each(codes.filter((code) => ERRORS[code].status === 503))('asks with %s to come back later', (code) => {
    expect(new AppError(code, 'x').headers).toEqual({ 'retry-after': '1' });
    expect(new AppError(code, 'x', { headers: { 'retry-after': '5' } }).headers).toEqual({ 'retry-after': '5' });
  });
});

describe('a problem', () => {
  test('has the members of RFC 9457 and ours, and nothing of the cause', () => {
    const problem = makeProblem(new AppError('NOT_FOUND', 'There is no such record.', { cause: new Error('secret') }));
    expect(problem).toEqual({
      type: 'urn:tablecast:error:NOT_FOUND',
      title: 'Not found',
      status: 404,
      detail: 'There is no such record.',
      code: 'NOT_FOUND',
      error: 'There is no such record.',
    });
  });

  test('names the wrong fields', () => {
    const errors = [{ field: 'title', message: 'is required' }];
    const problem = makeProblem(new AppError('VALIDATION_ERROR', 'title: is required', { errors }));
    expect(problem.errors).toEqual(errors);
    const example = /```json\n(\{"type":"urn:tablecast:error[\s\S]*?)```/.exec(PROTOCOL)?.[1] ?? '';
    expect(JSON.parse(example)).toEqual(problem);
  });
});
