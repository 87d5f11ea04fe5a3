import type { ASTNode } from '@marcbachmann/cel-js';
import type { FlowData } from '../../connector.ts';

/** Macros that visit every item of a list. */
const MACROS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);

/** Bound of the items that nested macros may visit for one event. */
const MAX_MACRO_STEPS = 1_000_000;

/** Nesting depth of macros over lists: `input.a.map(x, input.b.filter(…))` is 2. */
export function countNesting(root: ASTNode): number {
  const own = root.op === 'rcall' && MACROS.has(root.args[0]) ? 1 : 0;
  return own + Math.max(0, ...children(root).map(countNesting));
}

/** True when nested macros could take too long with this input. A single one cannot: the input itself has a limit. */
export function isTooLarge(input: FlowData, nesting: number): boolean {
  return nesting > 1 && countItems(input) ** nesting > MAX_MACRO_STEPS;
}

/** Counts the items of all lists and objects: no list derived from the input is much longer. */
function countItems(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const items: unknown[] = Object.values(value);
  return items.reduce<number>((sum, item) => sum + countItems(item), items.length);
}

/** True when an expression reads this member of the input, by its name or with the input as a whole. */
export function readsMember(root: ASTNode, name: string): boolean {
  const node: { readonly op: string; readonly args: unknown } = root;
  if (node.op === 'id') return node.args === 'input';
  const [base, member] = Array.isArray(node.args) ? (node.args as unknown[]) : [];
  if (!isInput(base)) return children(root).some((child) => readsMember(child, name));
  if (node.op === '.') return member === name;
  const key = node.op === '[]' ? (member as ASTNode) : undefined;
  return key?.op !== 'value' || key.args === name;
}

function isInput(value: unknown): boolean {
  const [node] = nodesIn([value]);
  return node?.op === 'id' && node.args === 'input';
}

export function children({ args }: ASTNode): ASTNode[] {
  return nodesIn(args);
}

function nodesIn(value: unknown): ASTNode[] {
  if (Array.isArray(value)) return value.flatMap(nodesIn);
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value ? [value as ASTNode] : [];
}
