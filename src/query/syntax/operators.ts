import type { Limits } from '../../config/config.ts';
import { suggest } from '../../config/files/suggest.ts';
import type { Comparison, TextOp } from './ast.ts';

/** Limits of a filter. */
export type FilterLimits = Pick<
  Limits,
  'filterLength' | 'filterConditions' | 'filterDepth' | 'filterValues' | 'filterPattern'
>;

export type QueryOperator =
  /** `strict` makes the value a literal: no wildcards, no null, no typed literals. */
  | { readonly type: 'equal'; readonly negated: boolean; readonly strict: boolean }
  | { readonly type: 'order'; readonly op: Comparison }
  | { readonly type: 'text'; readonly op: TextOp }
  | { readonly type: 'words' }
  | { readonly type: 'set'; readonly negated: boolean }
  | { readonly type: 'range'; readonly lowOp: 'ge' | 'gt'; readonly highOp: 'le' | 'lt' }
  | { readonly type: 'refused'; readonly why: string };

const EQUAL: QueryOperator = { type: 'equal', negated: false, strict: false };
const UNEQUAL: QueryOperator = { type: 'equal', negated: true, strict: false };

/** Operators between equals signs: `=gt=`. */
export const NAMED_OPERATORS: ReadonlyMap<string, QueryOperator> = new Map<string, QueryOperator>([
  ['eq', EQUAL],
  ['ne', UNEQUAL],
  ['gt', { type: 'order', op: 'gt' }],
  ['ge', { type: 'order', op: 'ge' }],
  ['lt', { type: 'order', op: 'lt' }],
  ['le', { type: 'order', op: 'le' }],
  ['ct', { type: 'text', op: 'contains' }],
  ['sw', { type: 'text', op: 'starts' }],
  ['ew', { type: 'text', op: 'ends' }],
  ['in', { type: 'set', negated: false }],
  ['out', { type: 'set', negated: true }],
  ['gele', { type: 'range', lowOp: 'ge', highOp: 'le' }],
  ['gtlt', { type: 'range', lowOp: 'gt', highOp: 'lt' }],
  ['gelt', { type: 'range', lowOp: 'ge', highOp: 'lt' }],
  ['gtle', { type: 'range', lowOp: 'gt', highOp: 'le' }],
  ['ft', { type: 'words' }],
  ['~', { type: 'refused', why: 'regular expressions are not supported; use =ct=, =sw=, =ew= or * in ==' }],
]);

export const SYMBOL_OPERATORS: ReadonlyMap<string, QueryOperator> = new Map<string, QueryOperator>([
  ['=', EQUAL],
  ['==', EQUAL],
  ['===', { type: 'equal', negated: false, strict: true }],
  ['!=', UNEQUAL],
  ['!==', { type: 'equal', negated: true, strict: true }],
  ['>', { type: 'order', op: 'gt' }],
  ['>=', { type: 'order', op: 'ge' }],
  ['<', { type: 'order', op: 'lt' }],
  ['<=', { type: 'order', op: 'le' }],
]);

/** Names of these operators in other query languages, where a name is not merely a typo. */
const SYNONYMS: Readonly<Record<string, string>> = {
  gte: 'ge',
  lte: 'le',
  neq: 'ne',
  nin: 'out',
  notin: 'out',
  like: 'ct',
  ilike: 'ct',
  contains: 'ct',
  startswith: 'sw',
  endswith: 'ew',
  between: 'gele',
};

/** Suggests `did you mean "ge"?` for `gte`, `$gte` and the like. */
export function meantOperator(word: string): string | undefined {
  const bare = word.replace(/^[$_]/, '');
  const synonym = bare.toLowerCase().replaceAll('_', '');
  return Object.hasOwn(SYNONYMS, synonym)
    ? `did you mean "${SYNONYMS[synonym]}"?`
    : suggest(bare, NAMED_OPERATORS.keys());
}
