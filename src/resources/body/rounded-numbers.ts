/**
 * Numbers of a body or message that a double does not hold as they were written: an integer that comes out as another one,
 * or a fraction that comes out as an integer. Values hold what came out; what was written is kept beside them, by the object
 * or list that the number is a member of, since only the type of a field says whether it matters.
 */
const WRITTEN = new WeakMap<object, Map<string, string>>();

/** How the members of an object or list were written that have been rounded; undefined when none has. */
export function roundedIn(holder: object): ReadonlyMap<string, string> | undefined {
  return WRITTEN.get(holder);
}

/** Says the same of a copy. */
export function copyRounded(from: object, to: object): void {
  const written = WRITTEN.get(from);
  if (written !== undefined) WRITTEN.set(to, written);
}

/**
 * Puts numbers in the place of what stands for them in a value that was just read, and remembers which of them are rounded.
 * Not recursive: the depth is the sender's choice.
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
    // A list may be long: its indexes are not made text.
    if (Array.isArray(holder)) for (let index = 0; index < holder.length; index++) settle(index);
    else for (const name of Object.keys(holder)) settle(name);
  }
}

export interface SettledNumber {
  readonly value: number;
  /** Undefined when it is what was written. */
  readonly written: string | undefined;
}

function remember(holder: object, name: string, written: string): void {
  const known = WRITTEN.get(holder);
  if (known === undefined) WRITTEN.set(holder, new Map([[name, written]]));
  else known.set(name, written);
}
