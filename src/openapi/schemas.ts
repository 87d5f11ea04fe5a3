import type { CompositeIndexPlan, FieldPlan, FieldType, RelationPlan, ScalarName, TablePlan } from '../schema/plan.ts';
import { isOffered } from '../schema/plan.ts';
import { isServerSet, isText, mustBeSent, notesOf } from '../schema/sdl/field.ts';

/** A part of a document: JSON Schema 2020-12, or an object of OpenAPI or AsyncAPI. */
export type Part = Readonly<Record<string, unknown>>;

/** Whether a value is one that the server gives, or one that a client sends. */
type Direction = 'out' | 'in';

const MAX_SAFE = Number.MAX_SAFE_INTEGER;
const DIGITS = '^-?(0|[1-9][0-9]*)$';

const SCALARS: Readonly<Record<ScalarName, Part>> = {
  ID: { type: 'string' },
  String: { type: 'string' },
  Int: { type: 'integer', format: 'int64', minimum: -MAX_SAFE, maximum: MAX_SAFE },
  Float: { type: 'number', format: 'double' },
  Boolean: { type: 'boolean' },
  Date: { type: 'string', format: 'date-time' },
  // Beyond ±(2^53−1) a string of digits; the pattern concerns only that.
  Long: { type: ['integer', 'string'], format: 'int64', pattern: DIGITS },
  JSON: { type: ['object', 'array', 'string', 'number', 'boolean'] },
};

/** What a field's docstring says, and what its directives mean to the one who sends or reads it. */
function annotate(field: FieldPlan, direction: Direction): Part {
  const notes = notesOf(field);
  return {
    ...(notes.length === 0 ? {} : { description: notes.join('\n\n') }),
    ...(direction === 'out' && isServerSet(field) ? { readOnly: true } : {}),
    ...(direction === 'in' && field.hidden ? { writeOnly: true } : {}),
  };
}

/** The schema of one value, null included when it may be null. */
export function typeSchema(type: FieldType, required: boolean, direction: Direction): Part {
  switch (type.kind) {
    case 'scalar':
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

/** The same, or null. */
export function orNull(schema: Part): Part {
  const { type } = schema;
  return { ...schema, type: [...(Array.isArray(type) ? type : [type]), 'null'] };
}

export function refer(name: string): Part {
  return { $ref: `#/components/schemas/${name}` };
}

function referTo(name: string, required: boolean): Part {
  return required ? refer(name) : { anyOf: [refer(name), { type: 'null' }] };
}

function fieldSchema(field: FieldPlan, direction: Direction): Part {
  const { type, required, primaryKey } = field;
  const schema = primaryKey ? keySchema(field) : typeSchema(type, required, direction);
  return { ...schema, ...annotate(field, direction) };
}

/** Numbers that are keys are exact in JavaScript, whatever their type. */
export function keySchema({ type }: FieldPlan): Part {
  return type.kind === 'scalar' && type.name === 'Long' ? SCALARS.Int : typeSchema(type, true, 'in');
}

function outputSchema(owner: { readonly description?: string }, fields: readonly FieldPlan[]): Part {
  const shown = fields.filter(({ hidden }) => !hidden);
  return {
    type: 'object',
    ...(owner.description === undefined ? {} : { description: owner.description }),
    properties: Object.fromEntries(shown.map((field) => [field.name, fieldSchema(field, 'out')])),
    required: shown.map(({ name }) => name),
  };
}

/** A relation is there only when `select` names it. */
function relationSchema({ target, many, description }: RelationPlan): Part {
  const schema = many ? { type: 'array', items: refer(target.name) } : referTo(target.name, false);
  return description === undefined ? schema : { ...schema, description };
}

/** Those whose records anonymous callers may read. */
export function openRelations({ relations }: TablePlan): readonly RelationPlan[] {
  return relations.filter(({ target }) => isOffered(target, 'read'));
}

function isShownUnique({ unique, fields }: CompositeIndexPlan): boolean {
  return unique && fields.every(({ hidden }) => !hidden);
}

function describeUnique({ fields }: CompositeIndexPlan): string {
  return `No two records have the same in ${fields.map(({ name }) => `\`${name}\``).join(', ')} together.`;
}

/** A record as it is read. */
export function recordSchema(table: TablePlan): Part {
  const unique = table.compositeIndexes.filter(isShownUnique).map(describeUnique);
  const notes = [...(table.description === undefined ? [] : [table.description]), ...unique];
  const owner = notes.length === 0 ? {} : { description: notes.join('\n\n') };
  const { properties, ...rest } = outputSchema(owner, table.fields);
  const relations = openRelations(table).map((relation) => [relation.name, relationSchema(relation)] as const);
  return { ...rest, properties: { ...(properties as Part), ...Object.fromEntries(relations) } };
}

function inputSchema(fields: readonly FieldPlan[], isRequired: (field: FieldPlan) => boolean): Part {
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

/** Numbers are not made by the server, text keys are. */
function hasMadeKey({ primaryKey: { type } }: TablePlan): boolean {
  return isText(type);
}

function withKey(schema: Part, table: TablePlan, maxIdLength: number): Part {
  if (!hasMadeKey(table)) return schema;
  const properties = schema.properties as Readonly<Record<string, Part>>;
  const { name } = table.primaryKey;
  return {
    ...schema,
    properties: { ...properties, [name]: { ...properties[name], minLength: 1, maxLength: maxIdLength } },
  };
}

/** What may be sent: to create, to replace (the key is in the address) and to merge (every field is optional). */
function inputsOf(table: TablePlan, maxIdLength: number): readonly (readonly [string, Part])[] {
  const { name, fields, primaryKey } = table;
  const make = (isRequired: (field: FieldPlan) => boolean) =>
    withKey(inputSchema(fields, isRequired), table, maxIdLength);
  const merged = make(() => false);
  return [
    [`${name}.create`, make((field) => mustBeSent(field) && (field !== primaryKey || !hasMadeKey(table)))],
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

/** Every type that a document of these tables refers to, by name; names with a dot are ours, which no type can have. */
export function componentSchemas(tables: readonly TablePlan[], maxIdLength: number): Part {
  const schemas = new Map<string, Part>();
  for (const table of withTargets(tables)) {
    schemas.set(table.name, recordSchema(table));
    addTypes(table.fields, schemas);
  }
  for (const table of tables) for (const [name, schema] of inputsOf(table, maxIdLength)) schemas.set(name, schema);
  return Object.fromEntries([...schemas].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function withTargets(tables: readonly TablePlan[]): ReadonlySet<TablePlan> {
  const all = new Set(tables);
  // A set gives what is added while it is walked, too.
  for (const table of all) for (const { target } of openRelations(table)) all.add(target);
  return all;
}

function addTypes(fields: readonly FieldPlan[], schemas: Map<string, Part>): void {
  for (const { type } of fields) addType(type, schemas);
}

function addType(type: FieldType, schemas: Map<string, Part>): void {
  if (type.kind === 'list') addType(type.of, schemas);
  if (type.kind === 'enum') schemas.set(type.name, { type: 'string', enum: type.values });
  if (type.kind !== 'object' || schemas.has(type.name)) return;
  schemas.set(type.name, outputSchema({}, type.fields));
  schemas.set(`${type.name}.input`, inputSchema(type.fields, mustBeSent));
  addTypes(type.fields, schemas);
}
