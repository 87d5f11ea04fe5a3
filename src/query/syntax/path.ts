import { suggest } from '../../config/files/suggest.ts';
import type { FieldPlan, TablePlan } from '../../schema/plan.ts';
import { nameableFields, type ReadPolicy } from '../view.ts';
import type { FieldPath } from './ast.ts';
import { fieldNamed } from './fields.ts';
import { elementType, nameType } from './literal.ts';
import { show } from './problem.ts';
import type { QueryReader } from './reader.ts';

export interface PathScope {
  readonly table: TablePlan;
  readonly view?: ReadPolicy | undefined;
  /** True when a path may lead to related records, so that errors suggest their names; the default. */
  readonly followsRelations?: boolean;
  /** Other words that are valid at the beginning of the path, for suggestions. */
  readonly others?: Iterable<string>;
  /** Description of such a word, when it is not only a field. */
  readonly what?: string;
}

/** Resolves the fields of a dotted name. Throws INVALID_QUERY at the position of an unknown one. */
export function resolvePath(reader: QueryReader, name: string, start: number, scope: PathScope): FieldPath {
  const { table, view, followsRelations = true, others = [], what = 'field' } = scope;
  const visible = nameableFields(table, view);
  const [first = '', ...rest] = name.split('.');
  const root = fieldNamed(visible, first);
  if (root === undefined) {
    const names = [...visible, ...(followsRelations ? table.relations : [])].map((field) => field.name);
    throw unknown(reader, first, start, { where: table.name, what, names: [...names, ...others] });
  }
  const fields: [FieldPlan, ...FieldPlan[]] = [root];
  let column = start + first.length + 1;
  let last = root;
  for (const step of rest) {
    const type = elementType(last.type);
    if (type.kind !== 'object') {
      throw reader.error(`${last.name} is ${nameType(type)} and has no field ${show(step)}`, column);
    }
    const next = fieldNamed(type.fields, step);
    if (next === undefined) {
      const names = type.fields.map((field) => field.name);
      throw unknown(reader, step, column, { where: type.name, what: 'field', names });
    }
    fields.push(next);
    last = next;
    column += step.length + 1;
  }
  return { name, fields };
}

interface Candidates {
  readonly where: string;
  readonly what: string;
  readonly names: readonly string[];
}

function unknown(reader: QueryReader, name: string, start: number, { where, what, names }: Candidates): Error {
  const meant = suggest(
    name,
    names.filter((it) => it !== name),
  );
  return reader.error(`${where} has no ${what} ${show(name)}${meant === undefined ? '' : `; ${meant}`}`, start);
}
