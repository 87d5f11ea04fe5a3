import { isUtf8 } from 'node:buffer';
import { AppError } from '../../errors.ts';
import { parseJsonText } from '../../resources/body/json.ts';
import { checkJson, throwInvalid, type ValueLimits } from '../../resources/body/values.ts';
import { vanishes } from '../../schema/float.ts';

/** Strings are matched so that digits in them are no numbers; of numbers only those that are long or have an exponent. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** Without one of these no number can be changed by `JSON.parse`. */
const SUSPICIOUS = /\d[\d.]{15}|\d[eE][+-]?\d{2}/;

/**
 * JSON that was sent to a flow. A number that a double cannot hold is the text of its digits, as a Long is in a record:
 * one member that nothing uses does not make the others unreadable. Throws INVALID_JSON, VALIDATION_ERROR, TOO_DEEP or
 * TOO_WIDE for what no record may have.
 */
export function parseInputJson(source: Buffer, limits: ValueLimits): unknown {
  const value = parseInputBytes(source);
  checkInput(value, 'body', limits);
  return value;
}

/** Throws what no record may have in any way: TOO_DEEP, TOO_WIDE or VALIDATION_ERROR. */
export function checkInput(value: unknown, path: string, limits: ValueLimits): void {
  checkJson(limits)(value, path, throwInvalid);
}

/** As `parseInputJson`, without the limits of depth and width. */
export function parseInputBytes(source: Buffer): unknown {
  if (!isUtf8(source)) throw new AppError('INVALID_JSON', 'The text is not UTF-8.');
  return parseInputText(source.toString('utf8'));
}

export function parseInputText(text: string): unknown {
  // The character itself would be invisible in a message.
  if (text.startsWith('\uFEFF'))
    throw new AppError('INVALID_JSON', 'Not valid JSON: it begins with a byte order mark.');
  return parseJsonText(SUSPICIOUS.test(text) && isJson(text) ? quoteNumbers(text) : text);
}

/** What is none is left as it is, so that its mistake is reported where it stands. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function quoteNumbers(text: string): string {
  return text.replace(TOKENS, (token) => (token.startsWith('"') || isHeld(token) ? token : `"${token}"`));
}

/** Whether a double is this number. Of fractions it is the nearest one, as long as that is a fraction, too. */
function isHeld(token: string): boolean {
  const value = Number(token);
  if (!Number.isFinite(value) || vanishes(token, value)) return false;
  if (/^-?\d+$/.test(token)) return Number.isSafeInteger(value);
  return !(Number.isInteger(value) && /^-?\d+\.\d*[1-9]\d*$/.test(token));
}
