import type { RelationPlan } from '../../schema/plan.ts';
import { nameableFields, type ReadPolicy } from '../view.ts';
import type { FieldPath } from './ast.ts';
import { elementType } from './literal.ts';

/** Meaning of a name: relations and a path; the last relation itself when there is no path. */
export interface Target {
  readonly relations: readonly RelationPlan[];
  readonly path: FieldPath | undefined;
}

/** Returns the fields that can be named after this name and a dot. */
export function innerNames({ relations, path }: Target, view: ReadPolicy | undefined): readonly string[] {
  const target = relations.at(-1)?.target;
  if (path === undefined) return target === undefined ? [] : nameableFields(target, view).map(({ name }) => name);
  const type = elementType((path.fields.at(-1) ?? path.fields[0]).type);
  return type.kind === 'object' ? type.fields.map(({ name }) => name) : [];
}

/** True when a record has at most one value there. */
export function isSingle({ relations, path }: Target): boolean {
  return relations.every(({ many }) => !many) && path?.fields.every(({ type }) => type.kind !== 'list') === true;
}
