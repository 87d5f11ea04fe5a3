import { type ConstValueNode, Kind } from 'graphql';
import type { CompositeIndexPlan, FieldPlan } from '../plan.ts';
import type { DirectiveUse } from './directives.ts';
import { locate, type SchemaReport } from './schema-report.ts';
import { formatType } from './types.ts';

// SQLite and PostgreSQL take more, but an index as wide as that is a mistake.
const MOST_FIELDS = 16;

interface Owner {
  readonly typeName: string;
  readonly fields: readonly FieldPlan[];
  /** Names of fields that are not stored, to be told apart from unknown ones. */
  readonly relations: ReadonlySet<string>;
}

/** The indexes over several fields in their order; what is wrong is reported and left out. */
export function makeCompositeIndexes(
  uses: readonly DirectiveUse[],
  owner: Owner,
  report: SchemaReport,
): CompositeIndexPlan[] {
  const known = new Set<string>();
  return uses.flatMap((use) => {
    const fields = readFields(use, owner, report);
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

function readFields(use: DirectiveUse, owner: Owner, report: SchemaReport): readonly FieldPlan[] | undefined {
  const written = use.value('fields');
  // A mistake in the argument has been reported.
  if (written?.kind !== Kind.LIST) return undefined;
  if (written.values.length < 2 || written.values.length > MOST_FIELDS) {
    const hint = written.values.length < 2 ? 'for one field write @indexed or @unique there' : undefined;
    report.wrong(written, `@compositeIndex needs 2 to ${MOST_FIELDS} fields`, hint);
    return undefined;
  }
  const fields: FieldPlan[] = [];
  for (const node of written.values) {
    const field = findField(node, owner, report);
    if (field !== undefined && fields.includes(field)) report.wrong(node, `field "${field.name}" is given twice`);
    else if (field !== undefined) fields.push(field);
  }
  return fields.length === written.values.length ? fields : undefined;
}

function findField(node: ConstValueNode, owner: Owner, report: SchemaReport): FieldPlan | undefined {
  const name = node.kind === Kind.STRING ? node.value : '';
  const field = owner.fields.find((candidate) => candidate.name === name);
  if (field === undefined && owner.relations.has(name)) {
    report.wrong(node, `field "${name}" is a relation, which is not stored`, 'name the field with the key');
  } else if (field === undefined) {
    const names = owner.fields.map((candidate) => candidate.name);
    report.wrong(node, `type "${owner.typeName}" has no stored field "${name}"`, report.suggest(name, names));
  } else if (!isPlain(field)) {
    const message = `@compositeIndex does not work on "${name}" of type ${formatType(field.type)}`;
    report.wrong(node, message, 'only on single values');
    return undefined;
  }
  return field;
}

/** Whether one value stands in the field, so that an index can order by it. */
export function isPlain({ type }: Pick<FieldPlan, 'type'>): boolean {
  return type.kind === 'enum' || (type.kind === 'scalar' && type.name !== 'JSON');
}
