import { operatorsOf } from '../../schema/constraints/operators.ts';
import type { FieldPlan } from '../../schema/plan.ts';
import { isServerSet } from '../../schema/sdl/field.ts';
import { type Part, typeSchema } from './schemas.ts';

/** Adds to each field of a patch the objects that change it: `{"$inc": 1}`. A field of type JSON has none. */
export function withOperators(properties: Part, fields: readonly FieldPlan[]): Part {
  const added = fields.flatMap((field) => {
    const operations = operationsOf(field);
    const schema = properties[field.name] as Part | undefined;
    if (schema === undefined || operations.length === 0) return [];
    const { description, writeOnly, ...value } = schema;
    const notes = Object.entries({ description, writeOnly }).filter(([, note]) => note !== undefined);
    return [[field.name, { ...Object.fromEntries(notes), anyOf: [value, ...operations] }] as const];
  });
  return { ...properties, ...Object.fromEntries(added) };
}

function operationsOf(field: FieldPlan): readonly Part[] {
  const { type, primaryKey, required } = field;
  if (primaryKey || isServerSet(field) || (type.kind === 'scalar' && type.name === 'JSON')) return [];
  const operand = type.kind === 'list' ? itemsSchema(type) : typeSchema({ type, required: true }, 'in');
  const operations = operatorsOf(type).map((operator) => operation(operator, operand));
  return required ? operations : [...operations, operation('$unset', { type: 'boolean', const: true })];
}

function operation(operator: string, operand: Part): Part {
  return { type: 'object', properties: { [operator]: operand }, required: [operator], additionalProperties: false };
}

/** Describes one item, or a list of them. */
function itemsSchema(type: FieldPlan['type'] & { kind: 'list' }): Part {
  const item = typeSchema({ type: type.of, required: type.itemsRequired }, 'in');
  const isOne = type.of.kind === 'list' || (type.of.kind === 'scalar' && type.of.name === 'JSON');
  return isOne ? item : { anyOf: [item, { type: 'array', items: item }] };
}
