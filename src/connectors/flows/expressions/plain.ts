/**
 * The value of an expression as plain JSON: whole numbers as numbers, or as the text of their digits where a number of
 * JSON does not hold them, as a Long is in a record; times as ISO text, durations as `90s`, bytes as base64. Throws when
 * JSON has nothing for it.
 */
export function toPlain(value: unknown): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value)) throw new Error('the result is no number of JSON');
      return value;
    case 'bigint':
      return toNumber(value);
    case 'object':
      return value === null ? null : toPlainObject(value);
    default:
      throw new Error('the result is nothing that JSON has');
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
  throw new Error('the result is nothing that JSON has');
}

function toNumber(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

/** As data and nothing else, also with a name such as `__proto__`. */
function fromEntries(entries: readonly (readonly [unknown, unknown])[]): object {
  return Object.fromEntries(entries.map(([name, item]) => [String(name), toPlain(item)]));
}
