import { describe, expect, test } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/config/keys/units.ts';

describe('durations', () => {
  test.each([
    ['500ms', 500],
    ['5s', 5000],
    ['10m', 600_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['1.5s', 1500],
    ['1.1s', 1100],
    ['5 s', 5000],
    ['0', 0],
    [0, 0],
    ['0ms', 0],
  ])('%j is %d ms', (written, value) => {
    expect(parseDuration(written)).toEqual({ value });
  });

  test('a bare number is refused with both readings as a hint', () => {
    expect(parseDuration(5)).toEqual({ message: 'duration 5 has no unit', hint: 'write 5ms or 5s' });
    expect(parseDuration('5')).toEqual({ message: 'duration 5 has no unit', hint: 'write 5ms or 5s' });
  });

  test('an unknown unit is named, and its other case suggested', () => {
    expect(parseDuration('5S')).toEqual({ message: 'unknown unit "S" in a duration', hint: 'did you mean "5s"?' });
    expect(parseDuration('5weeks')).toMatchObject({ message: 'unknown unit "weeks" in a duration' });
    expect(parseDuration('5constructor')).toMatchObject({ message: 'unknown unit "constructor" in a duration' });
  });

  test.each(['', 's', '-5s', '5s 3', '1e3s', '0.5ms', '5,5s', true, null, [], Number.NaN, '9'.repeat(40)])(
    '%j is no duration',
    (written) => {
      expect(parseDuration(written)).toHaveProperty('message');
    },
  );

  test.each([0, 1, 999, 1000, 1500, 60_000, 90_000, 3_600_000, 86_400_000, 604_800_000])(
    '%d ms is written so that it is read back',
    (value) => {
      expect(parseDuration(formatDuration(value))).toEqual({ value });
    },
  );
});

describe('sizes', () => {
  test.each([
    ['512KiB', 524_288],
    ['1MiB', 1_048_576],
    ['2GiB', 2_147_483_648],
    ['10MB', 10_000_000],
    ['1KB', 1000],
    ['1.5KiB', 1536],
    ['7B', 7],
    ['100', 100],
    [100, 100],
    [0, 0],
  ])('%j is %d bytes', (written, value) => {
    expect(parseSize(written)).toEqual({ value });
  });

  test('a unit in another case is suggested as it is written', () => {
    expect(parseSize('1mib')).toEqual({ message: 'unknown unit "mib" in a size', hint: 'did you mean "1MiB"?' });
  });

  test.each(['', '1M', '-1', -1, 1.5, '1.0001B', true, null, {}, Number.POSITIVE_INFINITY])(
    '%j is no size',
    (written) => {
      expect(parseSize(written)).toHaveProperty('message');
    },
  );

  test.each([0, 1, 1000, 1024, 1536, 1_048_576, 10_000_000, 1_073_741_824])(
    '%d bytes are written so that they are read back',
    (value) => {
      expect(parseSize(formatSize(value))).toEqual({ value });
    },
  );
});
