import type { Field, Table } from './schema.ts';

type Json = Readonly<Record<string, unknown>>;

/** Reads the tables from the OpenAPI document of an application. */
export function readDocument(document: unknown): readonly Table[] {
  const { paths = {}, components = {} } = document as { paths?: Json; components?: { schemas?: Json } };
  const schemas = (components as { schemas?: Json }).schemas ?? {};
  return Object.keys(paths).flatMap((path) => {
    const match = /^\/([^/_][^/]*)\/\{([^}]+)\}$/.exec(path);
    if (match === null) return [];
    const name = match[1] as string;
    const shape = schemas[name] as Json | undefined;
    if (shape === undefined) return [];
    return [readTable(name, shape, schemas)];
  });
}

function readTable(name: string, shape: Json, schemas: Json): Table {
  const properties = shape.properties as Readonly<Record<string, Json>>;
  const create = schemas[`${name}.create`] as Json | undefined;
  const required = new Set((create?.required as readonly string[] | undefined) ?? []);
  const names = Object.keys(properties);
  // The key is what no PATCH changes: it is among the fields of every selection.
  const selected = schemas[`${name}.selected`] as Json | undefined;
  const key = (selected?.required as readonly string[] | undefined)?.[0] ?? names[0] ?? 'id';
  return {
    name,
    key,
    description: shape.description as string | undefined,
    fields: names.map((field) => readField(field, properties[field] as Json, required.has(field), schemas)),
  };
}

function readField(name: string, property: Json, required: boolean, schemas: Json): Field {
  const { list, ...found } = kindOf(property, schemas);
  const description = property.description as string | undefined;
  return {
    name,
    ...found,
    list: list ?? false,
    required,
    readOnly: property.readOnly === true,
    hidden: false,
    description,
    unique: /\bUnique: no two records/.test(description ?? ''),
    indexed: false,
    refersTo: undefined,
  };
}

type Found = Pick<Field, 'type' | 'kind' | 'values'> & { readonly list?: boolean };

function kindOf(property: Json, schemas: Json): Found {
  const options = (property.anyOf as readonly Json[] | undefined)?.filter(({ type }) => type !== 'null');
  if (options !== undefined) {
    if (options.length > 1) return { type: 'Long', kind: 'long', values: undefined };
    return kindOf(options[0] as Json, schemas);
  }
  if (typeof property.$ref === 'string') return kindOfReference(property.$ref, schemas);
  const type = [property.type].flat().find((it) => it !== 'null');
  switch (type) {
    case 'array':
      return { ...kindOf(property.items as Json, schemas), list: true };
    case 'integer':
      return { type: 'Int', kind: 'number', values: undefined };
    case 'number':
      return { type: 'Float', kind: 'number', values: undefined };
    case 'boolean':
      return { type: 'Boolean', kind: 'boolean', values: undefined };
    case 'string':
      return property.format === 'date-time'
        ? { type: 'Date', kind: 'date', values: undefined }
        : { type: 'String', kind: 'text', values: undefined };
    case 'object':
      return { type: 'Object', kind: 'object', values: undefined };
    default:
      return { type: 'JSON', kind: 'json', values: undefined };
  }
}

function kindOfReference(reference: string, schemas: Json): Found {
  const type = reference.slice(reference.lastIndexOf('/') + 1);
  const values = (schemas[type] as Json | undefined)?.enum as readonly string[] | undefined;
  return values === undefined ? { type, kind: 'object', values: undefined } : { type, kind: 'enum', values };
}
