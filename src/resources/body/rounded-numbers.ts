/**
 * Numbers that a double does not hold as they were written: an integer that becomes another one, or a fraction that
 * becomes an integer. Parsed values hold the rounded number; the written text is kept here, by the object or list that
 * the number is a member of, since only the type of a field decides whether it matters.
 */
const WRITTEN = new WeakMap<object, Map<string, string>>();

/** Returns the written text of the rounded members of an object or list; undefined when none is rounded. */
export function roundedIn(holder: object): ReadonlyMap<string, string> | undefined {
  return WRITTEN.get(holder);
}

/** Records the same rounded members for a copy. */
export function copyRounded(from: object, to: object): void {
  const written = WRITTEN.get(from);
  if (written !== undefined) WRITTEN.set(to, written);
}

/**
 * Replaces the markers in a parsed value with their numbers, and records which of them are rounded. Not recursive: the
 * client chooses the depth.
 */
export function settleNumbers(root: object, read: (member: unknown) => SettledNumber | undefined): void {
  const open: object[] = [root];
  for (let holder = open.pop(); holder !== undefined; holder = open.pop()) {
    const members = holder as Record<string | number, unknown>;
    const settle = (name: string | number) => {
      const member = members[name];
      if (typeof member === 'object' && member !== null) {
        open.push(member);
        return;
      }
      const number = read(member);
      if (number === undefined) return;
      members[name] = number.value;
      if (number.written !== undefined) remember(members, String(name), number.written);
    };
    // A list may be long: its indexes are not converted to strings.
    if (Array.isArray(holder)) for (let index = 0; index < holder.length; index++) settle(index);
    else for (const name of Object.keys(holder)) settle(name);
  }
}

export interface SettledNumber {
  readonly value: number;
  /** Undefined when the number is exact. */
  readonly written: string | undefined;
}

function remember(holder: object, name: string, written: string): void {
  const known = WRITTEN.get(holder);
  if (known === undefined) WRITTEN.set(holder, new Map([[name, written]]));
  else known.set(name, written);
}
