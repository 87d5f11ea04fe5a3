import { isUtf8 } from 'node:buffer';
import { AppError } from '../errors.ts';

/** Text that may hold what `JSON.parse` changes or what a record must not have; everything else is taken as parsed. */
const SUSPICIOUS = /\d{16}|\d[eE]\+?\d{3}|\\u(?:0000|[dD][89a-fA-F])/;
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Parses a body or message. Throws INVALID_JSON, or VALIDATION_ERROR for a number that JavaScript would round. */
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
  if (SUSPICIOUS.test(text)) checkTokens(text);
  return value;
}

/** The engine's sentence with the offset, but without the source text that it quotes. */
function describeSyntaxError(error: unknown, text: string): string {
  if (text.trim() === '') return 'The text is empty; expected JSON.';
  const message = error instanceof Error ? error.message : '';
  const offset = /at position (\d+)/.exec(message)?.[1];
  if (offset === undefined) return `Not valid JSON: it ends too early, at offset ${text.length}.`;
  const found = JSON.stringify(text.slice(Number(offset), Number(offset) + 1));
  return `Not valid JSON: unexpected ${found} at offset ${offset}.`;
}

function checkTokens(text: string): void {
  let name = '';
  for (const { 0: token, index } of text.matchAll(TOKENS)) {
    if (!token.startsWith('"')) {
      checkNumber(token, name);
      continue;
    }
    const value = checkString(token);
    if (/^\s*:/.test(text.slice(index + token.length, index + token.length + 8))) name = value;
  }
}

/** `name` is that of the member it belongs to. */
function checkNumber(token: string, name: string): void {
  const value = Number(token);
  const exact = Number.isFinite(value) && (!/^-?\d+$/.test(token) || Number.isSafeInteger(value));
  if (exact) return;
  const shown = token.length > 40 ? `${token.slice(0, 40)}…` : token;
  const message = `the number ${shown} cannot be held exactly; send a Long as a string of digits`;
  throw new AppError('VALIDATION_ERROR', `${name}: ${message}`, { errors: [{ field: name, message }] });
}

function checkString(token: string): string {
  const value: string = JSON.parse(token);
  if (value.includes('\0')) throw new AppError('VALIDATION_ERROR', 'Text must not have NUL characters.');
  if (!value.isWellFormed()) throw new AppError('VALIDATION_ERROR', 'Text must not have lone surrogates.');
  return value;
}
