/** Binary operators by precedence, lowest first. Those of one line have the same precedence and associate to the left. */
export const OPERATORS = [
  ['??'],
  ['||'],
  ['&&'],
  ['==', '!='],
  ['<', '<=', '>', '>='],
  ['+', '-'],
  ['*', '/', '%'],
] as const;

export type Operator = (typeof OPERATORS)[number][number];

/** Syntax tree of an expression, as plain data. `at` is the offset in the text, from 0. */
export type Expression = { readonly at: number } & (
  | { readonly type: 'literal'; readonly value: string | number | boolean | null }
  | { readonly type: 'field'; readonly name: string }
  | { readonly type: 'unary'; readonly operator: '-' | '!'; readonly item: Expression }
  | {
      readonly type: 'binary';
      readonly operator: Operator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly type: 'choice'; readonly test: Expression; readonly yes: Expression; readonly no: Expression }
  /** Template literal: text with values in it. */
  | { readonly type: 'template'; readonly parts: readonly Expression[] }
  | { readonly type: 'call'; readonly name: string; readonly items: readonly Expression[] }
);

/** Thrown for an expression that is not valid. `at` is the offset in the text, from 0. */
export class ExpressionError extends Error {
  readonly at: number;
  readonly hint: string | undefined;

  constructor(at: number, message: string, hint?: string) {
    super(message);
    this.name = 'ExpressionError';
    this.at = at;
    this.hint = hint;
  }
}
