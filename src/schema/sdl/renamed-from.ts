import { type ConstDirectiveNode, type EnumTypeDefinitionNode, Kind, type NameNode } from 'graphql';
import type { DirectiveUse } from './directives.ts';
import type { SchemaReport } from './schema-report.ts';

const NAME = 'renamedFrom';

/** Returns the earlier names of a type or field, the latest first; undefined without the directive. */
export function readRenamedFrom(use: DirectiveUse | undefined): readonly string[] | undefined {
  if (use === undefined) return undefined;
  return [use, ...use.more].flatMap((one) => one.text('name') ?? []);
}

/** Returns the earlier names of the values of an enum; undefined when no value has one. */
export function readEnumNames({
  values,
}: EnumTypeDefinitionNode): Readonly<Record<string, readonly string[]>> | undefined {
  const names = (values ?? []).map(({ name, directives }) => [name.value, namesIn(directives)] as const);
  const renamed = names.filter(([, earlier]) => earlier.length > 0);
  return renamed.length === 0 ? undefined : Object.fromEntries(renamed);
}

/** Type, field or enum value as it is written. */
interface NamedNode {
  readonly name: NameNode;
  readonly directives?: readonly ConstDirectiveNode[] | undefined;
}

export interface SiblingNames {
  readonly kind: 'type' | 'field' | 'value';
  /** Reduces names that count as the same to one. */
  fold?(name: string): string;
}

/** Reports earlier names that are still in use beside the new one, or that two others have. */
export function checkRenames(
  nodes: readonly NamedNode[],
  { kind, fold = (name) => name }: SiblingNames,
  report: SchemaReport,
): void {
  const present = new Map(nodes.map((node) => [fold(node.name.value), node]));
  const claimed = new Map<string, NamedNode>();
  for (const node of nodes) {
    for (const directive of (node.directives ?? []).filter(({ name }) => name.value === NAME)) {
      const [earlier] = namesIn([directive]);
      if (earlier === undefined) continue;
      const other = present.get(fold(earlier));
      const first = claimed.get(fold(earlier));
      if (earlier === node.name.value) {
        report.wrong(
          directive,
          `${kind} "${earlier}" has that name now`,
          'name an earlier one, or remove the directive',
        );
      } else if (other !== undefined && other !== node) {
        const hint = `remove ${kind} "${earlier}", or the directive: once a server has started with it, it is not needed`;
        report.wrong(directive, `${kind} "${earlier}" is still there beside "${node.name.value}"`, hint);
      } else if (first !== undefined) {
        const message =
          first === node
            ? `"${earlier}" is named twice`
            : `${kind}s "${first.name.value}" and "${node.name.value}" both have the earlier name "${earlier}"`;
        report.wrong(directive, message, first === node ? undefined : 'stored values can go on under one name only');
      }
      claimed.set(fold(earlier), first ?? node);
    }
  }
}

function namesIn(directives: readonly ConstDirectiveNode[] | undefined): string[] {
  return (directives ?? [])
    .filter(({ name }) => name.value === NAME)
    .flatMap(({ arguments: given }) => given ?? [])
    .flatMap(({ name, value }) => (name.value === 'name' && value.kind === Kind.STRING ? [value.value] : []));
}
