import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { addressKey, makeAddressOf } from '../../src/server/client-address.ts';
import { RateLimiter } from '../../src/server/limits/rate-limiter.ts';
import { requestFrom } from './requests.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

function takeAll(limiter: RateLimiter, key: string, count: number): number {
  return Array.from({ length: count }, () => limiter.take(key)).filter((wait) => wait === 0).length;
}

describe('a rate limiter', () => {
  test('allows a burst, then its rate, and returns how long to wait', () => {
    const limiter = new RateLimiter({ perSecond: 10, burst: 20 });
    expect(takeAll(limiter, 'a', 50)).toBe(20);
    expect(limiter.take('a')).toBeCloseTo(100);
    vi.advanceTimersByTime(1000);
    expect(takeAll(limiter, 'a', 50)).toBe(10);
    vi.advanceTimersByTime(60_000);
    expect(takeAll(limiter, 'a', 50)).toBe(20);
  });

  test('counts each key by itself', () => {
    const limiter = new RateLimiter({ perSecond: 1, burst: 2 });
    expect(takeAll(limiter, 'a', 5)).toBe(2);
    expect(takeAll(limiter, 'b', 5)).toBe(2);
  });

  test('accepts tokens back', () => {
    const limiter = new RateLimiter({ perSecond: 1, burst: 2 });
    for (let turn = 0; turn < 20; turn++) {
      expect(limiter.take('a')).toBe(0);
      limiter.giveBack('a');
    }
    expect(takeAll(limiter, 'a', 5)).toBe(2);
    limiter.giveBack('never seen');
  });

  test('keeps a key that still has to wait, whatever other keys come', () => {
    const limiter = new RateLimiter({ perSecond: 1, burst: 10 });
    expect(takeAll(limiter, 'a', 20)).toBe(10);
    for (let second = 1; second <= 30; second++) {
      vi.advanceTimersByTime(1000);
      limiter.take(`other-${second}`);
      expect(takeAll(limiter, 'a', 20)).toBe(1);
    }
  });

  test('has bounded memory whatever keys come and drops unused ones', () => {
    const limiter = new RateLimiter({ perSecond: 20, burst: 100 }, 1000);
    for (let turn = 0; turn < 50_000; turn++) limiter.take(`key-${turn}`);
    expect(limiter.size).toBeLessThanOrEqual(2000);
    vi.advanceTimersByTime(6000);
    limiter.take('later');
    vi.advanceTimersByTime(6000);
    limiter.take('much later');
    expect(limiter.size).toBe(2);
  });
});

describe('the address under which a request is counted', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::7', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['1:2:3:4:5:6:192.0.2.7', '1:2:3:4::/64'],
    ['192.0.2.7:4321', '192.0.2.7'],
    ['[2001:db8:1:2::9]:4321', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2::9]', '2001:db8:1:2::/64'],
    ['999.0.2.7:4321', 'unknown'],
    ['not an address', 'unknown'],
    ['x'.repeat(5000), 'unknown'],
  ])('of %s is %s', (ip, key) => expect(addressKey(ip)).toBe(key));

  test.each(['127.0.0.1', '127.9.8.7', '::1', '::ffff:127.0.0.1'])('%s is this machine', (ip) => {
    expect(makeAddressOf({ rateLoopback: false })(requestFrom(ip))).toBeUndefined();
    expect(makeAddressOf({ rateLoopback: true })(requestFrom(ip))).toBe('loopback');
  });

  test('addresses that only look like it are not this machine', () => {
    const addressOf = makeAddressOf({ rateLoopback: false });
    for (const ip of ['128.0.0.1', '12.7.0.1', '::2', '::ffff:128.0.0.1', '2127::1']) {
      expect(addressOf(requestFrom(ip))).toBeDefined();
    }
  });
});
