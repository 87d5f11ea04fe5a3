/** Exact decimal number: `digits` × 10^−`scale`. */
interface Decimal {
  readonly digits: bigint;
  readonly scale: number;
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Reads a finite number as the shortest decimal that stands for it: 0.1 is one tenth here, and no binary fraction. */
function toDecimal(value: number | string): Decimal {
  const [, sign = '', whole = '0', fraction = '', exponent = '0'] = NUMBER.exec(String(value)) ?? [];
  const digits = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n);
  const scale = fraction.length - Number(exponent);
  return scale >= 0 ? { digits, scale } : { digits: digits * 10n ** BigInt(-scale), scale: 0 };
}

function digitsAt({ digits, scale }: Decimal, wanted: number): bigint {
  return digits * 10n ** BigInt(wanted - scale);
}

/** Returns the test whether a number, or the digits of a Long, is a multiple of a positive number, in decimal. */
export function multipleTest(step: string): (value: number | string) => boolean {
  const whole = Number(step);
  const divisor = toDecimal(step);
  const isWhole = Number.isSafeInteger(whole);
  return (value) => {
    if (isWhole && Number.isSafeInteger(value)) return (value as number) % whole === 0;
    const number = toDecimal(value);
    const scale = Math.max(number.scale, divisor.scale);
    return digitsAt(number, scale) % digitsAt(divisor, scale) === 0n;
  };
}

/** Adds two numbers as the decimals that they are written as: 0.1 + 0.2 is 0.3. Infinite beyond the range of a double. */
export function addDecimals(a: number, b: number): number {
  const sum = a + b;
  if (Number.isSafeInteger(a) && Number.isSafeInteger(b) && Number.isSafeInteger(sum)) return sum;
  const [left, right] = [toDecimal(a), toDecimal(b)];
  const scale = Math.max(left.scale, right.scale);
  return Number(`${digitsAt(left, scale) + digitsAt(right, scale)}e${-scale}`);
}
