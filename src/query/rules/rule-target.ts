import type { RelationPlan, TablePlan } from '../../schema/plan.ts';
import type { FieldPath } from '../syntax/ast.ts';
import { relationNamed } from '../syntax/fields.ts';
import { resolvePath } from '../syntax/path.ts';
import type { QueryReader } from '../syntax/reader.ts';
import { MAX_RELATIONS } from '../syntax/related.ts';

/** Meaning of a name in a rule: relations, and a path in the last one's table; no path when the name ends there. */
export interface RuleTarget {
  readonly relations: readonly RelationPlan[];
  readonly path: FieldPath | undefined;
}

export interface RuleTargetScope {
  readonly table: TablePlan;
  /** Relations that the groups around the name follow already. */
  readonly depth: number;
}

/** Resolves a dotted name in a rule. Throws INVALID_QUERY at the part that is wrong. */
export function resolveRuleTarget(
  reader: QueryReader,
  name: string,
  start: number,
  { table: own, depth }: RuleTargetScope,
): RuleTarget {
  const relations: RelationPlan[] = [];
  let table = own;
  let rest = name;
  let column = start;
  for (;;) {
    const [first = ''] = rest.split('.', 1);
    const relation = relationNamed(table, first);
    if (relation === undefined) return { relations, path: resolvePath(reader, rest, column, { table }) };
    checkReadable(reader, relation, { table, column });
    relations.push(relation);
    if (depth + relations.length > MAX_RELATIONS) {
      throw reader.error(`a rule follows at most ${MAX_RELATIONS} relations`, column);
    }
    if (first.length === rest.length) return { relations, path: undefined };
    table = relation.target;
    rest = rest.slice(first.length + 1);
    column += first.length + 1;
  }
}

/** Throws for a relation over a hidden field, which rules know no more than queries do. */
function checkReadable(
  reader: QueryReader,
  { name, from, to, target }: RelationPlan,
  { table, column }: { readonly table: TablePlan; readonly column: number },
): void {
  const hidden = from?.hidden ? `${table.name}.${from.name}` : to?.hidden ? `${target.name}.${to.name}` : undefined;
  if (hidden !== undefined) throw reader.error(`${name} follows ${hidden}, which is @hidden to rules too`, column);
}
