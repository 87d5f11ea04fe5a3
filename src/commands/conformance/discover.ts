import type { Message } from './connection.ts';

export interface DiscoverOptions {
  /** Address of the application. */
  readonly base: string;
  readonly token: string | undefined;
  /** Name of the table to use; undefined for the first that fits. */
  readonly table: string | undefined;
}

export interface FoundTable {
  readonly table: string;
  readonly field: string;
  readonly data: Message;
}

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly Schema[];
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly requestBody?: unknown }>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
}

/** Values of required fields, by their type. */
const SAMPLES: Readonly<Record<string, unknown>> = { string: 'x', integer: 1, number: 1, boolean: true, array: [] };

/**
 * Finds a table in the OpenAPI document that the checks can write: with a text field, and with required fields of simple
 * types. Undefined when there is none; throws when there is no document.
 */
export async function discoverTable({ base, token, table: wanted }: DiscoverOptions): Promise<FoundTable | undefined> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${base}/_/openapi.json`, { headers });
  if (!response.ok) throw new Error(`${base}/_/openapi.json was answered with ${response.status}`);
  const document = (await response.json()) as Document;
  for (const [path, item] of Object.entries(document.paths)) {
    const name = /^\/([^/]+)\/\{id\}$/.exec(path)?.[1];
    if (name === undefined || item.put === undefined || item.delete === undefined) continue;
    if (wanted !== undefined && name !== wanted) continue;
    const found = readTable(name, schemaOf(item.put.requestBody, document), document);
    if (found !== undefined) return found;
  }
  return undefined;
}

function schemaOf(body: unknown, document: Document): Schema {
  const { content } = body as { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  return resolve(content['application/json']?.schema ?? {}, document);
}

function resolve(schema: Schema, document: Document): Schema {
  const name = schema.$ref?.replace('#/components/schemas/', '');
  return name === undefined ? schema : (document.components?.schemas?.[name] ?? {});
}

function readTable(
  table: string,
  { properties = {}, required = [] }: Schema,
  document: Document,
): FoundTable | undefined {
  const typesOf = (schema: Schema): readonly string[] => {
    const { type, anyOf = [] } = resolve(schema, document);
    return [...(type === undefined ? [] : [type].flat()), ...anyOf.flatMap(typesOf)];
  };
  const names = Object.keys(properties).filter((name) => name !== 'id');
  const field = names.find((name) => {
    const schema = resolve(properties[name] as Schema, document);
    return typesOf(schema).includes('string') && schema.format === undefined && schema.enum === undefined;
  });
  if (field === undefined) return undefined;
  const data: Record<string, unknown> = {};
  for (const name of required) {
    const schema = resolve(properties[name] ?? {}, document);
    const [type = ''] = typesOf(schema);
    const sample = schema.enum?.[0] ?? (schema.format === 'date-time' ? '2020-01-01T00:00:00Z' : SAMPLES[type]);
    if (sample === undefined) return undefined;
    data[name] = sample;
  }
  delete data.id;
  return { table, field, data };
}
