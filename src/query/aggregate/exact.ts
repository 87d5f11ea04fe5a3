/** Power of two of the unit in which sums are held: every double is a whole number of it. */
const UNIT_BITS = 1074n;
const view = new DataView(new ArrayBuffer(8));

/** Value of a double in units of 2^−1074, exactly. Sums of such values do not depend on their order. */
export function toUnits(value: number): bigint {
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = (bits >> 52n) & 0x7ffn;
  const fraction = bits & 0xf_ffff_ffff_ffffn;
  const size = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
  return bits >> 63n === 1n ? -size : size;
}

/** Returns the double nearest to a number of units divided by a count; ties go to the even one. */
export function fromUnits(units: bigint, count: number): number {
  return nearestDouble(units, BigInt(count) << UNIT_BITS);
}

/** Bits of a quotient before it is rounded: more than a double has, and one that says whether something was left over. */
const QUOTIENT_BITS = 66;

/** Returns the double nearest to a fraction with a positive denominator. */
export function nearestDouble(numerator: bigint, denominator: bigint): number {
  if (numerator < 0n) return -nearestDouble(-numerator, denominator);
  if (numerator === 0n) return 0;
  const shift = QUOTIENT_BITS - (bitLength(numerator) - bitLength(denominator));
  const top = shift > 0 ? numerator << BigInt(shift) : numerator;
  const bottom = shift < 0 ? denominator << BigInt(-shift) : denominator;
  const quotient = top / bottom;
  const rounded = Number(top % bottom === 0n ? quotient : quotient | 1n);
  // In two steps: one power of two may be beyond what a double has.
  const half = Math.trunc(-shift / 2);
  return rounded * 2 ** half * 2 ** (-shift - half);
}

function bitLength(value: bigint): number {
  const digits = value.toString(16);
  return 4 * (digits.length - 1) + (32 - Math.clz32(Number.parseInt(digits.charAt(0), 16)));
}
