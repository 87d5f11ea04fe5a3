import { type CompiledExpression, compileExpression, type ExpressionOptions, type FindKind } from './compile.ts';
import { parseExpression } from './parse.ts';

export type { CompiledExpression, ExpressionOptions, FindKind } from './compile.ts';
export { ExpressionError } from './expression.ts';
export { KIND_NAMES, type Kind, kindOf, type Value } from './kinds.ts';

/** Parses, checks and compiles an expression. Throws ExpressionError with the offset of the error. */
export function readExpression(text: string, findKind: FindKind, options?: ExpressionOptions): CompiledExpression {
  return compileExpression(parseExpression(text), findKind, options);
}
