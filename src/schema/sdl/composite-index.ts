import { type ConstValueNode, Kind } from 'graphql';
import type { CompositeIndexPlan, FieldPlan } from '../plan.ts';
import type { DirectiveUse } from './directives.ts';
import type { TableFields } from './field.ts';
import { locate, type SchemaReport } from './schema-report.ts';
import { formatType } from './types.ts';

// SQLite and PostgreSQL allow more, but such a wide index is a mistake.
const MAX_INDEX_FIELDS = 16;

/** Returns the composite indexes of a type. An index with an error is reported and left out. */
export function makeCompositeIndexes(
  uses: readonly DirectiveUse[],
  table: TableFields,
  report: SchemaReport,
): CompositeIndexPlan[] {
  const known = new Set<string>();
  return uses.flatMap((use) => {
    const fields = readFields(use, table, report);
    if (fields === undefined) return [];
    const key = fields.map(({ name }) => name).join(',');
    if (known.has(key)) {
      report.wrong(use.node, `the index of ${key} is given twice`);
      return [];
    }
    known.add(key);
    return [{ fields, unique: use.flag('unique') ?? false, at: locate(use.node) }];
  });
}

function readFields(use: DirectiveUse, table: TableFields, report: SchemaReport): readonly FieldPlan[] | undefined {
  const written = use.value('fields');
  // An error in the argument has been reported already.
  if (written?.kind !== Kind.LIST) return undefined;
  if (written.values.length < 2 || written.values.length > MAX_INDEX_FIELDS) {
    const hint = written.values.length < 2 ? 'for one field write @indexed or @unique there' : undefined;
    report.wrong(written, `@compositeIndex needs 2 to ${MAX_INDEX_FIELDS} fields`, hint);
    return undefined;
  }
  const fields: FieldPlan[] = [];
  for (const node of written.values) {
    const field = findField(node, table, report);
    if (field !== undefined && fields.includes(field)) report.wrong(node, `field "${field.name}" is given twice`);
    else if (field !== undefined) fields.push(field);
  }
  return fields.length === written.values.length ? fields : undefined;
}

function findField(node: ConstValueNode, table: TableFields, report: SchemaReport): FieldPlan | undefined {
  const name = node.kind === Kind.STRING ? node.value : '';
  const field = table.fields.find((candidate) => candidate.name === name);
  if (field === undefined && table.relations.has(name)) {
    report.wrong(node, `field "${name}" is a relation, which is not stored`, 'name the field with the key');
  } else if (field === undefined) {
    const names = table.fields.map((candidate) => candidate.name);
    report.wrong(node, `type "${table.typeName}" has no stored field "${name}"`, report.suggest(name, names));
  } else if (!isPlain(field)) {
    const message = `@compositeIndex does not work on "${name}" of type ${formatType(field.type)}`;
    report.wrong(node, message, 'only on single values');
    return undefined;
  }
  return field;
}

/** True for fields with a single value, by which an index can be ordered. */
export function isPlain({ type }: Pick<FieldPlan, 'type'>): boolean {
  return type.kind === 'enum' || (type.kind === 'scalar' && type.name !== 'JSON');
}
