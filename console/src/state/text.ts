// Data is text, whatever is in it: characters that change what stands around them, or that cannot be seen, are shown as marks.

/** Control characters, and those of direction and of no width. */
const INVISIBLE = /[\p{Cc}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;

/** Characters of a value that a cell draws. */
export const MAX_CELL_CHARS = 200;

/** Makes control characters and those of direction visible. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, (character) => {
    const code = character.charCodeAt(0);
    if (code === 10) return '↵';
    if (code === 9) return '⇥';
    if (code < 32) return String.fromCharCode(0x2400 + code);
    return `⟨${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
  });
}

/** Text of a value in one line, cut to what a cell shows. */
export function cellText(value: unknown, max = MAX_CELL_CHARS): string {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'string' ? value : typeof value === 'object' ? briefJson(value, max) : String(value);
  return visible(text.length > max ? `${text.slice(0, max)}…` : text);
}

/** JSON of a value, without making more of it than is shown. */
function briefJson(value: object, max: number): string {
  let left = max + 1;
  const brief = (part: unknown): string => {
    if (left <= 0) return '';
    if (typeof part === 'string') return spend(JSON.stringify(part.length > max ? part.slice(0, max) : part));
    if (part === null || typeof part !== 'object') return spend(String(part));
    const isList = Array.isArray(part);
    const parts: string[] = [];
    for (const [name, inner] of Object.entries(part)) {
      if (left <= 0) break;
      parts.push(isList ? brief(inner) : `${spend(`${name}: `)}${brief(inner)}`);
    }
    const text = parts.join(', ');
    return isList ? `[${text}]` : `{${text}}`;
  };
  const spend = (text: string): string => {
    left -= text.length;
    return text;
  };
  return brief(value);
}

const number = new Intl.NumberFormat('en');

export function formatCount(count: number): string {
  return number.format(count);
}

/** Time of a seq, which are the microseconds since 1970. */
export function timeOfSeq(seq: number): Date {
  return new Date(seq / 1000);
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

/** Time of the day, with the date when that is not today. */
export function formatTime(time: Date): string {
  const isToday = time.toDateString() === new Date().toDateString();
  return isToday ? clock.format(time) : `${day.format(time)}, ${clock.format(time)}`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const kib = bytes / 1024;
  return kib < 1024 ? `${kib.toFixed(1)} KiB` : `${(kib / 1024).toFixed(1)} MiB`;
}

/** Whether two values of a record are the same. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [x, y] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>];
  const names = Object.keys(x);
  return (
    names.length === Object.keys(y).length && names.every((name) => Object.hasOwn(y, name) && isEqual(x[name], y[name]))
  );
}
