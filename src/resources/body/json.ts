import { isUtf8 } from 'node:buffer';
import { AppError, invalidField } from '../../errors.ts';
import { isRoundedInteger, vanishes } from '../../schema/float.ts';

/**
 * Text that may hold values that `JSON.parse` changes or that a record must not have; all other text is used as parsed.
 * Before a number there is nothing, a space, or one of three characters, so that most digits in strings, as of a UUID,
 * do not match.
 */
const SUSPICIOUS = /(?:^|[\s:,[])-?(?:(?:\d+\.)?\d{16}|\d+(?:\.\d+)?[eE][+-]?\d{3})|\\u(?:0000|[dD][89a-fA-F])/;
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/**
 * Parses a body or message. Throws INVALID_JSON, or VALIDATION_ERROR for a number that is too large or too small for a
 * double. A number that a double rounds is remembered (`roundedIn`): the type of its field decides whether it is
 * allowed.
 */
export function parseJson(source: Buffer): unknown {
  if (!isUtf8(source)) throw new AppError('INVALID_JSON', 'The text is not UTF-8.');
  return parseJsonText(source.toString('utf8'));
}

export function parseJsonText(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AppError('INVALID_JSON', describeSyntaxError(error, text));
  }
  const isHarmless = hasOnlyStrings(value) && !text.includes('\\');
  return !isHarmless && SUSPICIOUS.test(text) ? checkTokens(text, value) : value;
}

/** Parses a message whose numbers are ids and positions. Throws VALIDATION_ERROR when one of its members is rounded. */
export function parseExactJson(text: string): unknown {
  const value = parseJsonText(text);
  const rounded = typeof value === 'object' && value !== null ? roundedIn(value) : undefined;
  for (const [name, written] of rounded ?? []) throw notExact(name, written);
  return value;
}

/** True for an object of strings, as most records are sent: no number in it could be too large. */
function hasOnlyStrings(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  for (const name in value) if (typeof (value as Record<string, unknown>)[name] !== 'string') return false;
  return true;
}

/** Characters of the longest text that is searched for the error: the search parses it about twenty times. */
const MAX_SEARCHED_CHARS = 64 * 1024;

/** Describes where the text stops being JSON; never quotes the source text, as the engine would. */
function describeSyntaxError(error: unknown, text: string): string {
  if (text.trim() === '') return 'The text is empty; expected JSON.';
  const offset = positionOf(error) ?? (text.length <= MAX_SEARCHED_CHARS ? findError(text) : undefined);
  if (offset === undefined) return 'Not valid JSON.';
  if (offset >= text.length) return `Not valid JSON: it ends too early, at offset ${text.length}.`;
  return `Not valid JSON: unexpected ${JSON.stringify(text.slice(offset, offset + 1))} at offset ${offset}.`;
}

function positionOf(error: unknown): number | undefined {
  const position = /at position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
  return position === undefined ? undefined : Number(position);
}

/**
 * Finds the error where the engine does not report its place: at the end of the shortest prefix that no continuation
 * repairs.
 */
function findError(text: string): number {
  let good = 0;
  let bad = text.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (canBeContinued(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

function canBeContinued(prefix: string): boolean {
  try {
    JSON.parse(prefix);
    return true;
  } catch (error) {
    if (error instanceof Error && /Unexpected end|Unterminated string/.test(error.message)) return true;
    return positionOf(error) === prefix.length;
  }
}

/** Returns the parsed value, after marking the numbers in it that are not held as they were written. */
function checkTokens(text: string, value: unknown): unknown {
  const rounded = findRounded(text);
  if (rounded.length === 0) return value;
  if (typeof value !== 'object' || value === null) throw notExact('', text.trim());
  return parseWithRounded(text, rounded);
}

interface NumberToken {
  readonly text: string;
  readonly index: number;
}

/** Marker that no string of the text has: strings with NUL were refused before. */
const MARK = '\0';

function parseWithRounded(text: string, rounded: readonly NumberToken[]): unknown {
  let marked = '';
  let end = 0;
  for (const { text: token, index } of rounded) {
    marked += `${text.slice(end, index)}"\\u0000${token}"`;
    end = index + token.length;
  }
  const value = JSON.parse(marked + text.slice(end)) as object;
  settleNumbers(value, readMarked);
  return value;
}

function readMarked(member: unknown): SettledNumber | undefined {
  if (typeof member !== 'string' || !member.startsWith(MARK)) return undefined;
  const written = member.slice(MARK.length);
  return { value: Number(written), written };
}

/** Finds the numbers that a double rounds. Throws VALIDATION_ERROR for values that no record may have. */
function findRounded(text: string): NumberToken[] {
  const rounded: NumberToken[] = [];
  let name = '';
  for (const { 0: token, index } of text.matchAll(TOKENS)) {
    if (!token.startsWith('"')) {
      if (isRounded(token, readNumber(token, name))) rounded.push({ text: token, index });
      continue;
    }
    const value = checkString(token);
    if (isFollowedByColon(text, index + token.length)) name = value;
  }
  return rounded;
}

/** Returns whether the string that ends here is the name of a member. */
function isFollowedByColon(text: string, end: number): boolean {
  let at = end;
  while (text.charCodeAt(at) <= SPACE) at++;
  return text[at] === ':';
}

/** Highest code of JSON's white space; outside of strings JSON has no other characters up to it. */
const SPACE = 0x20;

/** Parses a number; `name` is the name of its member, for errors. */
function readNumber(token: string, name: string): number {
  const value = Number(token);
  if (vanishes(token, value)) throw invalidField(name, `the number ${shorten(token)} is too small; it would be 0`);
  if (!Number.isFinite(value)) throw invalidField(name, `the number ${shorten(token)} is too large`);
  return value;
}

/**
 * True for an integer that becomes another one, and a fraction that becomes an integer; other fractions are doubles.
 */
function isRounded(token: string, value: number): boolean {
  if (/^-?\d+$/.test(token)) return isRoundedInteger(token, value);
  return Number.isInteger(value) && /^-?\d+\.\d*[1-9]\d*$/.test(token);
}

/** VALIDATION_ERROR for a rounded integer where no type says that it is a Float. */
export function notExact(name: string, written: string): AppError {
  return invalidField(name, describeRounded(written));
}

export function describeRounded(written: string): string {
  return `the number ${shorten(written)} cannot be held exactly by a double; send it as a string of digits`;
}

function shorten(token: string): string {
  return token.length > 40 ? `${token.slice(0, 40)}…` : token;
}

function checkString(token: string): string {
  // A forbidden character can only be there escaped: the text is JSON and was UTF-8.
  if (!token.includes('\\')) return token.slice(1, -1);
  const value: string = JSON.parse(token);
  if (value.includes('\0')) throw new AppError('VALIDATION_ERROR', 'Strings must not have NUL characters.');
  if (!value.isWellFormed()) throw new AppError('VALIDATION_ERROR', 'Strings must not have lone surrogates.');
  return value;
}

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
