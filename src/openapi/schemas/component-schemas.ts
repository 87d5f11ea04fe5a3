import type { FieldPlan, FieldType, RelationPlan, TablePlan } from '../../schema/plan.ts';
import { mustBeSent } from '../../schema/sdl/field.ts';
import { inputSchema, inputsOf } from './inputs.ts';
import { openRelations, outputSchema, type Part, recordSchema, refer, referTo } from './schemas.ts';

/** Describes every type that a document of these tables refers to, by name. Names of types in a schema contain no dot. */
export function componentSchemas(tables: readonly TablePlan[], maxIdLength: number): Part {
  const schemas = new Map<string, Part>();
  for (const table of tables) {
    schemas.set(table.name, recordSchema(table));
    // A record always has its key; a related record has it only when `select` names it.
    schemas.set(selectedName(table), partSchema(table, [table.primaryKey.name]));
    addTypes(table.fields, schemas);
  }
  for (const table of relatedTo(tables)) {
    schemas.set(relatedName(table), partSchema(table, []));
    addTypes(table.fields, schemas);
  }
  for (const table of tables) for (const [name, schema] of inputsOf(table, maxIdLength)) schemas.set(name, schema);
  return Object.fromEntries([...schemas].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Returns the tables whose records can be nested in others. */
function relatedTo(tables: readonly TablePlan[]): ReadonlySet<TablePlan> {
  const all = new Set(tables.flatMap((table) => openRelations(table).map(({ target }) => target)));
  // The loop also visits what is added to the set meanwhile.
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

/** Describes a relation, which is present only when `select` names it, as are the fields of its records. */
function relationSchema({ target, many, description }: RelationPlan): Part {
  const name = relatedName(target);
  const schema = many ? { type: 'array', items: refer(name) } : referTo(name, false);
  return description === undefined ? schema : { ...schema, description };
}

/** Describes a record with `select`: any of its fields, and related records. */
function partSchema(table: TablePlan, required: readonly string[]): Part {
  const { properties } = outputSchema({}, table.fields);
  const relations = openRelations(table).map((relation) => [relation.name, relationSchema(relation)] as const);
  return {
    type: 'object',
    description: `The fields of ${table.name} that \`select\` names.`,
    properties: { ...(properties as Part), ...Object.fromEntries(relations) },
    ...(required.length === 0 ? {} : { required }),
  };
}

export function selectedName({ name }: TablePlan): string {
  return `${name}.selected`;
}

function relatedName({ name }: TablePlan): string {
  return `${name}.related`;
}
