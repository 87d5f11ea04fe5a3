/** Whether a literal that is not zero has become it, as `1e-400` does: then it is too small for a double. */
export function vanishes(literal: string, value: number): boolean {
  return value === 0 && /^[^eE]*[1-9]/.test(literal);
}

/** The double that a numeric literal stands for; undefined for one that is too large or too small to be held. */
export function readFloat(literal: string): number | undefined {
  const value = Number(literal);
  return Number.isFinite(value) && !vanishes(literal, value) ? value : undefined;
}

/** Whether the literal of an integer comes out as another integer. The shortest digits that give the double are exact, too. */
export function isRoundedInteger(literal: string, value: number): boolean {
  if (Number.isSafeInteger(value) || !Number.isInteger(value)) return false;
  return String(value) !== literal && BigInt(value) !== BigInt(literal);
}

/** True of a number that no other integer could have been rounded to. */
export function isExact(value: unknown): value is number {
  return typeof value === 'number' && (Number.isSafeInteger(value) || !Number.isInteger(value));
}
