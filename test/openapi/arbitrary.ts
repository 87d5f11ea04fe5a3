import fc from 'fast-check';
import type { Part } from '../../src/openapi/schemas/schemas.ts';
import { resolve } from './valid.ts';

type Schema = Readonly<Record<string, unknown>>;

/** Generates values that a schema of the document describes. */
export function arbitraryOf(schema: Schema, document: Part): fc.Arbitrary<unknown> {
  const { $ref, anyOf, type, enum: values, const: constant } = schema;
  if (typeof $ref === 'string') return arbitraryOf(resolve(document, $ref) as Schema, document);
  if (Array.isArray(anyOf)) return fc.oneof(...anyOf.map((one: Schema) => arbitraryOf(one, document)));
  if (constant !== undefined) return fc.constant(constant);
  if (Array.isArray(values)) return fc.constantFrom(...(values as unknown[]));
  if (Array.isArray(type)) return fc.oneof(...type.map((one: string) => ofType(one, schema, document)));
  return typeof type === 'string' ? ofType(type, schema, document) : ANY_JSON;
}

/** Generates values of type JSON that are valid whether or not the field may be null. */
const ANY_JSON = fc
  .jsonValue()
  .map(plain)
  .filter((value) => value !== null && !/"(?:__proto__|constructor)"/.test(JSON.stringify(value)));

function ofType(type: string, schema: Schema, document: Part): fc.Arbitrary<unknown> {
  switch (type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.maxSafeInteger();
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case 'array':
      return fc.array('items' in schema ? arbitraryOf(schema.items as Schema, document) : fc.integer(), {
        maxLength: 3,
      });
    case 'string':
      return text(schema);
    default:
      return object(schema, document);
  }
}

function text({ format, pattern, minLength = 0, maxLength = 20 }: Schema): fc.Arbitrary<string> {
  if (format === 'date-time') return fc.date({ noInvalidDate: true, ...YEARS }).map((date) => date.toISOString());
  if (pattern !== undefined) return fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(String);
  // No control characters, since keys must not contain them.
  return fc.string({ unit: SIGN, minLength: Number(minLength), maxLength: Math.min(20, Number(maxLength)) });
}

const SIGN = fc.constantFrom(...' aZ09_-/%"\\éß☃');
const YEARS = { min: new Date('1000-01-01'), max: new Date('9999-12-31') };

function object({ properties, required }: Schema, document: Part): fc.Arbitrary<unknown> {
  if (properties === undefined) return fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.integer(), { maxKeys: 3 });
  const members = Object.entries(properties as Readonly<Record<string, Schema>>);
  const arbitraries = Object.fromEntries(members.map(([name, schema]) => [name, arbitraryOf(schema, document)]));
  return fc.record(arbitraries, { requiredKeys: (required ?? []) as string[] }).map(plain);
}

/** Converts a value to what JSON.parse returns. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
