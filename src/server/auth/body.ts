import { suggest } from '../../config/files/suggest.ts';
import { AppError, type FieldError } from '../../errors.ts';

/** Returns why a string is not accepted, or undefined when it is. */
export type TextRule = (text: string) => string | undefined;

/**
 * Reads the body of a request: an object with exactly these properties, each a string. Throws BAD_REQUEST with every
 * property that is wrong; the message never contains a value, since values are passwords.
 */
export function readTexts<N extends string>(body: unknown, rules: Readonly<Record<N, TextRule>>): Record<N, string> {
  const names = Object.keys(rules) as N[];
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new AppError('BAD_REQUEST', `The body is a JSON object with ${names.join(', ') || 'nothing in it'}.`);
  }
  const members = body as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(members).filter((name) => !Object.hasOwn(rules, name));
  const errors: FieldError[] = unknown.map((field) => ({ field, message: describeUnknown(field, names) }));
  for (const name of names) {
    const message = problemOf(Object.hasOwn(members, name) ? members[name] : undefined, rules[name]);
    if (message !== undefined) errors.push({ field: name, message });
  }
  const [first] = errors;
  if (first !== undefined) {
    const sentence = `${first.field}: ${first.message}`;
    throw new AppError('BAD_REQUEST', sentence.endsWith('?') ? sentence : `${sentence}.`, { errors });
  }
  return members as Record<N, string>;
}

function describeUnknown(name: string, names: readonly string[]): string {
  const near = suggest(name, names);
  return `is not a property of this request${near === undefined ? '' : `; ${near}`}`;
}

function problemOf(value: unknown, rule: TextRule): string | undefined {
  if (value === undefined) return 'is required';
  return typeof value === 'string' ? rule(value) : 'must be a string';
}
