/**
 * Converts the value of an expression to plain JSON: integers to numbers, or to strings of their digits beyond the safe
 * range, as a Long in a record; times to ISO strings, durations to `90s`, bytes to base64. Throws for values without a
 * JSON equivalent.
 */
export function toPlain(value: unknown): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value)) throw new Error('the result is not a number of JSON');
      return value;
    case 'bigint':
      return toNumber(value);
    case 'object':
      return value === null ? null : toPlainObject(value);
    default:
      throw new Error('the result cannot be converted to JSON');
  }
}

function toPlainObject(value: object): unknown {
  if (Array.isArray(value)) return value.map(toPlain);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Set) return [...value].map(toPlain);
  if (value instanceof Map) return fromEntries([...value]);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return fromEntries(Object.entries(value));
  // Unsigned numbers and durations of the library.
  if (value.constructor.name === 'Duration') return String(value);
  const inner: unknown = value.valueOf();
  if (typeof inner === 'bigint') return toNumber(inner);
  throw new Error('the result cannot be converted to JSON');
}

function toNumber(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

/** Creates an object from entries: a name such as `__proto__` is an own property, too. */
function fromEntries(entries: readonly (readonly [unknown, unknown])[]): object {
  return Object.fromEntries(entries.map(([name, item]) => [String(name), toPlain(item)]));
}
