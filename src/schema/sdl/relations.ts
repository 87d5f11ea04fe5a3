import { type FieldDefinitionNode, Kind, type ObjectTypeDefinitionNode } from 'graphql';
import {
  type FieldPlan,
  type FieldType,
  ON_DELETE,
  type OnDelete,
  type Reference,
  type RelationPlan,
  type TablePlan,
} from '../plan.ts';
import { type DirectiveUse, hasDirective, readDirectives } from './directives.ts';
import { locate, type SchemaReport } from './schema-report.ts';
import { formatType } from './types.ts';

/** Relations and references of a table. */
export interface TableLinks {
  readonly relations: RelationPlan[];
  readonly references: Reference[];
  readonly referrers: Reference[];
}

/** Table without its relations, which need the plans of all other tables. */
export interface UnlinkedTable {
  readonly node: ObjectTypeDefinitionNode;
  readonly table: TablePlan;
  /** Lists of the table's plan, filled by `linkRelations`. */
  readonly links: TableLinks;
}

interface RelationContext {
  readonly table: TablePlan;
  readonly tables: ReadonlyMap<string, TablePlan>;
  readonly report: SchemaReport;
}

/** True for fields that stand for records of another table and are not stored. */
export function isRelation(node: FieldDefinitionNode): boolean {
  return hasDirective(node.directives, 'relationship');
}

/** Fills in the relations of every table. `broken` names the tables that were reported and have no plan. */
export function linkRelations(
  unlinked: readonly UnlinkedTable[],
  broken: ReadonlySet<string>,
  report: SchemaReport,
): void {
  const tables = new Map(unlinked.map(({ table }) => [table.name, table]));
  const linksOf = new Map(unlinked.map(({ table, links }) => [table, links]));
  for (const { node, table, links } of unlinked) {
    for (const field of node.fields ?? []) {
      const relation = isRelation(field) ? makeRelation(field, broken, { table, tables, report }) : undefined;
      if (relation === undefined) continue;
      links.relations.push(relation);
      const { from, target } = relation;
      const onDelete = readOnDelete(field, relation, { table, report });
      if (from === undefined || onDelete === undefined) continue;
      const reference = { table, field: from, target, onDelete };
      links.references.push(reference);
      linksOf.get(target)?.referrers.push(reference);
    }
  }
  const orderOf = ({ onDelete }: { readonly onDelete: OnDelete }) => ON_DELETE.indexOf(onDelete);
  for (const { referrers } of linksOf.values()) referrers.sort((a, b) => orderOf(a) - orderOf(b));
}

/** Returns the fields that a relation of the type with `onDelete` starts at, with the types of their records. */
export function checkedKeys(nodes: readonly FieldDefinitionNode[]): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  for (const { type, directives = [] } of nodes) {
    const use = directives.find(({ name }) => name.value === 'relationship');
    const argumentOf = (wanted: string) => use?.arguments?.find(({ name }) => name.value === wanted)?.value;
    const from = argumentOf('from');
    const isNamed = from?.kind === Kind.STRING || from?.kind === Kind.ENUM;
    if (isNamed && argumentOf('onDelete') !== undefined && type.kind === Kind.NAMED_TYPE) {
      keys.set(from.value, type.name.value);
    }
  }
  return keys;
}

/** Returns what `onDelete` says; undefined without it, and after an error in it, which is reported. */
function readOnDelete(
  node: FieldDefinitionNode,
  { from, to, many, target }: RelationPlan,
  { table, report }: RelationEnds,
): OnDelete | undefined {
  const use = node.directives?.find(({ name }) => name.value === 'relationship');
  const value = use?.arguments?.find(({ name }) => name.value === 'onDelete')?.value;
  if (value === undefined) return undefined;
  const written = value.kind === Kind.ENUM || value.kind === Kind.STRING ? value.value : '';
  const action = ON_DELETE.find((known) => known === written);
  const choices = `one of ${ON_DELETE.join(', ')}`;
  if (action === undefined) {
    const meant = report.suggest(written.toUpperCase().replaceAll(' ', '_'), ON_DELETE);
    report.wrong(value, `unknown onDelete "${written}"`, meant ?? choices);
  } else if (to !== undefined) {
    const hint = `the side with the key decides: write it on a relation of ${target.name} with from: "${to.name}"`;
    report.wrong(value, 'onDelete needs "from"', hint);
  } else if (many) {
    const hint = `make a table whose records have one key of ${target.name} each`;
    report.wrong(value, 'onDelete does not work with a list of keys', hint);
  } else if (action === 'SET_NULL' && from?.computed !== undefined) {
    report.wrong(value, `SET_NULL does not work on the computed field "${from.name}"`, 'write CASCADE or RESTRICT');
  } else if (action === 'SET_NULL' && from?.required === true) {
    const hint = 'remove its "!", or write CASCADE or RESTRICT';
    report.wrong(value, `SET_NULL needs a field that may be null, and "${from.name}" is required`, hint);
  } else if (table.references.some(({ field }) => field === from)) {
    report.wrong(value, `"${from?.name}" has an onDelete already`, 'write it on one relation of the field');
  } else return action;
  return undefined;
}

function makeRelation(
  node: FieldDefinitionNode,
  broken: ReadonlySet<string>,
  context: RelationContext,
): RelationPlan | undefined {
  const { tables, report } = context;
  const uses = readDirectives(node.directives, 'FIELD_DEFINITION', report);
  for (const [name, { node: other }] of uses) {
    if (name !== 'relationship')
      report.wrong(other, `@${name} does not work on a relation`, 'a relation is not stored');
  }
  if (node.arguments?.[0] !== undefined) report.wrong(node.arguments[0], 'a field has no arguments');
  const use = uses.get('relationship');
  const shape = readShape(node, report);
  // A misspelled directive has been reported, and its arguments have not been read.
  if (use?.node.name.value !== 'relationship' || shape === undefined || broken.has(shape.name)) return undefined;
  const target = tables.get(shape.name);
  if (target === undefined) {
    const hint = report.suggest(shape.name, tables.keys()) ?? 'name a type with @table';
    report.wrong(node.type, `@relationship needs a table, and "${shape.name}" is not one`, hint);
    return undefined;
  }
  const ends = readEnds(use, { many: shape.many, target, node }, context);
  const description = node.description?.value;
  return (
    ends && {
      name: node.name.value,
      ...(description === undefined ? {} : { description }),
      target,
      many: shape.many,
      ...ends,
      at: locate(node),
    }
  );
}

function readShape({ type }: FieldDefinitionNode, report: SchemaReport): { name: string; many: boolean } | undefined {
  if (type.kind === Kind.NON_NULL_TYPE) {
    report.wrong(type, 'a relation cannot be required', 'remove the last "!": the record may be missing');
    return undefined;
  }
  if (type.kind === Kind.NAMED_TYPE) return { name: type.name.value, many: false };
  const item = type.type.kind === Kind.NON_NULL_TYPE ? type.type.type : type.type;
  if (item.kind === Kind.NAMED_TYPE) return { name: item.name.value, many: true };
  report.wrong(type, 'a relation is a record or a list of records, not a list of lists');
  return undefined;
}

interface RelationShape {
  readonly many: boolean;
  readonly target: TablePlan;
  readonly node: FieldDefinitionNode;
}

function readEnds(use: DirectiveUse, shape: RelationShape, { table, report }: RelationContext) {
  const from = use.text('from');
  const to = use.text('to');
  if ((use.value('from') === undefined) === (use.value('to') === undefined)) {
    const hint = 'from: the field here with the key of the other record; to: the field there with the key of this one';
    report.wrong(use.node, '@relationship needs exactly one of "from" and "to"', hint);
    return undefined;
  }
  if (from !== undefined) return readFrom(from, use, shape, { table, report });
  return to === undefined ? undefined : readTo(to, use, shape, { table, report });
}

type RelationEnds = Pick<RelationContext, 'table' | 'report'>;

function readFrom(
  name: string,
  use: DirectiveUse,
  { many, target, node }: RelationShape,
  { table, report }: RelationEnds,
) {
  const from = findKeyField(name, { owner: table, keyOf: target, at: use.value('from') ?? use.node }, report);
  if (from === undefined) return undefined;
  if ((from.type.kind === 'list') === many) return { from };
  const written = many ? target.name : `[${target.name}]`;
  const has = many ? 'one key' : 'a list of keys';
  report.wrong(node.type, `field "${name}" has ${has}`, `write ${node.name.value}: ${written}`);
  return undefined;
}

function readTo(
  name: string,
  use: DirectiveUse,
  { many, target, node }: RelationShape,
  { table, report }: RelationEnds,
) {
  const to = findKeyField(name, { owner: target, keyOf: table, at: use.value('to') ?? use.node }, report);
  if (to === undefined) return undefined;
  if (many || to.unique || to.primaryKey) return { to };
  const hint = `write ${node.name.value}: [${target.name}], or make "${target.name}.${name}" @unique`;
  report.wrong(node.type, `several records of ${target.name} may have the same "${name}"`, hint);
  return undefined;
}

interface KeyField {
  readonly owner: TablePlan;
  readonly keyOf: TablePlan;
  readonly at: Parameters<SchemaReport['wrong']>[0];
}

function findKeyField(name: string, { owner, keyOf, at }: KeyField, report: SchemaReport): FieldPlan | undefined {
  const field = owner.fields.find((known) => known.name === name);
  if (field === undefined) {
    const names = owner.fields.map((known) => known.name);
    report.wrong(at, `type "${owner.name}" has no stored field "${name}"`, report.suggest(name, names));
    return undefined;
  }
  const item = field.type.kind === 'list' ? field.type.of : field.type;
  const key = keyOf.primaryKey.type;
  if (fits(item, key)) return field;
  const message = `"${owner.name}.${name}" is ${formatType(field.type)}, and the key of ${keyOf.name} is ${formatType(key)}`;
  report.wrong(at, message, `use ${formatType(key)} or [${formatType(key)}]`);
  return undefined;
}

/** True when the two types can hold the same key: ID and String are both strings. */
function fits(a: FieldType, b: FieldType): boolean {
  if (a.kind !== 'scalar' || b.kind !== 'scalar') return false;
  const isText = (type: string) => type === 'ID' || type === 'String';
  return a.name === b.name || (isText(a.name) && isText(b.name));
}
