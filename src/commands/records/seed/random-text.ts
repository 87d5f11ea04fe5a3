/** Repetitions beyond the least that a pattern wants. */
const MAX_MORE = 6;
/** Nesting of groups; a deeper pattern has no text. */
const MAX_DEPTH = 20;
const HEX = '0123456789abcdef';
const DIGITS = '0123456789';
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const WORD = `${LETTERS}${LETTERS.toUpperCase()}${DIGITS}_`;
const ANY = `${LETTERS}${DIGITS}`;
const PRINTABLE = Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at)).join('');

type Below = (limit: number) => number;

interface Sources {
  readonly word: () => string;
  readonly below: Below;
  /** Number of the record, for a part that no other one has. */
  readonly index: number;
}

/** Returns a text of one of the formats of `@constraint`. */
export function textOfFormat(format: string, { word, below, index }: Sources): string {
  const two = (limit: number) => String(below(limit)).padStart(2, '0');
  const hex = (length: number) => Array.from({ length }, () => HEX[below(16)]).join('');
  const date = () => `2025-${String(1 + below(12)).padStart(2, '0')}-${String(1 + below(28)).padStart(2, '0')}`;
  const time = () => `${two(24)}:${two(60)}:${two(60)}Z`;
  switch (format) {
    case 'email':
      return `${word()}.${word()}-${index}@example.com`;
    case 'uri':
      return `https://example.com/${word()}/${index}`;
    case 'uuid':
      return `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`;
    case 'date':
      return date();
    case 'time':
      return time();
    case 'date-time':
      return `${date()}T${time()}`;
    case 'hostname':
      return `${word()}-${index}.example.com`;
    case 'ipv4':
      return `10.${below(256)}.${below(256)}.${1 + below(254)}`;
    case 'ipv6':
      return `2001:db8::${hex(4)}:${hex(4)}`;
    default:
      return `${word()}-${word()}-${index}`;
  }
}

/**
 * Returns a text that the pattern matches: literals, classes, groups, alternatives and repetitions. Undefined for a pattern
 * with anything else, such as properties of Unicode.
 */
export function textOfPattern(pattern: string, below: Below): string | undefined {
  const reader = new PatternReader(pattern, below);
  try {
    const text = reader.alternatives(0);
    return reader.isAtEnd ? text : undefined;
  } catch (error) {
    if (error instanceof UnknownSyntax) return undefined;
    throw error;
  }
}

class UnknownSyntax extends Error {}

/** Walks through a pattern and writes the text on its way. */
class PatternReader {
  readonly #pattern: string;
  readonly #below: Below;
  #at = 0;

  constructor(pattern: string, below: Below) {
    this.#pattern = pattern;
    this.#below = below;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#pattern.length;
  }

  alternatives(depth: number): string {
    if (depth > MAX_DEPTH) throw new UnknownSyntax();
    const texts = [this.#sequence(depth)];
    while (this.#accept('|')) texts.push(this.#sequence(depth));
    return texts[this.#below(texts.length)] as string;
  }

  #sequence(depth: number): string {
    let text = '';
    while (!this.isAtEnd && !'|)'.includes(this.#peek())) {
      const start = this.#at;
      const first = this.#atom(depth);
      const end = this.#at;
      const times = this.#times();
      const after = this.#at;
      if (times > 0) text += first;
      for (let more = 1; more < times; more++) {
        this.#at = start;
        text += this.#atom(depth);
        if (this.#at !== end) throw new UnknownSyntax();
      }
      this.#at = after;
    }
    return text;
  }

  #atom(depth: number): string {
    const character = this.#take();
    switch (character) {
      case '^':
      case '$':
        return '';
      case '.':
        return this.#one(ANY);
      case '[':
        return this.#one(this.#members());
      case '\\':
        return this.#one(this.#escape());
      case '(': {
        if (this.#accept('?') && !this.#accept(':')) throw new UnknownSyntax();
        const text = this.alternatives(depth + 1);
        if (!this.#accept(')')) throw new UnknownSyntax();
        return text;
      }
      default:
        return character;
    }
  }

  /** Returns how often the last part is written. */
  #times(): number {
    const [written = '', from, comma, to] =
      /^(?:\{(\d+)(,?)(\d*)\}|[*+?])\??/.exec(this.#pattern.slice(this.#at)) ?? [];
    this.#at += written.length;
    if (written === '') return 1;
    if (written.startsWith('?')) return this.#below(2);
    const least = written.startsWith('+') ? 1 : Number(from ?? 0);
    if (comma === '') return least;
    const most = to === undefined || to === '' ? least + MAX_MORE : Math.min(Number(to), least + MAX_MORE);
    return least + this.#below(most - least + 1);
  }

  /** Returns the characters of a class, behind its bracket. */
  #members(): string {
    const isInverse = this.#accept('^');
    let members = '';
    while (!this.#accept(']')) {
      const first = this.#take();
      const one = first === '\\' ? this.#escape() : first;
      if (one.length === 1 && this.#peek() === '-' && this.#pattern[this.#at + 1] !== ']') {
        this.#at++;
        const end = this.#take();
        const last = end === '\\' ? this.#escape() : end;
        for (let code = one.charCodeAt(0); code <= last.charCodeAt(0); code++) members += String.fromCharCode(code);
      } else members += one;
    }
    return isInverse ? [...PRINTABLE].filter((character) => !members.includes(character)).join('') : members;
  }

  #escape(): string {
    const character = this.#take();
    if (character === 'd') return DIGITS;
    if (character === 'w') return WORD;
    if (character === 's') return ' ';
    if (character === 'D' || character === 'S' || character === 'W') return character === 'W' ? '-' : LETTERS;
    if (/[a-zA-Z0-9]/.test(character)) throw new UnknownSyntax();
    return character;
  }

  #one(characters: string): string {
    if (characters === '') throw new UnknownSyntax();
    return characters[this.#below(characters.length)] as string;
  }

  #peek(): string {
    return this.#pattern[this.#at] ?? '';
  }

  #take(): string {
    const character = this.#pattern[this.#at++];
    if (character === undefined) throw new UnknownSyntax();
    return character;
  }

  #accept(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }
}
