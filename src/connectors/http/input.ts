import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { AppError, invalidField } from '../../errors.ts';
import type { ValueLimits } from '../../resources/body/values.ts';
import type { FlowData } from '../connector.ts';
import { type SentInput, toFlowInput, wholeOf } from '../flows/flow-input.ts';
import { checkInput, parseInputJson } from '../flows/json-input.ts';
import type { RequestSettings } from './keys.ts';

/** Parts of a request that the input of a flow may contain. */
export interface RequestParts {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer | undefined;
  readonly params: Readonly<Record<string, string>>;
  /** Query string without the question mark. */
  readonly query: string;
}

interface InputOptions {
  readonly settings: Pick<RequestSettings, 'query' | 'headers'>;
  readonly limits: ValueLimits;
}

/**
 * Reads the input of a flow: members of the body, parameters of the path, and the configured ones of the query string and
 * the headers. Throws VALIDATION_ERROR for two of the same name with different values: none takes precedence.
 */
export function readInput(parts: RequestParts, { settings, limits }: InputOptions): SentInput {
  const { headers, params, query } = parts;
  const content = readBody(parts, limits);
  const input = new Map(Object.entries(content.input));
  const add = (name: string, value: unknown, where: string) => {
    if (input.has(name) && String(input.get(name)) !== value) {
      const message = `is in the ${where} and elsewhere in the request with another value`;
      throw invalidField(name, message);
    }
    if (!input.has(name)) input.set(name, value);
  };
  for (const [name, value] of Object.entries(params)) add(name, checkText(value), 'path');
  const parameters = readParameters(query);
  for (const name of settings.query) {
    const values = parameters.getAll(name).map(checkText);
    if (values.length > 0) add(name, values.length === 1 ? values[0] : values, 'query string');
  }
  if (settings.headers.length > 0) {
    const names = settings.headers.map((name) => name.toLowerCase());
    const found = names.filter((name) => Object.hasOwn(headers, name));
    add('headers', Object.fromEntries(found.map((name) => [name, String(headers[name])])), 'header');
  }
  return { input: Object.fromEntries(input), notes: content.notes };
}

const JSON_TYPE = /^application\/(?:json|[\w.-]+\+json)\s*(?:;|$)/i;
/** Methods without a body: many clients send a content type with every request. */
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE']);

function readBody({ method, headers, body }: RequestParts, limits: ValueLimits): SentInput {
  const type = headers['content-type'];
  const isJson = type !== undefined && JSON_TYPE.test(type);
  if (body === undefined || body.length === 0) {
    if (isJson && !BODILESS.has(method)) throw new AppError('INVALID_JSON', 'The body is empty; expected JSON.');
    return { input: {}, notes: { sent: [] } };
  }
  if (isJson) return toFlowInput(parseInputJson(body, limits));
  if (type !== undefined && /^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type)) {
    const form = readForm(readText(body));
    checkInput(form, 'body', limits);
    return toFlowInput(form);
  }
  if (type !== undefined && /^text\//i.test(type)) return wholeOf(readText(body), 'text');
  throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'Send JSON, a form (application/x-www-form-urlencoded) or text.');
}

/** Parses a form; a repeated name has an array. */
function readForm(text: string): FlowData {
  const form = readParameters(text);
  return Object.fromEntries(
    [...new Set(form.keys())].map((name) => {
      const values = form.getAll(checkText(name)).map(checkText);
      return [name, values.length === 1 ? values[0] : values];
    }),
  );
}

/** Throws INVALID_CONTENT for escapes that are not UTF-8: they would be read as U+FFFD, which was not sent. */
function readParameters(text: string): URLSearchParams {
  const parameters = new URLSearchParams(text);
  const isReplaced = String(parameters).includes('%EF%BF%BD') && !/%ef%bf%bd|\uFFFD/i.test(text);
  if (isReplaced) throw new AppError('INVALID_CONTENT', 'A name or value is not valid UTF-8.');
  return parameters;
}

function readText(body: Buffer): string {
  if (!isUtf8(body)) throw new AppError('INVALID_CONTENT', 'The text is not UTF-8.');
  return checkText(body.toString('utf8'));
}

/** Refuses NUL characters, which no record may contain. */
function checkText(text: string): string {
  if (text.includes('\0')) throw new AppError('VALIDATION_ERROR', 'Strings must not have NUL characters.');
  return text;
}
