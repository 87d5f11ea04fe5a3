import { describe, expect, test } from 'vitest';
import { thenOrNow } from '../../src/runtime/event-loop.ts';

describe('thenOrNow', () => {
  test('uses a plain value at once', () => {
    expect(thenOrNow(2, (value) => value + 1)).toBe(3);
  });

  test('uses the value of a promise when it resolves', async () => {
    const result = thenOrNow(Promise.resolve(2), (value) => value + 1);
    expect(result).toBeInstanceOf(Promise);
    expect(await result).toBe(3);
  });

  test('passes on a rejection without calling use', async () => {
    const result = thenOrNow(Promise.reject<number>(new Error('gone')), () => expect.fail('was called'));
    await expect(result).rejects.toThrow('gone');
  });

  test('throws at once what use throws for a plain value', () => {
    const use = () => {
      throw new Error('wrong');
    };
    expect(() => thenOrNow(2, use)).toThrow('wrong');
  });
});
