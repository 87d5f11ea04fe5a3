import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { MemoryThrottle, networkOf } from '../../src/auth/accounts/login-throttle.ts';
import { AppError } from '../../src/errors.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

function refusal(run: () => unknown): AppError | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  return undefined;
}

describe('attempts', () => {
  test('are refused after too many failures in a minute, with the time of the next try', () => {
    const attempts = new MemoryThrottle(3);
    attempts.begin('ada');
    vi.advanceTimersByTime(10_000);
    attempts.begin('ada');
    attempts.begin('ada');
    vi.advanceTimersByTime(20_000);
    expect(refusal(() => attempts.begin('ada'))).toMatchObject({
      code: 'TOO_MANY_ATTEMPTS',
      status: 429,
      headers: { 'retry-after': '30' },
    });
    vi.advanceTimersByTime(29_999);
    expect(refusal(() => attempts.begin('ada'))?.headers).toEqual({ 'retry-after': '1' });
    vi.advanceTimersByTime(1);
    attempts.begin('ada');
    expect(refusal(() => attempts.begin('ada'))?.headers).toEqual({ 'retry-after': '10' });
  });

  test('count for each of their names, and not at all when one of them is refused', () => {
    const attempts = new MemoryThrottle(2);
    attempts.begin('ip 1', 'ada');
    attempts.begin('ip 2', 'ada');
    for (let n = 0; n < 5; n++) expect(refusal(() => attempts.begin('ip 3', 'ada'))).toBeDefined();
    attempts.begin('ip 3', 'bob');
    attempts.begin('ip 3', 'carl');
    expect(refusal(() => attempts.begin('ip 3', 'dora'))).toBeDefined();
    attempts.begin('ip 1', 'dora');
  });

  test('count while they are running, and not when they are withdrawn', () => {
    const attempts = new MemoryThrottle(2);
    const first = attempts.begin('ada');
    attempts.begin('ada');
    expect(refusal(() => attempts.begin('ada'))).toBeDefined();
    first.withdraw();
    attempts.begin('ada');
    first.withdraw();
    expect(refusal(() => attempts.begin('ada'))).toBeUndefined();
  });

  test('of many names are forgotten, the oldest first, rather than fill the memory', () => {
    const attempts = new MemoryThrottle(1);
    attempts.begin('first');
    for (let n = 0; n < 100_000; n++) attempts.begin(`name ${n}`);
    expect(refusal(() => attempts.begin('first'))).toBeUndefined();
    expect(refusal(() => attempts.begin('name 99999'))).toBeDefined();
  });
});

describe('an address', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['not an address', 'not an address'],
    [undefined, 'gone'],
  ])('%s counts as %s', (ip, network) => {
    expect(networkOf(ip)).toBe(network);
  });
});
