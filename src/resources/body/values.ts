import type { Limits } from '../../config/config.ts';
import { suggest } from '../../config/files/suggest.ts';
import { AppError, type FieldError, invalidField } from '../../errors.ts';
import { parseDate } from '../../schema/date.ts';
import { vanishes } from '../../schema/float.ts';
import { FORBIDDEN_KEY, FORBIDDEN_KEY_MESSAGE } from '../../schema/forbidden-key.ts';
import type { FieldPlan, FieldType, JsonValue, ScalarName } from '../../schema/plan.ts';
import { describeRounded, roundedIn } from './json.ts';

export type ValueReport = (field: string, message: string) => void;
/** Returns the value as JSON holds it, or reports an error and returns null. Never called with null. */
export type Check = (value: unknown, path: string, report: ValueReport) => JsonValue;
export type ValueLimits = Pick<Limits, 'jsonDepth' | 'jsonKeys'>;

const INT = 'must be an Int: an integer within ±(2^53−1)';
const LONG = 'must be a Long: an integer of 64 bits; beyond ±(2^53−1) send it as a string of digits';
const LONG_MIN = -(2n ** 63n);
const LONG_MAX = 2n ** 63n - 1n;
const INTEGER = /^-?(?:0|[1-9]\d*)$/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/**
 * Returns the problem with a number of this type that was written as `written`; undefined when a double is sufficient.
 */
export function roundedProblem(type: FieldType, written: string | undefined): string | undefined {
  if (written === undefined || type.kind !== 'scalar') return undefined;
  if (type.name === 'Int') return INT;
  if (type.name === 'Long') return LONG;
  return type.name === 'JSON' && isInteger(written) ? describeRounded(written) : undefined;
}

/** Returns the first member that was written as another integer. A fraction is a double, also in JSON. */
function roundedInteger(holder: object): string | undefined {
  const rounded = roundedIn(holder);
  return rounded && [...rounded.values()].find(isInteger);
}

function isInteger(written: string): boolean {
  return INTEGER.test(written);
}

/** Throws the first error of a value that is not a field of a record. */
export const throwInvalid: ValueReport = (field, message) => {
  throw invalidField(field, message);
};

/** Returns the check for a type. Only a string that is exactly a literal of the type is converted. */
export function checkOf(type: FieldType, limits: ValueLimits): Check {
  switch (type.kind) {
    case 'scalar':
      return type.name === 'JSON' ? checkJson(limits) : SCALARS[type.name];
    case 'enum':
      return checkEnum(type.values);
    case 'list':
      return checkList(type, limits);
    case 'object':
      return checkObject(type.fields, limits);
  }
}

const SCALARS: Readonly<Record<Exclude<ScalarName, 'JSON'>, Check>> = {
  ID: checkText,
  String: checkText,
  Boolean: (value, path, report) => {
    if (typeof value === 'boolean') return value;
    if (value === 'true' || value === 'false') return value === 'true';
    return refuse(report, path, 'must be true or false');
  },
  Int: (value, path, report) => {
    const number = typeof value === 'string' && INTEGER.test(value) ? Number(value) : value;
    return Number.isSafeInteger(number) ? (number as number) : refuse(report, path, INT);
  },
  Float: (value, path, report) => {
    const number = typeof value === 'string' && NUMBER.test(value) ? Number(value) : value;
    if (number === 0 && vanishes(String(value), number)) {
      return refuse(report, path, 'is too small; it would be 0');
    }
    return Number.isFinite(number) ? (number as number) : refuse(report, path, 'must be a finite number');
  },
  Long: (value, path, report) => {
    if (Number.isSafeInteger(value)) return value as number;
    if (typeof value !== 'string' || value.length > 20 || !INTEGER.test(value)) {
      return refuse(report, path, LONG);
    }
    const long = BigInt(value);
    if (long < LONG_MIN || long > LONG_MAX) return refuse(report, path, 'must be a Long, which is within 64 bits');
    return Number.isSafeInteger(Number(value)) ? Number(value) : long.toString();
  },
  Date: (value, path, report) => {
    const date = typeof value === 'string' ? parseDate(value) : undefined;
    return date ?? refuse(report, path, 'must be an ISO 8601 date or date and time');
  },
};

function checkText(value: unknown, path: string, report: ValueReport): JsonValue {
  if (typeof value !== 'string') return refuse(report, path, 'must be a string');
  // parseJson has refused NUL and lone surrogates in every request.
  return value;
}

function checkEnum(values: readonly string[]): Check {
  return (value, path, report) => {
    if (typeof value === 'string' && values.includes(value)) return value;
    const meant = typeof value === 'string' ? suggest(value, values) : undefined;
    return refuse(report, path, `must be one of ${values.join(', ')}${meant === undefined ? '' : `; ${meant}`}`);
  };
}

function checkList({ of, itemsRequired }: Extract<FieldType, { kind: 'list' }>, limits: ValueLimits): Check {
  const check = checkOf(of, limits);
  return (value, path, report) => {
    if (!Array.isArray(value)) return refuse(report, path, 'must be a list');
    const rounded = roundedIn(value);
    return value.map((item: unknown, index) => {
      const itemPath = `${path}[${index}]`;
      const wrong = rounded && roundedProblem(of, rounded.get(String(index)));
      if (wrong !== undefined) return refuse(report, itemPath, wrong);
      if (item !== null) return check(item, itemPath, report);
      return itemsRequired ? refuse(report, itemPath, 'must not be null') : null;
    });
  };
}

function checkObject(fields: readonly FieldPlan[], limits: ValueLimits): Check {
  const checks = new Map(fields.map((field) => [field.name, checkOf(field.type, limits)]));
  return (value, path, report) => {
    if (!isObject(value)) return refuse(report, path, 'must be an object');
    reportUnknown(value, checks, `${path}.`, report);
    const rounded = roundedIn(value);
    const result: Record<string, JsonValue> = {};
    for (const field of fields) {
      const wrong = rounded && roundedProblem(field.type, rounded.get(field.name));
      if (wrong !== undefined) {
        report(`${path}.${field.name}`, wrong);
        continue;
      }
      const member = Object.hasOwn(value, field.name) ? value[field.name] : undefined;
      result[field.name] = checkMember(field, member, { check: checks.get(field.name) as Check, path, report });
    }
    return result;
  };
}

interface Member {
  readonly check: Check;
  readonly path: string;
  readonly report: ValueReport;
}

function checkMember(field: FieldPlan, value: unknown, { check, path, report }: Member): JsonValue {
  const given = value === undefined ? (field.default ?? null) : value;
  if (given !== null) return check(given, `${path}.${field.name}`, report);
  if (field.required) report(`${path}.${field.name}`, value === undefined ? 'is required' : 'must not be null');
  return null;
}

/** Accepts any JSON, within the limits of depth and width. Not recursive: the client chooses the depth. */
export function checkJson({ jsonDepth, jsonKeys }: ValueLimits): Check {
  return (value, path, report) => {
    let level: unknown[] = [value];
    for (let depth = 1; level.length > 0; depth++) {
      if (depth > jsonDepth)
        throw new AppError('TOO_DEEP', `${path}: JSON may be nested ${jsonDepth} levels deep at most.`);
      const next: unknown[] = [];
      for (const item of level) {
        if (typeof item !== 'object' || item === null) continue;
        if (Object.hasOwn(item, FORBIDDEN_KEY)) return refuse(report, path, FORBIDDEN_KEY_MESSAGE);
        const wrong = roundedInteger(item);
        if (wrong !== undefined) return refuse(report, path, describeRounded(wrong));
        const members: unknown[] = Array.isArray(item) ? item : Object.values(item);
        if (!Array.isArray(item) && members.length > jsonKeys) {
          throw new AppError('TOO_WIDE', `${path}: an object may have ${jsonKeys} keys at most.`);
        }
        for (const member of members) if (typeof member === 'object' && member !== null) next.push(member);
      }
      level = next;
    }
    return value as JsonValue;
  };
}

export function reportUnknown(
  value: Record<string, unknown>,
  known: ReadonlyMap<string, unknown>,
  prefix: string,
  report: ValueReport,
): void {
  for (const name of Object.keys(value)) {
    if (known.has(name)) continue;
    const meant = suggest(name, known.keys());
    report(`${prefix}${name}`, `is not a field of this type${meant === undefined ? '' : `; ${meant}`}`);
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse(report: ValueReport, path: string, message: string): null {
  report(path, message);
  return null;
}

/** Formats `a: is required; b: must be a string`, at most a few errors: the list has all. */
export function summarize(errors: readonly FieldError[]): string {
  const first = errors.slice(0, 3).map(({ field, message }) => (field === '' ? message : `${field}: ${message}`));
  return `${first.join('; ')}${errors.length > 3 ? `; and ${errors.length - 3} more` : ''}`;
}
