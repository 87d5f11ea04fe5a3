/** Whether a literal that is not zero has become it, as `1e-400` does: then it is too small for a double. */
export function vanishes(literal: string, value: number): boolean {
  return value === 0 && /^[^eE]*[1-9]/.test(literal);
}

/** The double that a numeric literal stands for; undefined for one that is too large or too small to be held. */
export function readFloat(literal: string): number | undefined {
  const value = Number(literal);
  return Number.isFinite(value) && !vanishes(literal, value) ? value : undefined;
}
