import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { AppError, invalidField } from '../../errors.ts';
import { parseJson } from '../../resources/body/json.ts';
import type { ValueLimits } from '../../resources/body/values.ts';
import { checkJson } from '../../resources/body/values.ts';
import type { FlowData } from '../connector.ts';
import { membersOf } from '../flows/members.ts';
import type { RequestSettings } from './keys.ts';

/** What of a request may be in the input of a flow. */
export interface RequestParts {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer | undefined;
  readonly params: Readonly<Record<string, string>>;
  /** Without the question mark. */
  readonly query: string;
}

interface Reading {
  readonly settings: Pick<RequestSettings, 'query' | 'headers'>;
  readonly limits: ValueLimits;
}

/**
 * The members of the body, the parameters of the path, and what the source takes of the query string and the headers. Throws
 * VALIDATION_ERROR when two of them have the same name and differ: which one is meant is not for us to say.
 */
export function readInput({ headers, body, params, query }: RequestParts, { settings, limits }: Reading): FlowData {
  const input = new Map(Object.entries(readBody(headers['content-type'], body, limits)));
  const add = (name: string, value: unknown, where: string) => {
    if (input.has(name) && String(input.get(name)) !== value) {
      const message = `is in the ${where} and elsewhere in the request, and differs`;
      throw invalidField(name, message);
    }
    if (!input.has(name)) input.set(name, value);
  };
  for (const [name, value] of Object.entries(params)) add(name, checkText(value), 'path');
  const parameters = new URLSearchParams(query);
  for (const name of settings.query) {
    const values = parameters.getAll(name).map(checkText);
    if (values.length > 0) add(name, values.length === 1 ? values[0] : values, 'query string');
  }
  if (settings.headers.length > 0) {
    const names = settings.headers.map((name) => name.toLowerCase());
    const found = names.filter((name) => headers[name] !== undefined);
    add('headers', Object.fromEntries(found.map((name) => [name, String(headers[name])])), 'header');
  }
  return Object.fromEntries(input);
}

function readBody(type: string | undefined, body: Buffer | undefined, limits: ValueLimits): FlowData {
  if (body === undefined || body.length === 0) return {};
  if (type !== undefined && /^application\/(?:json|[\w.-]+\+json)\s*(?:;|$)/i.test(type)) {
    const value = parseJson(body);
    checkJson(limits)(value, 'body', (field, message) => {
      throw invalidField(field, message);
    });
    return membersOf(value);
  }
  if (type !== undefined && /^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type)) {
    return readForm(readText(body));
  }
  if (type !== undefined && /^text\//i.test(type)) return { body: readText(body) };
  throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'Send JSON, a form (application/x-www-form-urlencoded) or text.');
}

/** Names that stand several times have a list. */
function readForm(text: string): FlowData {
  const form = new URLSearchParams(text);
  return Object.fromEntries(
    [...new Set(form.keys())].map((name) => {
      const values = form.getAll(checkText(name)).map(checkText);
      return [name, values.length === 1 ? values[0] : values];
    }),
  );
}

function readText(body: Buffer): string {
  if (!isUtf8(body)) throw new AppError('INVALID_CONTENT', 'The text is not UTF-8.');
  return checkText(body.toString('utf8'));
}

/** No record may have it, and so nothing that a record is made of. */
function checkText(text: string): string {
  if (text.includes('\0')) throw new AppError('VALIDATION_ERROR', 'Text must not have NUL characters.');
  return text;
}
