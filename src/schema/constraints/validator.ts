import type { Constraints, FieldPlan, FieldType, JsonValue } from '../plan.ts';
import { multipleTest } from './decimal.ts';
import { FORMATS } from './formats.ts';
import { compilePattern, isPattern } from './pattern.ts';

/** Receives each value that breaks a constraint, by its path: `tags[2]`, `address.city`. */
export type ConstraintReport = (path: string, message: string) => void;

/**
 * Checks a value of the field's type. `isWhole` is false when parts that were refused are null in it: then equal items say
 * nothing.
 */
export type ConstraintCheck = (value: JsonValue, path: string, report: ConstraintReport, isWhole: boolean) => void;

type Constrained = Pick<FieldPlan, 'type' | 'constraints'>;
type Text = (value: string) => string | undefined;
type Amount = (value: number | string) => string | undefined;

/** Returns the check of a field's constraints, with those of its nested types; undefined when there are none. */
export function compileConstraints({ type, constraints = {} }: Constrained): ConstraintCheck | undefined {
  return skipNull(checkOf(type, constraints, true));
}

/** `isOuter` is false for lists within lists: the words about lists are for the outermost. */
function checkOf(type: FieldType, constraints: Constraints, isOuter: boolean): ConstraintCheck | undefined {
  switch (type.kind) {
    case 'list':
      return checkList(checkOf(type.of, constraints, false), isOuter ? constraints : {});
    case 'object':
      return checkObject(type.fields);
    case 'scalar':
      return type.name === 'ID' || type.name === 'String'
        ? checkText(constraints)
        : checkAmount(constraints, type.name);
    case 'enum':
      return undefined;
  }
}

function skipNull(check: ConstraintCheck | undefined): ConstraintCheck | undefined {
  return check && ((value, path, report, isWhole) => value !== null && check(value, path, report, isWhole));
}

function checkObject(fields: readonly FieldPlan[]): ConstraintCheck | undefined {
  const checks = fields.flatMap((field) => {
    const check = compileConstraints(field);
    return check === undefined ? [] : [{ name: field.name, check }];
  });
  if (checks.length === 0) return undefined;
  return (value, path, report, isWhole) => {
    const members = value as Readonly<Record<string, JsonValue>>;
    for (const { name, check } of checks) check(members[name] ?? null, `${path}.${name}`, report, isWhole);
  };
}

function checkList(
  ofItem: ConstraintCheck | undefined,
  { minItems = 0, maxItems = Number.POSITIVE_INFINITY, uniqueItems }: Constraints,
): ConstraintCheck | undefined {
  if (ofItem === undefined && minItems === 0 && maxItems === Number.POSITIVE_INFINITY && !uniqueItems) return undefined;
  return (value, path, report, isWhole) => {
    const items = value as readonly JsonValue[];
    if (items.length < minItems) report(path, `must have at least ${count(minItems, 'item')}`);
    if (items.length > maxItems) report(path, `must have at most ${count(maxItems, 'item')}`);
    if (ofItem !== undefined) {
      for (const [index, item] of items.entries())
        if (item !== null) ofItem(item, `${path}[${index}]`, report, isWhole);
    }
    if (uniqueItems && isWhole) reportRepeated(items, path, report);
  };
}

function reportRepeated(items: readonly JsonValue[], path: string, report: ConstraintReport): void {
  const first = new Map<unknown, number>();
  for (const [index, item] of items.entries()) {
    const key = hashKey(item);
    const before = first.get(key);
    if (before === undefined) first.set(key, index);
    else report(`${path}[${index}]`, `is the same as ${path}[${before}]; items must be unique`);
  }
}

function checkText(constraints: Constraints): ConstraintCheck | undefined {
  const tests = [lengthTest(constraints), patternTest(constraints.pattern), formatTest(constraints.format)];
  return checkAll(tests.filter((test) => test !== undefined));
}

function checkAmount(constraints: Constraints, type: string): ConstraintCheck | undefined {
  return checkAll(amountTests(constraints, type === 'Long'));
}

function checkAll<T extends JsonValue>(
  tests: readonly ((value: T) => string | undefined)[],
): ConstraintCheck | undefined {
  if (tests.length === 0) return undefined;
  return (value, path, report) => {
    for (const test of tests) {
      const problem = test(value as T);
      if (problem !== undefined) report(path, problem);
    }
  };
}

/** Counts code points, as JSON Schema does; a text has at most as many as UTF-16 units, and at least half of them. */
function lengthTest({ minLength = 0, maxLength = Number.POSITIVE_INFINITY }: Constraints): Text | undefined {
  if (minLength === 0 && maxLength === Number.POSITIVE_INFINITY) return undefined;
  const tooShort = `must have at least ${count(minLength, 'character')}`;
  const tooLong = `must have at most ${count(maxLength, 'character')}`;
  return (text) => {
    const units = text.length;
    if (units < minLength) return tooShort;
    if (units > 2 * maxLength) return tooLong;
    if (units <= maxLength && units >= 2 * minLength) return undefined;
    const length = countCodePoints(text);
    if (length < minLength) return tooShort;
    return length > maxLength ? tooLong : undefined;
  };
}

function countCodePoints(text: string): number {
  let length = 0;
  for (const _character of text) length++;
  return length;
}

function patternTest(source: string | undefined): Text | undefined {
  if (source === undefined) return undefined;
  const pattern = compilePattern(source);
  if (!isPattern(pattern)) throw new Error(`The pattern ${source} was not checked.`);
  return (text) => {
    if (pattern.test(text)) return undefined;
    if (text.length > pattern.maxChars)
      return `has more than ${pattern.maxChars} characters, too many to match the pattern ${source}`;
    return `must match the pattern ${source}`;
  };
}

function formatTest(name: string | undefined): Text | undefined {
  const format = name === undefined ? undefined : FORMATS.get(name);
  return format && ((text) => (format.test(text) ? undefined : `must be ${format.name}`));
}

function amountTests(constraints: Constraints, isLong: boolean): Amount[] {
  const { min, max, exclusiveMin, exclusiveMax, multipleOf } = constraints;
  const bound = (limit: string | undefined, holds: (order: number) => boolean, words: string): Amount[] => {
    if (limit === undefined) return [];
    const compare = isLong ? compareLong(limit) : compareNumber(limit);
    return [(value) => (holds(compare(value)) ? undefined : `must be ${words} ${limit}`)];
  };
  const tests = [
    ...bound(min, (order) => order >= 0, 'at least'),
    ...bound(max, (order) => order <= 0, 'at most'),
    ...bound(exclusiveMin, (order) => order > 0, 'greater than'),
    ...bound(exclusiveMax, (order) => order < 0, 'less than'),
  ];
  if (multipleOf === undefined) return tests;
  const isMultiple = multipleTest(multipleOf);
  return [...tests, (value) => (isMultiple(value) ? undefined : `must be a multiple of ${multipleOf}`)];
}

function compareNumber(limit: string): (value: number | string) => number {
  const bound = Number(limit);
  return (value) => (value as number) - bound;
}

/** A Long is a string of digits where a double does not hold it. */
function compareLong(limit: string): (value: number | string) => number {
  const bound = BigInt(limit);
  return (value) => {
    const long = BigInt(value);
    return long < bound ? -1 : long > bound ? 1 : 0;
  };
}

function count(number: number, unit: string): string {
  return `${number} ${unit}${number === 1 ? '' : 's'}`;
}

/**
 * Returns a key that two values share when they are equal: numbers by their value, objects regardless of the order of their
 * members. Scalars are their own key; lists and objects have their text, marked, since a string may be the same text.
 */
export function hashKey(value: JsonValue): unknown {
  if (typeof value !== 'object' || value === null) return typeof value === 'string' ? `"${value}` : value;
  return JSON.stringify(value, sortMembers);
}

function sortMembers(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
