import { afterEach, describe, expect, test, vi } from 'vitest';
import { TokenCache } from '../../src/auth/credentials/token-cache.ts';
import type { Principal } from '../../src/auth/identity.ts';

const ANN: Principal = { type: 'principal', sub: 'ann', roles: [], claims: {}, expiresAt: undefined };

afterEach(() => void vi.useRealTimers());

describe('the cache of checked tokens', () => {
  test('drops each after a minute, so that a withdrawn key is not valid for longer', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const cache = new TokenCache();
    cache.set('a', ANN);
    vi.advanceTimersByTime(59_999);
    expect(cache.get('a')).toBe(ANN);
    vi.advanceTimersByTime(1);
    expect(cache.get('a')).toBeUndefined();
  });

  test('keeps the newest 10,000 tokens', () => {
    const cache = new TokenCache();
    for (let index = 0; index < 10_001; index++) cache.set(`token-${index}`, ANN);
    expect([cache.get('token-0'), cache.get('token-1'), cache.get('token-10000')]).toEqual([undefined, ANN, ANN]);
  });

  test('keeps 16 million characters, also of tokens that are set again', () => {
    const cache = new TokenCache();
    const long = (name: string) => name.padEnd(8000, '.');
    for (let index = 0; index < 3000; index++) cache.set(long('same'), ANN);
    for (let index = 0; index < 2096; index++) cache.set(long(`token-${index}`), ANN);
    expect(cache.get(long('same'))).toBe(ANN);
    cache.set(long('one more'), ANN);
    expect([cache.get(long('same')), cache.get(long('token-0'))]).toEqual([undefined, ANN]);
  });
});
