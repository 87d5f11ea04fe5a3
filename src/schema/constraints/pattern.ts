import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';

/** The library of patterns, loaded with the first one: it takes longer than the rest of a schema without any. */
const load = createRequire(import.meta.url);
const library = () => load('re2js') as typeof import('re2js');

/** Bounds of a pattern: the time of a match is at most the size of its program times the length of the text. */
const MAX_PATTERN_CHARS = 1000;
const MAX_PATTERN_INSTRUCTIONS = 1000;
/** Product of program size and characters beyond which a text is not matched: it would block the server. */
const MAX_MATCH_STEPS = 20_000_000;

/** Regular expression that is matched in linear time. */
export interface Pattern {
  /** Characters of the longest text that is matched. */
  readonly maxChars: number;
  /** Number of instructions of its program: bound of the steps for each character. */
  readonly size: number;
  /** Returns whether the pattern matches somewhere in the text; false for a text beyond `maxChars`. */
  test(text: string): boolean;
}

/** Reason why a pattern cannot be used, for people. */
export interface PatternProblem {
  readonly message: string;
  readonly hint?: string;
}

/** Syntax of a pattern: that of JSON Schema (ECMAScript with Unicode), or that of RE2, which CEL has. */
type PatternSyntax = 'ecmascript' | 're2';

/** Compiles a regular expression without lookaround and backreferences, which have no linear time. */
export function compilePattern(source: string, syntax: PatternSyntax = 'ecmascript'): Pattern | PatternProblem {
  if (source.length > MAX_PATTERN_CHARS)
    return { message: `a pattern has at most ${MAX_PATTERN_CHARS} characters`, hint: 'this one is longer' };
  const isEcmaScript = syntax === 'ecmascript';
  const problem = isEcmaScript ? (syntaxProblem(source) ?? linearProblem(source)) : undefined;
  if (problem !== undefined) return problem;
  try {
    return makePattern(library().RE2JS.compile(isEcmaScript ? translate(source) : source));
  } catch (error) {
    if (!(error instanceof library().RE2JSException)) throw error;
    return { message: `the pattern does not compile: ${error.message.replace(/^error parsing regexp: /, '')}` };
  }
}

export function isPattern(compiled: Pattern | PatternProblem): compiled is Pattern {
  return 'test' in compiled;
}

function makePattern(compiled: RE2JS): Pattern | PatternProblem {
  const size = compiled.programSize();
  if (size > MAX_PATTERN_INSTRUCTIONS) {
    const message = `the pattern compiles to ${size} instructions, and ${MAX_PATTERN_INSTRUCTIONS} are allowed`;
    return { message, hint: 'shorten its repetitions: write the length as minLength and maxLength' };
  }
  const maxChars = Math.floor(MAX_MATCH_STEPS / size);
  return { size, maxChars, test: (text) => text.length <= maxChars && compiled.test(text) };
}

/** Checks that the documents that show the pattern can be used by others: JSON Schema has the syntax of ECMAScript. */
function syntaxProblem(source: string): PatternProblem | undefined {
  try {
    // Only compiled, and never matched.
    new RegExp(source, 'u');
    return undefined;
  } catch (error) {
    const reason = (error as Error).message.replace(/^Invalid regular expression: \/.*\/u?: /s, '');
    return { message: `the pattern does not compile: ${reason}` };
  }
}

function linearProblem(source: string): PatternProblem | undefined {
  if (/\[\^?\]/.test(source.replace(/\\./gs, 'x')))
    return { message: 'the pattern has an empty class, [] or [^]', hint: 'write [\\s\\S] for any character' };
  const plain = source.replace(/\\[^\dk]|\[(?:\\.|[^\]\\])*\]/gs, '');
  if (/\(\?<?[=!]/.test(plain))
    return {
      message: 'the pattern looks ahead or behind, which takes no linear time',
      hint: 'leave out (?=, (?!, (?<=, (?<!',
    };
  if (!/\\(?:[1-9]|k<)/.test(plain)) return undefined;
  return { message: 'the pattern refers to one of its groups, which takes no linear time', hint: 'leave out \\1' };
}

/** White space of ECMAScript, of which RE2 has only that of ASCII. */
const SPACE = '\\t-\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}';
const LINE_ENDS = '\\n\\r\\x{2028}\\x{2029}';

const NO_SPACE =
  '\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}';

const TOKENS =
  /\\u(?<high>[dD][89abAB][\dA-Fa-f]{2})\\u(?<low>[dD][c-fC-F][\dA-Fa-f]{2})|\\u\{(?<braced>[\dA-Fa-f]+)\}|\\u(?<four>[\dA-Fa-f]{4})|\\(?<escaped>.)|\(\?<|[[\].]/gs;

/** Translates what ECMAScript writes or means otherwise than RE2. */
function translate(source: string): string {
  let isClass = false;
  return source.replace(TOKENS, (token: string, ...rest: unknown[]) => {
    const { high, low, braced, four, escaped } = rest.at(-1) as Readonly<Record<string, string | undefined>>;
    if (high !== undefined && low !== undefined) return codePoint(String.fromCharCode(hex(high), hex(low)));
    if (braced !== undefined || four !== undefined) return `\\x{${braced ?? four}}`;
    if (escaped === 's') return isClass ? SPACE : `[${SPACE}]`;
    if (escaped === 'S') return isClass ? NO_SPACE : `[${NO_SPACE}]`;
    if (escaped !== undefined) return escaped === '/' ? '/' : token;
    if (isClass) {
      isClass = token !== ']';
      return token === '[' ? '\\[' : token;
    }
    isClass = token === '[';
    if (token === '(?<') return '(?P<';
    return token === '.' ? `[^${LINE_ENDS}]` : token;
  });
}

function hex(digits: string): number {
  return Number.parseInt(digits, 16);
}

function codePoint(character: string): string {
  return `\\x{${(character.codePointAt(0) as number).toString(16)}}`;
}
