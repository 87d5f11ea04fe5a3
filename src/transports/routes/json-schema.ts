import type { Part } from '../../openapi/schemas/schemas.ts';
import type { StandardSchema } from './standard-schema.ts';

/** What libraries with Standard JSON Schema v1 add to their schemas: https://standardschema.dev/json-schema. */
interface JsonSchemaSource {
  readonly jsonSchema?: {
    readonly input?: (options: { readonly target: string }) => unknown;
  };
}

const MAX_DEPTH = 32;

/** The JSON Schema of what a schema accepts, without references; undefined where its library gives none. */
export function jsonSchemaOf(schema: StandardSchema | undefined): Part | undefined {
  const source = schema?.['~standard'] as JsonSchemaSource | undefined;
  try {
    const made = source?.jsonSchema?.input?.({ target: 'draft-2020-12' });
    if (!isPart(made)) return undefined;
    const { $schema: _version, $defs, ...own } = made;
    return inline(own, isPart($defs) ? $defs : {}, 0) as Part;
  } catch {
    // Some of what can be validated cannot be said in JSON Schema.
    return undefined;
  }
}

/** A reference would be one into the whole document. What contains itself is anything from some depth on. */
function inline(value: unknown, definitions: Part, depth: number): unknown {
  if (depth > MAX_DEPTH) return {};
  if (Array.isArray(value)) return value.map((item) => inline(item, definitions, depth + 1));
  if (!isPart(value)) return value;
  const { $ref, $id: _id, ...others } = value;
  if (typeof $ref === 'string') {
    const name = /^#\/\$defs\/(.+)$/.exec($ref)?.[1];
    const target = name === undefined || hasItself(name, definitions) ? {} : definitions[name];
    return inline({ ...(target as Part), ...others }, definitions, depth + 1);
  }
  return Object.fromEntries(
    Object.entries(others).map(([key, member]) => [key, inline(member, definitions, depth + 1)]),
  );
}

/** Whether a definition leads to itself. */
function hasItself(name: string, definitions: Part): boolean {
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

/** A value that can be sent as it is, where the schema has one or is simple. */
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
