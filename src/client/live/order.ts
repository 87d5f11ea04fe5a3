type Json = Readonly<Record<string, unknown>>;

export interface Entry<R> {
  readonly id: string | number;
  readonly record: R;
  /** Position of the record's last change. */
  readonly seq?: number;
}

/**
 * Makes the comparison of a list with this `sort=` (docs/reference/api/queries.md): null first, ties by primary key. A field
 * that a record does not have counts as the greatest value.
 */
export function makeOrder<R>(sort = ''): (a: Entry<R>, b: Entry<R>) => number {
  const fields = sort
    .split(',')
    .filter((name) => name !== '')
    .map((name) => ({ path: name.replace(/^[-+]/, '').split('.'), sign: name.startsWith('-') ? -1 : 1 }));
  return (a, b) => {
    for (const { path, sign } of fields) {
      const order = compare(valueAt(a.record, path), valueAt(b.record, path));
      if (order !== 0) return order * sign;
    }
    return compare(a.id, b.id);
  };
}

/** Value of a field that is not known: of a record that the server has not completed yet, for instance by a time. */
const ABSENT = {};

function valueAt(record: unknown, path: readonly string[]): unknown {
  if ((record as Json)[path[0] as string] === undefined) return ABSENT;
  let value = record;
  for (const name of path) value = (value as Json | null | undefined)?.[name];
  return value ?? null;
}

function compare(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === ABSENT) return 1;
  if (b === ABSENT) return -1;
  if (a === null) return -1;
  if (b === null) return 1;
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  // A Long beyond ±(2^53−1) is a string.
  if (typeof a !== typeof b) return BigInt(String(a)) < BigInt(String(b)) ? -1 : 1;
  return (a as number) < (b as number) ? -1 : 1;
}

/** Compares by code points, the order of UTF-8 bytes on the server; JavaScript compares UTF-16 units. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (x !== y) return weight(x) - weight(y);
  }
  return a.length - b.length;
}

/** Orders surrogates, which encode characters beyond U+FFFF, after all other units. */
function weight(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
