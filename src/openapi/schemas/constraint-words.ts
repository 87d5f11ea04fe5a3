import { FORMATS } from '../../schema/constraints/formats.ts';
import type { Constraints, ScalarName } from '../../schema/plan.ts';
import type { Part } from './schemas.ts';

/** Returns the constraints of a list that hold for its items. */
export function ofItems({ minItems: _min, maxItems: _max, uniqueItems: _unique, ...rest }: Constraints): Constraints {
  return rest;
}

/** Returns the constraints of a list that hold for itself, in the words of JSON Schema. */
export function listWords({ minItems, maxItems, uniqueItems }: Constraints): Part {
  return withoutUndefined({ minItems, maxItems, uniqueItems });
}

/** Adds the constraints of a value to the schema of its type. */
export function constrainScalar(schema: Part, type: ScalarName, constraints: Constraints): Part {
  if (type === 'Long') return constrainLong(schema, constraints);
  return { ...schema, ...textWords(constraints), ...amountWords(constraints) };
}

function textWords({ minLength, maxLength, pattern, format }: Constraints): Part {
  // Formats that JSON Schema does not have are patterns.
  const own = format === undefined ? undefined : FORMATS.get(format)?.pattern;
  const both = own !== undefined && pattern !== undefined;
  return withoutUndefined({
    minLength,
    maxLength,
    pattern: pattern ?? own,
    allOf: both ? [{ pattern: own }] : undefined,
    format: own === undefined ? format : undefined,
  });
}

function amountWords({ min, max, exclusiveMin, exclusiveMax, multipleOf }: Constraints): Part {
  const number = (text: string | undefined) => (text === undefined ? undefined : Number(text));
  return withoutUndefined({
    minimum: number(min),
    maximum: number(max),
    exclusiveMinimum: number(exclusiveMin),
    exclusiveMaximum: number(exclusiveMax),
    multipleOf: number(multipleOf),
  });
}

/** Leaves out the string of digits where every allowed value is a number; words about numbers say nothing of digits. */
function constrainLong({ anyOf }: Part, constraints: Constraints): Part {
  const [integer, digits] = anyOf as readonly [Part, Part];
  const { min, max, exclusiveMin, exclusiveMax } = constraints;
  const isSafe = isExact(min ?? exclusiveMin) && isExact(max ?? exclusiveMax);
  const words = Object.entries(amountWords(constraints)).filter(([, value]) => Number.isSafeInteger(value));
  const number = { ...integer, ...Object.fromEntries(words) };
  return isSafe ? number : { anyOf: [number, digits] };
}

function isExact(bound: string | undefined): boolean {
  return bound !== undefined && Number.isSafeInteger(Number(bound));
}

function withoutUndefined(part: Part): Part {
  return Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined));
}
