import type { FieldPlan, TablePlan } from '../../schema/plan.ts';
import { isServerSet, isText, mustBeSent } from '../../schema/sdl/field.ts';
import { withOperators } from './operator-schemas.ts';
import { fieldSchema, type Part } from './schemas.ts';

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
  const { name, constraints: { minLength = 1, maxLength = maxIdLength } = {} } = table.primaryKey;
  const lengths = { minLength: Math.max(1, minLength), maxLength: Math.min(maxIdLength, maxLength) };
  return { ...schema, properties: { ...properties, [name]: { ...properties[name], ...lengths } } };
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
    [`${name}.merge`, { ...merged, properties: withOperators(withoutDefaults(merged.properties as Part), fields) }],
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
