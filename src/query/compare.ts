/**
 * Returns a negative number, zero or a positive one in the order of the code points, which is the order of the UTF-8
 * bytes and so SQLite's. JavaScript's own order compares UTF-16 units and puts "😀" before "\uFF5E".
 */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return weight(x) - weight(y);
  }
  return a.length - b.length;
}

/** Moves the surrogates, which stand for code points beyond U+FFFF, behind all other units. */
function weight(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/**
 * Returns the first string, in that order, that is greater than every string starting with `prefix`; undefined when
 * there is none. So `prefix <= x < bound` says "x starts with prefix" in a form that an index can answer.
 */
export function prefixBound(prefix: string): string | undefined {
  const points = [...prefix];
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    const point = last.codePointAt(0) ?? 0;
    if (point === 0x10ffff) continue;
    // Surrogates are not characters of their own.
    return points.join('') + String.fromCodePoint(point === 0xd7ff ? 0xe000 : point + 1);
  }
  return undefined;
}
