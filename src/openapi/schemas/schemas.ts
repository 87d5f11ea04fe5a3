import type {
  CompositeIndexPlan,
  FieldPlan,
  FieldType,
  RelationPlan,
  ScalarName,
  TablePlan,
} from '../../schema/plan.ts';
import { isOffered } from '../../schema/plan.ts';
import { isServerSet, isText, mustBeSent, notesOf } from '../../schema/sdl/field.ts';

/** Part of a document: JSON Schema 2020-12, or an object of OpenAPI or AsyncAPI. */
export type Part = Readonly<Record<string, unknown>>;

/** Direction of a value: `out` in responses, `in` in requests. */
type SchemaDirection = 'out' | 'in';

const MAX_SAFE = Number.MAX_SAFE_INTEGER;
const DIGITS = '^-?(0|[1-9][0-9]*)$';

const SCALARS: Readonly<Record<ScalarName, Part>> = {
  ID: { type: 'string' },
  String: { type: 'string' },
  Int: { type: 'integer', format: 'int64', minimum: -MAX_SAFE, maximum: MAX_SAFE },
  Float: { type: 'number', format: 'double' },
  Boolean: { type: 'boolean' },
  Date: { type: 'string', format: 'date-time' },
  // Beyond ±(2^53−1) a string of digits. Two schemas, since code generators apply all keywords of one schema to each type.
  Long: {
    anyOf: [
      { type: 'integer', format: 'int64', minimum: -MAX_SAFE, maximum: MAX_SAFE },
      { type: 'string', pattern: DIGITS },
    ],
  },
  // No list of types: from one, code generators make arrays and objects without contents.
  JSON: { description: 'Any JSON value except null.' },
};
const ANY_JSON: Part = { description: 'Any JSON value.' };

/** Describes a field by its docstring and by the effects of its directives. */
function annotate(field: FieldPlan, direction: SchemaDirection): Part {
  const notes = notesOf(field);
  return {
    ...(notes.length === 0 ? {} : { description: notes.join('\n\n') }),
    ...(direction === 'out' && isServerSet(field) ? { readOnly: true } : {}),
    ...(direction === 'in' && field.hidden ? { writeOnly: true } : {}),
  };
}

/** Describes a value, including null unless it is required. */
export function typeSchema(type: FieldType, required: boolean, direction: SchemaDirection): Part {
  switch (type.kind) {
    case 'scalar':
      if (type.name === 'JSON' && !required) return ANY_JSON;
      return required ? SCALARS[type.name] : orNull(SCALARS[type.name]);
    case 'enum':
      return referTo(type.name, required);
    case 'list':
      return orNullUnless(required, { type: 'array', items: typeSchema(type.of, type.itemsRequired, direction) });
    case 'object':
      return referTo(direction === 'in' ? `${type.name}.input` : type.name, required);
  }
}

function orNullUnless(required: boolean, schema: Part): Part {
  return required ? schema : orNull(schema);
}

/** Returns a schema that also accepts null. */
export function orNull(schema: Part): Part {
  const { type, anyOf } = schema;
  if (Array.isArray(anyOf)) return { ...schema, anyOf: [...(anyOf as Part[]), { type: 'null' }] };
  return { ...schema, type: [...(Array.isArray(type) ? type : [type]), 'null'] };
}

export function refer(name: string): Part {
  return { $ref: `#/components/schemas/${name}` };
}

export function referTo(name: string, required: boolean): Part {
  return required ? refer(name) : { anyOf: [refer(name), { type: 'null' }] };
}

function fieldSchema(field: FieldPlan, direction: SchemaDirection): Part {
  const { type, required, primaryKey } = field;
  const schema = primaryKey ? keySchema(field) : typeSchema(type, required, direction);
  return merge(schema, annotate(field, direction));
}

/** Adds notes about a field to its schema; descriptions are joined. */
function merge(schema: Part, notes: Part): Part {
  const texts = [notes.description, schema.description].filter((text) => text !== undefined);
  return { ...schema, ...notes, ...(texts.length === 0 ? {} : { description: texts.join('\n\n') }) };
}

/** Describes a key. A number is limited to exact integers of JavaScript, whatever its type. */
export function keySchema({ type }: FieldPlan): Part {
  return type.kind === 'scalar' && type.name === 'Long' ? SCALARS.Int : typeSchema(type, true, 'in');
}

/** True for a field of every response. A field with a read rule is left out for callers who may not read it. */
function isAlwaysPresent({ access }: FieldPlan): boolean {
  return access?.read === undefined;
}

export function outputSchema(owner: { readonly description?: string }, fields: readonly FieldPlan[]): Part {
  const visible = fields.filter(({ hidden }) => !hidden);
  return {
    type: 'object',
    ...(owner.description === undefined ? {} : { description: owner.description }),
    properties: Object.fromEntries(visible.map((field) => [field.name, fieldSchema(field, 'out')])),
    required: visible.filter(isAlwaysPresent).map(({ name }) => name),
  };
}

/** Returns the relations to tables that at least some callers may read. */
export function openRelations({ relations }: TablePlan): readonly RelationPlan[] {
  return relations.filter(({ target }) => isOffered(target, 'read'));
}

function isShownUnique({ unique, fields }: CompositeIndexPlan): boolean {
  return unique && fields.every(({ hidden }) => !hidden);
}

function describeUnique({ fields }: CompositeIndexPlan): string {
  return `No two records have the same in ${fields.map(({ name }) => `\`${name}\``).join(', ')} together.`;
}

/** Describes a record in a response. */
export function recordSchema(table: TablePlan): Part {
  const unique = table.compositeIndexes.filter(isShownUnique).map(describeUnique);
  const notes = [...(table.description === undefined ? [] : [table.description]), ...unique];
  const owner = notes.length === 0 ? {} : { description: notes.join('\n\n') };
  return outputSchema(owner, table.fields);
}

export function inputSchema(fields: readonly FieldPlan[], isRequired: (field: FieldPlan) => boolean): Part {
  const sent = fields.filter((field) => !isServerSet(field));
  const required = sent.filter(isRequired).map(({ name }) => name);
  return {
    type: 'object',
    properties: Object.fromEntries(
      sent.map((field) => {
        const schema = fieldSchema(field, 'in');
        return [field.name, field.default === undefined ? schema : { ...schema, default: field.default }];
      }),
    ),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  };
}

/** True when the server can generate the key: a string, not a number. */
function hasGeneratedKey({ primaryKey: { type } }: TablePlan): boolean {
  return isText(type);
}

function withKey(schema: Part, table: TablePlan, maxIdLength: number): Part {
  if (!hasGeneratedKey(table)) return schema;
  const properties = schema.properties as Readonly<Record<string, Part>>;
  const { name } = table.primaryKey;
  return {
    ...schema,
    properties: { ...properties, [name]: { ...properties[name], minLength: 1, maxLength: maxIdLength } },
  };
}

/** Describes the bodies to create, to replace (the key is in the path) and to merge (every field is optional). */
export function inputsOf(table: TablePlan, maxIdLength: number): readonly (readonly [string, Part])[] {
  const { name, fields, primaryKey } = table;
  const make = (isRequired: (field: FieldPlan) => boolean) =>
    withKey(inputSchema(fields, isRequired), table, maxIdLength);
  const merged = make(() => false);
  return [
    [`${name}.create`, make((field) => mustBeSent(field) && (field !== primaryKey || !hasGeneratedKey(table)))],
    [`${name}.replace`, make((field) => mustBeSent(field) && field !== primaryKey)],
    [`${name}.merge`, { ...merged, properties: withoutDefaults(merged.properties as Part) }],
  ];
}

function withoutDefaults(properties: Part): Part {
  return Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => {
      const { default: _unused, ...rest } = schema as Part;
      return [name, rest];
    }),
  );
}
