import { AppError } from '../../errors.ts';

/** INVALID_QUERY for a part of the query; `parameter` is the parameter's name, or the field of a condition. */
export function makeQueryError(parameter: string, message: string): AppError {
  return new AppError('INVALID_QUERY', `${parameter}: ${message}`, { errors: [{ field: parameter, message }] });
}

/** Throws INVALID_QUERY with the column where a raw query string has characters that must be percent-encoded. */
export function checkEncoded(raw: string): void {
  const strange = /[^!-~]/.exec(raw);
  if (strange === null) return;
  const message = 'spaces and characters beyond ASCII are percent-encoded in a query string';
  throw makeQueryError('query', `column ${columnOf(raw, strange.index)}: ${message}`);
}

/** Keeps an error message small, whatever the request contained. */
export function shorten(text: string): string {
  const points = [...text.slice(0, 130)];
  return points.length > 60 ? `${points.slice(0, 60).join('')}…` : text;
}

/** Shortens a text and puts it in quotes. */
export function show(text: string): string {
  return `"${shorten(text)}"`;
}

/** Returns the column of a position, in characters from 1, as an editor shows it. */
export function columnOf(text: string, position: number): number {
  return [...text.slice(0, position)].length + 1;
}
