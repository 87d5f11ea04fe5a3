import type { Section } from '../../config/keys/section.ts';
import { type ExpressionNode, parseExpression } from './expressions/cel.ts';

/** Static knowledge of a part of a `transform`. */
export type Shape = { readonly at: Section; readonly hasKey: boolean } & ShapeContent;

type ShapeContent =
  | { readonly kind: 'constant'; readonly value: unknown }
  | { readonly kind: 'members'; readonly members: ReadonlyMap<string, Shape> }
  | { readonly kind: 'list'; readonly items: readonly Shape[] }
  | { readonly kind: 'unknown' };

/** Shape of a section. `hasKey`: it has a key of its own, where an error in its name is reported. */
export function shapeOf(at: Section, hasKey = true): Shape {
  if (at.isMapping) {
    const members = new Map([...at.members].map(([name, member]) => [name, shapeOf(member)]));
    return { at, hasKey, kind: 'members', members };
  }
  if (Array.isArray(at.value)) return { at, hasKey, kind: 'list', items: at.items.map((item) => shapeOf(item, false)) };
  if (typeof at.value !== 'string') return { at, hasKey, kind: 'constant', value: at.value };
  // Values from the environment must not appear in messages.
  const node = at.isSecret ? undefined : parseExpression(at.value);
  return { at, hasKey, ...contentOf(node, at) };
}

function contentOf(node: ExpressionNode | undefined, at: Section): ShapeContent {
  const below = (inner: ExpressionNode): Shape => ({ at, hasKey: false, ...contentOf(inner, at) });
  switch (node?.op) {
    case 'value':
      return constantOf(node.args);
    case 'list':
      return { kind: 'list', items: node.args.map(below) };
    case 'map': {
      const names = node.args.map(([key]) => (key.op === 'value' ? key.args : undefined));
      if (!names.every((name) => typeof name === 'string')) return { kind: 'unknown' };
      return {
        kind: 'members',
        members: new Map(node.args.map(([, value], index) => [names[index] ?? '', below(value)])),
      };
    }
    default:
      return { kind: 'unknown' };
  }
}

function constantOf(value: unknown): ShapeContent {
  if (typeof value === 'bigint') return { kind: 'constant', value: Number(value) };
  const isPlain = value === null || ['string', 'number', 'boolean'].includes(typeof value);
  return isPlain ? { kind: 'constant', value } : { kind: 'unknown' };
}
