/** Result of reading a value: the value, or a message about what is wrong with a hint what to write instead. */
export type Reading<T> = { readonly value: T } | Wrong;

export interface Wrong {
  readonly message: string;
  readonly hint?: string;
}

const DURATIONS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZES = { B: 1, KB: 1000, MB: 1000 ** 2, GB: 1000 ** 3, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

const DURATION_HINT = 'write a number with a unit: 500ms, 5s, 10m, 24h or 7d';
const SIZE_HINT = 'write a number of bytes, or one with a unit: 512KiB, 1MiB or 10MB';

/** Parses a duration to milliseconds. A number without a unit is refused, except 0: `5` could be seconds. */
export function parseDuration(written: unknown): Reading<number> {
  if (written === 0 || written === '0') return { value: 0 };
  if (typeof written === 'number' || (typeof written === 'string' && /^\d+(\.\d+)?$/.test(written))) {
    return { message: `duration ${written} has no unit`, hint: `write ${written}ms or ${written}s` };
  }
  return parseAmount(written, DURATIONS, { what: 'duration', hint: DURATION_HINT });
}

/** Parses a size to bytes. An integer without a unit is a number of bytes. */
export function parseSize(written: unknown): Reading<number> {
  const bytes = typeof written === 'string' && /^\d{1,16}$/.test(written) ? Number(written) : written;
  if (typeof bytes === 'number') {
    return Number.isSafeInteger(bytes) && bytes >= 0
      ? { value: bytes }
      : { message: 'expected a size', hint: SIZE_HINT };
  }
  return parseAmount(written, SIZES, { what: 'size', hint: SIZE_HINT });
}

function parseAmount(
  written: unknown,
  units: Readonly<Record<string, number>>,
  { what, hint }: { what: string; hint: string },
): Reading<number> {
  const match = typeof written === 'string' ? /^(\d{1,16}(?:\.\d{1,6})?) ?([A-Za-z]+)$/.exec(written) : null;
  const unit = match?.[2];
  if (match === null || unit === undefined) return { message: `expected a ${what}`, hint };
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  if (factor === undefined) {
    const meant = Object.keys(units).find((name) => name.toLowerCase() === unit.toLowerCase());
    return {
      message: `unknown unit "${unit}" in a ${what}`,
      hint: meant ? `did you mean "${match[1]}${meant}"?` : hint,
    };
  }
  const amount = Number(match[1]) * factor;
  // Rounding errors of doubles must not decide whether 1.1s is a whole number of milliseconds.
  const value = Math.round(amount);
  if (Math.abs(amount - value) > 1e-6 || !Number.isSafeInteger(value)) return { message: `expected a ${what}`, hint };
  return { value };
}

/** Formats milliseconds in the shortest form that `parseDuration` reads back as the same number. */
export function formatDuration(milliseconds: number): string {
  const units = Object.entries(DURATIONS).toReversed();
  const [unit, factor] = units.find(([, size]) => milliseconds !== 0 && milliseconds % size === 0) ?? ['ms', 1];
  return `${milliseconds / factor}${unit}`;
}

/** Formats bytes in the shortest form that `parseSize` reads back as the same number. */
export function formatSize(bytes: number): string {
  const units = (['GiB', 'MiB', 'KiB'] as const).map((unit) => [unit, SIZES[unit]] as const);
  const [unit, factor] = units.find(([, size]) => bytes !== 0 && bytes % size === 0) ?? ['', 1];
  return `${bytes / factor}${unit}`;
}
