import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { KEY_FORM, makeSecret, parseSecret, REFRESH_FORM, randomText } from '../../src/auth/credentials/secrets.ts';

describe('a secret', () => {
  test.each([
    ['key', KEY_FORM, /^tck_[a-z02-9]{8}_[a-z02-9]{32}$/],
    ['refresh token', REFRESH_FORM, /^tcr_[a-z02-9]{26}_[a-z02-9]{52}$/],
  ])('that is a %s is read as it was made, and is only there as its hash', (_, form, shape) => {
    const { id, hash, text } = makeSecret(form);
    expect(text).toMatch(shape);
    expect(parseSecret(form, text)).toEqual({ id, hash });
    expect(hash).toEqual(
      createHash('sha256')
        .update(text.split('_')[2] ?? '')
        .digest(),
    );
    expect(makeSecret(form, id)).toMatchObject({ id });
  });

  test('has at least 128 random bits, of five in every letter', () => {
    expect(KEY_FORM.secretLength * 5).toBeGreaterThanOrEqual(128);
    expect(REFRESH_FORM.secretLength * 5).toBeGreaterThanOrEqual(128);
    const letters = new Set(randomText(20_000));
    expect(letters.size).toBe(32);
  });

  test.each([
    '',
    'tck',
    'tck__',
    'tck_abcdefgh',
    `tck_abcdefg_${'a'.repeat(32)}`,
    `tck_abcdefgh_${'a'.repeat(31)}`,
    `tck_abcdefgh_${'a'.repeat(33)}`,
    `tck_abcdefgh_${'a'.repeat(32)}_`,
    `tck_abcdefgh_${'a'.repeat(32)}_${'a'.repeat(10)}`,
    `tcr_abcdefgh_${'a'.repeat(32)}`,
    `TCK_abcdefgh_${'a'.repeat(32)}`,
    ` tck_abcdefgh_${'a'.repeat(32)}`,
    'eyJhbGciOiJIUzI1NiJ9.e30.x',
  ])('is not %j', (text) => {
    expect(parseSecret(KEY_FORM, text)).toBeUndefined();
  });
});
