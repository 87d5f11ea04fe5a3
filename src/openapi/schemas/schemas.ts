import type { CompositeIndexPlan, FieldPlan, RelationPlan, ScalarName, TablePlan } from '../../schema/plan.ts';
import { isOffered } from '../../schema/plan.ts';
import { isServerSet, notesOf } from '../../schema/sdl/field.ts';
import { constrainScalar, listWords, ofItems } from './constraint-words.ts';

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

/** Type of a value, with `@constraint` where it is that of a field. */
type DescribedType = Pick<FieldPlan, 'type' | 'required' | 'constraints'>;

/** Describes a value, including null unless it is required. */
export function typeSchema({ type, required, constraints = {} }: DescribedType, direction: SchemaDirection): Part {
  switch (type.kind) {
    case 'scalar':
      if (type.name === 'JSON' && !required) return ANY_JSON;
      return orNullUnless(required, constrainScalar(SCALARS[type.name], type.name, constraints));
    case 'enum':
      return referTo(type.name, required);
    case 'list': {
      const items = typeSchema(
        { type: type.of, required: type.itemsRequired, constraints: ofItems(constraints) },
        direction,
      );
      return orNullUnless(required, { type: 'array', items, ...listWords(constraints) });
    }
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

export function fieldSchema(field: FieldPlan, direction: SchemaDirection): Part {
  const schema = field.primaryKey ? keySchema(field) : typeSchema(field, direction);
  return merge(schema, annotate(field, direction));
}

/** Adds notes about a field to its schema; descriptions are joined. */
function merge(schema: Part, notes: Part): Part {
  const texts = [notes.description, schema.description].filter((text) => text !== undefined);
  return { ...schema, ...notes, ...(texts.length === 0 ? {} : { description: texts.join('\n\n') }) };
}

/** Describes a key. A number is limited to exact integers of JavaScript, whatever its type. */
export function keySchema({ type, constraints = {} }: FieldPlan): Part {
  const isLong = type.kind === 'scalar' && type.name === 'Long';
  return isLong
    ? constrainScalar(SCALARS.Int, 'Int', constraints)
    : typeSchema({ type, required: true, constraints }, 'in');
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
