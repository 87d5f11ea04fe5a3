import { isUtf8 } from 'node:buffer';
import { AppError } from '../../errors.ts';
import { parseJsonText } from '../../resources/body/json.ts';
import { checkJson, throwInvalid, type ValueLimits } from '../../resources/body/values.ts';
import { vanishes } from '../../schema/float.ts';

/** Matches strings, so that digits in them are not taken for numbers, and numbers. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** Matches numbers that `JSON.parse` may change: long ones, or with a large exponent. */
const MAYBE_INEXACT = /\d[\d.]{15}|\d[eE][+-]?\d{2}/;

/**
 * Parses JSON that was sent to a flow. A number that a double cannot represent becomes the string of its digits, as a Long
 * in a record: an unused member does not make the others unreadable. Throws INVALID_JSON, and VALIDATION_ERROR, TOO_DEEP
 * or TOO_WIDE for values that no record may have.
 */
export function parseInputJson(source: Buffer, limits: ValueLimits): unknown {
  const value = parseInputBytes(source);
  checkInput(value, 'body', limits);
  return value;
}

/** Throws TOO_DEEP, TOO_WIDE or VALIDATION_ERROR for values that no record may have. */
export function checkInput(value: unknown, path: string, limits: ValueLimits): void {
  checkJson(limits)(value, path, throwInvalid);
}

/** Parses as `parseInputJson`, without the limits of depth and width. */
export function parseInputBytes(source: Buffer): unknown {
  if (!isUtf8(source)) throw new AppError('INVALID_JSON', 'The text is not UTF-8.');
  return parseInputText(source.toString('utf8'));
}

export function parseInputText(text: string): unknown {
  // Named, since the character would be invisible in the message.
  if (text.startsWith('\uFEFF'))
    throw new AppError('INVALID_JSON', 'Not valid JSON: it begins with a byte order mark.');
  return parseJsonText(MAYBE_INEXACT.test(text) && isJson(text) ? quoteNumbers(text) : text);
}

/** True for valid JSON. Invalid text is parsed unchanged, so that the error has the right position. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function quoteNumbers(text: string): string {
  return text.replace(TOKENS, (token) => (token.startsWith('"') || isExact(token) ? token : `"${token}"`));
}

/** True when a double represents the number. Fractions may be rounded, as long as the result is a fraction, too. */
function isExact(token: string): boolean {
  const value = Number(token);
  if (!Number.isFinite(value) || vanishes(token, value)) return false;
  if (/^-?\d+$/.test(token)) return Number.isSafeInteger(value);
  return !(Number.isInteger(value) && /^-?\d+\.\d*[1-9]\d*$/.test(token));
}
