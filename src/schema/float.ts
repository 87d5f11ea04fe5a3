/** True when a literal other than zero was read as zero, as `1e-400` is: it is too small for a double. */
export function vanishes(literal: string, value: number): boolean {
  return value === 0 && /^[^eE]*[1-9]/.test(literal);
}

/** Reads a numeric literal as a double. Undefined when it is too large or too small for one. */
export function readFloat(literal: string): number | undefined {
  const value = Number(literal);
  return Number.isFinite(value) && !vanishes(literal, value) ? value : undefined;
}

/** True when an integer literal is read as another integer. The shortest digits of a double count as exact, too. */
export function isRoundedInteger(literal: string, value: number): boolean {
  if (Number.isSafeInteger(value) || !Number.isInteger(value)) return false;
  return String(value) !== literal && BigInt(value) !== BigInt(literal);
}

/** True for a number to which no other integer is rounded. */
export function isExact(value: unknown): value is number {
  return typeof value === 'number' && (Number.isSafeInteger(value) || !Number.isInteger(value));
}
