import type { Part } from '../../openapi/schemas/schemas.ts';
import type { StandardSchema } from './standard-schema.ts';

/** Extension of schemas by libraries with Standard JSON Schema v1: https://standardschema.dev/json-schema. */
interface JsonSchemaSource {
  readonly jsonSchema?: {
    readonly input?: (options: { readonly target: string }) => unknown;
  };
}

const MAX_DEPTH = 32;

/** JSON Schema of accepted values, without references; undefined where the library does not provide one. */
export function jsonSchemaOf(standardSchema: StandardSchema | undefined): Part | undefined {
  const source = standardSchema?.['~standard'] as JsonSchemaSource | undefined;
  try {
    const schema = source?.jsonSchema?.input?.({ target: 'draft-2020-12' });
    if (!isPart(schema)) return undefined;
    const { $schema: _version, $defs, ...own } = schema;
    return inline(own, isPart($defs) ? $defs : {}, 0) as Part;
  } catch {
    // Some validations have no JSON Schema.
    return undefined;
  }
}

/** Replaces references, which would point into the whole document. Recursive definitions accept anything. */
function inline(value: unknown, definitions: Part, depth: number): unknown {
  if (depth > MAX_DEPTH) return {};
  if (Array.isArray(value)) return value.map((item) => inline(item, definitions, depth + 1));
  if (!isPart(value)) return value;
  const { $ref, $id: _id, ...others } = value;
  if (typeof $ref === 'string') {
    const name = /^#\/\$defs\/(.+)$/.exec($ref)?.[1];
    const target = name === undefined || isRecursive(name, definitions) ? {} : definitions[name];
    return inline({ ...(target as Part), ...others }, definitions, depth + 1);
  }
  return Object.fromEntries(
    Object.entries(others).map(([key, member]) => [key, inline(member, definitions, depth + 1)]),
  );
}

/** True when a definition leads to itself. */
function isRecursive(name: string, definitions: Part): boolean {
  const seen = new Set<string>();
  const visit = (from: string): boolean =>
    [...JSON.stringify(definitions[from] ?? {}).matchAll(/"\$ref":"#\/\$defs\/([^"]+)"/g)].some(([, next = '']) => {
      if (next === name) return true;
      if (seen.has(next)) return false;
      seen.add(next);
      return visit(next);
    });
  return visit(name);
}

function isPart(value: unknown): value is Part {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Value that can be sent as it is; undefined where the schema has none and is not simple. */
export function exampleOf(schema: Part): unknown {
  const {
    example,
    examples,
    default: fallback,
    const: constant,
    enum: values,
    type,
    minimum,
    format,
    pattern,
  } = schema;
  const given = example ?? (Array.isArray(examples) ? examples[0] : undefined) ?? constant ?? fallback;
  if (given !== undefined) return given;
  if (Array.isArray(values)) return values[0];
  if (type === 'boolean') return true;
  if (type === 'integer' || type === 'number') return typeof minimum === 'number' ? Math.max(minimum, 1) : 1;
  const isPlain = type === 'string' && format === undefined && pattern === undefined;
  return isPlain
    ? 'text'.padEnd(Number(schema.minLength ?? 0), 't').slice(0, Number(schema.maxLength ?? 1000))
    : undefined;
}
